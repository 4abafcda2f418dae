/** A device with two modules that are updated together, on simulated machines whose power may be cut. */
import type { UpdateAgent } from '../../lib/install/agent';
import type { UpdateAgentOptions } from '../../lib/install/agent-options';
import { changed, restartedAlone } from './running-agent';
import { SimulatedMachine } from './simulated-machine';
import { type HeardVersion, Life, type OtherModule, type Task } from './updated-device';

export interface TogetherScenario {
  /** The image for the machine, and for the other module. */
  readonly versions: readonly [string, string];
  readonly takes: SimulatedMachine['takes'];
  /** Whether the other module restarts by itself. */
  readonly alone: boolean;
  /** Whether the image of the other module is none. */
  readonly isWrong?: boolean;
  /** Whether what runs says its version. */
  readonly saysVersion?: boolean;
}

const MODULE = 'mcu';

export class TogetherDevice {
  readonly machine: SimulatedMachine;
  readonly tasks: readonly [Task, Task];
  /** The versions that were reported, in all lives. */
  readonly heard: HeardVersion[] = [];
  readonly #other: OtherModule;
  readonly #alone: boolean;
  readonly #saysVersion: boolean;
  readonly #loses: boolean;

  /** @param loses whether a cut loses what was not flushed */
  constructor(given: TogetherScenario, loses: boolean) {
    const { versions, takes, alone, isWrong = false, saysVersion = false } = given;
    this.#alone = alone;
    this.#saysVersion = saysVersion;
    this.#loses = loses;
    this.machine = new SimulatedMachine(takes);
    const [first, second] = versions;
    const image = isWrong ? { image: 'for another machine' } : {};
    this.tasks = [
      { version: first, state: 'open', reason: '' },
      { version: second, state: 'open', reason: '', ...image },
    ];
    const machine = new SimulatedMachine(takes);
    this.#other = { module: MODULE, machine, task: this.tasks[1] };
  }

  get running(): readonly (string | undefined)[] {
    return [this.machine.running, this.#other.machine.running];
  }

  /** @param cutAt the number of the write before which the power is cut; 0: it is not */
  start(cutAt = 0): Life {
    return new Life(this.machine, this.tasks[0], cutAt, [this.#other]);
  }

  async open(life: Life): Promise<UpdateAgent> {
    const { machine } = this;
    const other = this.#other;
    const healthy = (): boolean => {
      if (this.running.some((version) => version?.endsWith('sick'))) throw new Error('it is sick');
      return true;
    };
    const options: Partial<UpdateAgentOptions> = {
      installer: undefined,
      modules: [
        { installer: machine.installer, version: this.#versionOf(machine) },
        {
          module: MODULE,
          version: this.#versionOf(other.machine),
          installer: this.#alone
            ? restartedAlone(other)
            : changed(other.machine.installer, { reboot: () => machine.installer.reboot() }),
        },
      ],
      together: true,
      health: { checks: ['connected', healthy], holdMs: 10_000, withinMs: 60_000 },
    };
    return life.open(options, this.#loses);
  }

  #versionOf(machine: SimulatedMachine): (() => string) | undefined {
    return this.#saysVersion ? () => machine.running ?? '' : undefined;
  }

  /** Whether the update has ended; else the power has. */
  async untilEnd(life: Life): Promise<boolean> {
    const hasEnded = await Promise.race([this.#ended(life), life.power.cut.then(() => false)]);
    this.heard.push(...life.heard);
    return hasEnded;
  }

  async #ended(life: Life): Promise<true> {
    const agent = await this.open(life);
    const isOver = (): boolean =>
      // Of a record that was lost only one may be left.
      [undefined, MODULE].every((module) => agent.entry(module)?.reported !== false) &&
      this.tasks.every(({ state }) => state !== 'open');
    const reported = new Promise<void>((resolve) => {
      const look = (): unknown => isOver() && resolve();
      agent.on('state', look);
      life.onHeard = look;
      look();
    });
    void agent.run();
    await Promise.all([reported, life.power.reached('markGood')]);
    return true;
  }

  async close(): Promise<void> {
    await this.machine.close();
    await this.#other.machine.close();
  }
}
