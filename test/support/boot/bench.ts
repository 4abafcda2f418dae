/**
 * A machine in qemu that is kept up to date by `iotkit-ota agent`, the platform outside, and what must be true of both
 * whatever happens in between.
 */
import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Platform, UpgradeTask } from 'iotkit-ota-platform';
import { grubVariables } from '../boot-choosers';
import type { BootImages, Partition, Place, System } from './image';
import type { Loader, NextStart } from './loaders';
import { Machine } from './machine';
import { contentAt, PowerDisk, touches, type Verdict } from './power-disk';

/** What a machine in qemu calls the one it runs on. */
export const HOST = '10.0.2.2';
const PRODUCT_KEY = 'a1Boot';

/** By a clock that counts instructions while there are any: a machine that gets no time here is not one that hangs. */
const watchdogArguments = ['-device', 'ib700', '-icount', 'shift=2'];

/** Variables of GRUB's environment. */
export type GrubVariables = Readonly<Record<string, string | undefined>>;

/** Where the power is cut: at a line that the machine writes, or at a write of its disk. */
export type Cut =
  | { readonly at: 'line'; readonly pattern: RegExp }
  | {
      readonly at: 'write';
      /** Which writes count. */
      readonly to: 'grubenv' | Partition;
      /** The first is 1. */
      readonly nth: number;
      readonly how: Exclude<Verdict, 'done'>;
    };

export interface BenchOptions {
  /** Of 0 to 1, for what the disk keeps of what was not flushed. */
  readonly random: () => number;
  /** Of the agent's health checks. */
  readonly health?: { readonly withinMs?: number };
  /** Whether there is a watchdog (ib700) that GRUB starts: it resets a machine that has not fed it for 30 s. */
  readonly hasWatchdog?: boolean;
}

/** A machine with its device, from its first start on. */
export class Bench implements AsyncDisposable {
  /** GRUB's environment after each write to it, and how many writes each place has had. */
  readonly environments: GrubVariables[] = [];
  readonly writes = new Map<string, number>();
  #onEnvironment: (variables: GrubVariables) => void = () => {};
  #cut: Cut | undefined;
  #onCut: (() => void) | undefined;

  private constructor(
    readonly platform: Platform,
    readonly machine: Machine,
    private readonly images: BootImages,
    private readonly folder: string,
    readonly deviceName: string,
    private readonly places: ReadonlyMap<string, Place>,
  ) {
    machine.disk.onWrite = (write) => {
      let verdict: Verdict = 'done';
      for (const [name, place] of this.places) {
        if (touches(write, place)) verdict = this.#written(name, verdict);
      }
      const grubenv = this.places.get('grubenv');
      const block = grubenv && contentAt(write, grubenv);
      if (block !== undefined && verdict !== 'cut-before') this.#environmentIs(block);
      return verdict;
    };
    machine.onLine = (line) => {
      if (this.#cut?.at === 'line' && this.#cut.pattern.test(line)) this.#powerGoes();
    };
  }

  static async open(
    platform: Platform,
    images: BootImages,
    deviceName: string,
    { random, health, hasWatchdog = false }: BenchOptions,
  ): Promise<Bench> {
    const folder = await mkdtemp(path.join(tmpdir(), 'iotkit-boot-'));
    const { deviceSecret } = await platform.devices.add({ productKey: PRODUCT_KEY, deviceName });
    const data = path.join(folder, 'data');
    await mkdir(data, { mode: 0o755 });
    await writeFile(path.join(data, 'secret'), deviceSecret, { mode: 0o600 });
    await writeFile(path.join(data, 'ca.pem'), platform.ca);
    const { loader } = images;
    const { environment, firmware } = loader;
    const config = agentConfig(platform.mqttsUrl, deviceName, environment, health);
    await writeFile(path.join(data, 'agent.json'), JSON.stringify(config, undefined, 2));
    const file = path.join(folder, 'disk.img');
    await images.disk(file, data);
    const disk = new PowerDisk(file, (await stat(file)).size, random);
    const watchdog = hasWatchdog ? watchdogArguments : [];
    const socket = path.join(folder, 'disk.socket');
    const machine = await Machine.make(disk, socket, [...firmware, ...watchdog]);
    const places = new Map<string, Place>();
    if (loader.name === 'grub') places.set('grubenv', await images.grubenv());
    for (const name of ['boot', 'system-a', 'system-b', 'data'] as const) {
      places.set(name, images.place(name));
    }
    return new Bench(platform, machine, images, folder, deviceName, places);
  }

  /** The platform announces the image of a slot. */
  async announce(system: System): Promise<string> {
    const { version } = system;
    const firmware = await this.platform.firmware.add({
      productKey: PRODUCT_KEY,
      version,
      file: await this.images.system(system),
      signMethod: 'SHA256',
      allowSameVersion: true,
    });
    const devices = [this.deviceName];
    return (await this.platform.upgrades.start({ firmwareId: firmware.id, devices })).id;
  }

  /** The device's part of an upgrade, once it is final. */
  async outcome(upgradeId: string): Promise<UpgradeTask> {
    const ended = this.platform.upgrades.settled(upgradeId);
    const { tasks } = await this.#orMachineEnds(ended);
    return tasks[0] as UpgradeTask;
  }

  /** Resolves when GRUB's environment is as `isIt` wants it, on the disk or on its way to it. */
  environment(isIt: (variables: GrubVariables) => boolean): Promise<void> {
    return new Promise((resolve) => {
      this.#onEnvironment = (variables) => isIt(variables) && resolve();
      const last = this.environments.at(-1);
      if (last !== undefined) this.#onEnvironment(last);
    });
  }

  /**
   * Cuts the power once, as planned; or when the upgrade has ended, if it does so before.
   *
   * @returns whether it was as planned
   */
  async powerCut(cut: Cut, upgradeId: string): Promise<boolean> {
    this.writes.clear();
    this.#cut = cut;
    const gone = new Promise<true>((resolve) => {
      this.#onCut = () => resolve(true);
    });
    const isPlanned = await Promise.race([gone, this.outcome(upgradeId).then(() => false)]);
    this.#cut = undefined;
    this.machine.cut();
    return isPlanned;
  }

  /** The slots whose kernel was started, in their order. */
  starts(): string[] {
    return this.machine.lines.flatMap((line) => /^kernel of slot (\w+)/.exec(line)?.[1] ?? []);
  }

  /** What the boot loader finds at the next start, with the power off. */
  next(): NextStart {
    return this.images.loader.next({
      file: path.join(this.folder, 'disk.img'),
      place: (partition) => this.images.place(partition),
      read: (offset, size) => this.machine.disk.read(offset, size),
    });
  }

  /**
   * Throws unless, with the power off, the machine is where the platform believes it is: updated to `system`, or back
   * at 1.0.0, told with the reason; and no start on the way was of a slot that is not whole.
   */
  expectEnd(system: System, { state, desc = '' }: UpgradeTask): void {
    const isWell = system.health === 'well';
    const { order, isTrial, variables } = this.next();
    const problems = [
      state === (isWell ? 'succeeded' : 'failed') ? '' : `the upgrade has ${state}: ${desc}`,
      isWell || reasons[system.health].test(desc) ? '' : `the reason is ${desc}`,
      order.join(' ') === (isWell ? 'B A' : 'A') ? '' : `${order} may start`,
      isTrial ? 'a trial has no end' : '',
      ...this.machine.lines.map((line) => problemIn(line, system)),
    ].filter((problem) => problem !== '');
    if (problems.length === 0) return;
    const found = `${problems.join('; ')}\nThe boot loader finds: ${JSON.stringify(variables)}`;
    throw new Error(`${found}\n${this.machine.lines.join('\n')}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.machine.close();
    await rm(this.folder, { recursive: true, force: true });
  }

  #written(name: string, verdict: Verdict): Verdict {
    const count = (this.writes.get(name) ?? 0) + 1;
    this.writes.set(name, count);
    const cut = this.#cut;
    if (cut?.at !== 'write' || cut.to !== name || cut.nth !== count) return verdict;
    this.#cut = undefined;
    queueMicrotask(() => this.#onCut?.());
    return cut.how;
  }

  #powerGoes(): void {
    this.#cut = undefined;
    this.machine.cut();
    this.#onCut?.();
  }

  #environmentIs(block: Buffer): void {
    const variables = grubVariables(block.toString('latin1'));
    this.environments.push(variables);
    this.#onEnvironment(variables);
  }

  /** A machine that hangs or ends must not be waited for. */
  #orMachineEnds<T>(work: Promise<T>): Promise<T> {
    const never = /^(?!)/;
    const ends = this.machine.until(never);
    ends.catch(() => {}); // when it is closed in the end
    return Promise.race([work, ends as Promise<never>]);
  }
}

const reasons: Readonly<Record<System['health'], RegExp>> = {
  well: /^$/,
  sick: /the pump does not turn/,
  dead: /B did not come up/,
  frozen: /B did not come up/,
};

/** What a line of the serial line says that must not be; `''`: nothing. */
function problemIn(line: string, { version, health }: System): string {
  const [, slot, running] = /^running slot (\w+) version (\S*)/.exec(line) ?? [];
  if (slot === 'A' && running !== '1.0.0') return `A runs ${running}`;
  if (slot === 'B' && running !== version) return `B runs ${running}`;
  if (health === 'well' && /: (?:failed|rolledBack)\b/.test(line)) return line;
  if (health !== 'dead' && /Kernel panic/.test(line)) return line;
  if (/record.*damaged|is no environment block/.test(line)) return line;
  return '';
}

function agentConfig(
  url: string,
  deviceName: string,
  environment: Loader['environment'],
  health: BenchOptions['health'],
): object {
  return {
    device: {
      productKey: PRODUCT_KEY,
      deviceName,
      deviceSecretFile: 'secret',
      url,
      tls: { caFile: 'ca.pem' },
    },
    installer: {
      kind: 'slots',
      slots: {
        A: '/dev/disk/by-partlabel/system-a',
        B: '/dev/disk/by-partlabel/system-b',
      },
      environment,
    },
    versionFile: '/etc/VERSION',
    health: {
      checks: [{ argv: ['/usr/libexec/healthy'] }, 'connected'],
      holdMs: 1000,
      everyMs: 500,
      ...health,
    },
  };
}
