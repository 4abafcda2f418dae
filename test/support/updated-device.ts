/**
 * A device with an update agent, on a simulated machine whose power may be cut, and the platform's
 * side of one upgrade, or of one for each module, which outlives its restarts.
 */
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { abortable, throwIfAborted } from '../../lib/base/signals';
import { openAgent, type UpdateAgent } from '../../lib/install/agent';
import type { UpdateAgentOptions } from '../../lib/install/agent-options';
import type { Clock } from '../../lib/install/clock';
import type { RecordIo } from '../../lib/install/record';
import type { UpdateDevice } from '../../lib/install/reports';
import { FakePlatform } from '../../lib/testing/fake-platform';
import { imageOf, Power, type SimulatedMachine } from './simulated-machine';

/** What the platform knows of its only upgrade. */
export interface Task {
  readonly version: string;
  /** The image, where it is none that the machine takes. */
  readonly image?: string;
  state: 'open' | 'succeeded' | 'failed';
  reason: string;
}

/** Another module of the device, on slots of its own. */
export interface OtherModule {
  readonly module: string;
  readonly machine: SimulatedMachine;
  readonly task: Task;
}

/** A version that was reported, and what ran meanwhile. */
export interface HeardVersion {
  readonly version: string;
  readonly runs: string;
  /** Of the slot that runs. */
  readonly state: string;
}

/** A clock whose sleeps take no time. */
export interface FastClock extends Clock {
  /** What has passed, from the time that it was set to at first. */
  time: number;
  /** By how much it was set to another time since. */
  set: number;
  /** Called at the end of each sleep, which then lasts until it resolves, or is aborted. */
  onSleep: (ms: number) => unknown;
}

export function fastClock(power: Power): FastClock {
  return {
    time: Date.UTC(2026, 0, 1),
    set: 0,
    onSleep: () => {},
    now() {
      return this.time + this.set;
    },
    elapsed() {
      return this.time;
    },
    async sleep(ms, signal) {
      await power.alive();
      this.time += ms;
      await new Promise((resolve) => setImmediate(resolve));
      throwIfAborted(signal);
      await abortable((async () => this.onSleep(ms))(), signal);
    },
  };
}

/**
 * Writes of the record are steps of the power; with `loses`, what was not flushed is lost. Each is
 * done at once, so that nothing of one life reaches into the next.
 */
export function recordIoOf(power: Power, loses: boolean): RecordIo {
  let undo = (): void => {};
  power.onCut(() => {
    if (loses) undo();
  });
  return {
    async write(path, text) {
      // A part of it may be there, in a file that nobody looks at.
      await power.alive();
      writeFileSync(path, text.slice(0, text.length / 2));
      await power.step('record: write');
      writeFileSync(path, text);
    },
    async rename(from, to) {
      await power.step('record: rename');
      const before = read(to);
      renameSync(from, to);
      undo = () => (before === undefined ? rmSync(to, { force: true }) : writeFileSync(to, before));
    },
    async syncDirectory() {
      await power.step('record: flush');
      undo = () => {};
    },
  };
}

function read(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch {
    return undefined;
  }
}

/** One life of the device: from a start of the machine to the end of its power. */
export class Life {
  readonly machine: SimulatedMachine;
  readonly power: Power;
  task: Task;
  readonly platform: FakePlatform;
  readonly clock: FastClock;
  agent!: UpdateAgent;
  readonly errors: unknown[] = [];
  /** Called when the platform has heard a version. */
  onHeard: () => unknown = () => {};
  /** In their order, of all modules. */
  readonly heard: { readonly version: string; readonly runs: string; readonly state: string }[] =
    [];

  readonly #others: readonly OtherModule[];

  /** The machine starts, with all of its modules; throws if it cannot. */
  constructor(
    machine: SimulatedMachine,
    task: Task,
    cutAt = 0,
    others: readonly OtherModule[] = [],
  ) {
    this.#others = others;
    this.power = new Power(cutAt);
    machine.start(this.power);
    for (const other of others) other.machine.start(this.power);
    this.machine = machine;
    this.task = task;
    this.platform = new FakePlatform();
    this.clock = fastClock(this.power);
    this.#announce(task);
    for (const other of others) this.#announce(other.task, other.module);
  }

  /** The operator starts another upgrade, which ends the one before: what is reported counts for this one. */
  offer(task: Task): void {
    this.task = task;
    this.#announce(task);
  }

  #announce({ version, state, image = imageOf(version) }: Task, module?: string): void {
    if (state !== 'open') return;
    this.platform.announce({ version, data: Buffer.from(image), module });
  }

  #taskOf(module: string | undefined): Task {
    return this.#others.find((other) => other.module === module)?.task ?? this.task;
  }

  async open(options: Partial<UpdateAgentOptions> = {}, loses = false): Promise<UpdateAgent> {
    const { machine, power, clock } = this;
    this.agent = await openAgent(
      {
        device: this.#device(),
        installer: machine.installer,
        record: join(machine.folder, 'update.record'),
        health: { holdMs: 10_000, withinMs: 60_000 },
        ...options,
      },
      {
        clock,
        bootId: async () => machine.bootId,
        io: recordIoOf(power, loses),
        lock: async () => ({ release: async () => {} }), // a cut would release it
      },
    );
    this.agent.on('error', (error) => this.errors.push(error));
    return this.agent;
  }

  /** What the agent sends counts if the power is there when it is sent. */
  #device(): UpdateDevice {
    const { platform, power } = this;
    const { ota } = platform.device;
    return {
      get state() {
        return platform.device.state;
      },
      on: (event, listener) => platform.device.on(event, listener),
      ota: {
        upgrades: (options) => ota.upgrades(options),
        check: async (options) => {
          await power.alive();
          return ota.check(options);
        },
        reportVersion: async (version, options) => {
          await power.step('report: version');
          await this.#hear(version, options?.module);
          await ota.reportVersion(version, options);
          const task = this.#taskOf(options?.module);
          if (task.state === 'open' && version === task.version) task.state = 'succeeded';
          this.onHeard();
          await power.alive();
        },
        reportProgress: async (step, options) => {
          if (step < 0) await power.step('report: failure');
          else await power.alive();
          await ota.reportProgress(step, options);
          const task = this.#taskOf(options?.module);
          if (step < 0 && task.state === 'open') {
            Object.assign(task, { state: 'failed', reason: options?.desc ?? '' });
          }
          await power.alive();
        },
      },
    };
  }

  async #hear(version: string, module: string | undefined): Promise<void> {
    const { machine } = this.#others.find((other) => other.module === module) ?? this;
    const { booted, slots } = await machine.installer.status();
    const { state = '' } = slots.find(({ name }) => name === booted) ?? {};
    this.heard.push({ version, runs: machine.running ?? '', state });
  }

  async close(): Promise<void> {
    this.power.off();
    await this.platform.device.close();
  }
}
