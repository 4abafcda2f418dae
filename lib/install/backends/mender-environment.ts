// Tested by test/peers/install/mender.test.ts.
/**
 * What starts next on a machine with Mender: its boot loader's variables, which the client alone is to
 * change. It changes them before it remembers the update (and after it has forgotten it), so a power
 * cut in between leaves a trial that it may know nothing of; then they are changed here.
 */
import { IotkitError } from '../../base/errors';
import type { BootEnvironment, BootState } from '../boot/environment';
import { tool, variablesOf } from '../boot/uboot';
import type { SlotState } from '../installer';
import { assertProgram } from '../program';
import type { MenderClient } from './mender-client';
import type { MenderConfig, MenderPartition } from './mender-config';

const PART = 'mender_boot_part';
const TRIAL = 'upgrade_available';

/** @internal What the variables say. */
interface Found {
  /** The partition that the next start takes; undefined: none that the configuration knows. */
  readonly next: MenderPartition | undefined;
  /** Whether that is left again where nobody confirms it. */
  readonly isTrial: boolean;
}

/** @internal */
export class MenderEnvironment implements BootEnvironment {
  readonly kind = 'mender';

  constructor(
    private readonly config: MenderConfig,
    private readonly client: MenderClient,
  ) {}

  /** That both can be read, and written where the client does not. */
  async check(): Promise<void> {
    await assertProgram(this.config.set);
    const { next } = await this.#find();
    if (next !== undefined) return;
    const numbers = this.config.partitions.map(({ number }) => number).join(' and ');
    const detail = `${PART} is none of Mender's partitions, ${numbers}; did mender_setup run in U-Boot?`;
    throw new IotkitError('ERR_INSTALL_SETUP', detail);
  }

  async read(slots: readonly string[]): Promise<BootState> {
    const { next, isTrial } = await this.#find();
    // What is not next starts as the fallback of a trial alone, whatever is in it.
    const stateOf = (slot: string): SlotState => {
      if (slot === next?.name) return isTrial ? 'trial' : 'good';
      return isTrial ? 'good' : 'bad';
    };
    const states = new Map(slots.map((slot) => [slot, stateOf(slot)]));
    return { next: next?.name ?? '', states };
  }

  async disable(slot: string, fallback: string): Promise<void> {
    if ((await this.#find()).next?.name !== slot) return;
    await this.client.rollback();
    if ((await this.#find()).next?.name === fallback) return;
    const partition = this.config.partitions.find(({ name }) => name === fallback);
    const { number } = partition as MenderPartition;
    const hexadecimal = Number(number).toString(16).toUpperCase();
    await this.#write({ [PART]: number, [`${PART}_hex`]: hexadecimal, [TRIAL]: '0' });
  }

  async activate(slot: string): Promise<void> {
    const next = (await this.#find()).next?.name;
    if (next === slot) return;
    const detail = `Mender starts ${next} next, and only what it installs can come instead`;
    throw new IotkitError('ERR_BOOT_STATE', detail);
  }

  // A commit before the restart would make the other slot good without a trial.
  async confirm(slot: string): Promise<void> {
    const { next, isTrial } = await this.#find();
    if (next?.name !== slot || !isTrial) return;
    await this.client.commit();
    if ((await this.#find()).isTrial) await this.#write({ [TRIAL]: '0' });
  }

  async #find(): Promise<Found> {
    // By a call each, as the client asks for them.
    const [part, trial] = await Promise.all([this.#value(PART), this.#value(TRIAL)]);
    const next = this.config.partitions.find(({ number }) => number === part);
    return { next, isTrial: trial === '1' };
  }

  async #value(name: string): Promise<string | undefined> {
    return variablesOf(await tool([this.config.print, name])).get(name);
  }

  async #write(variables: Readonly<Record<string, string>>): Promise<void> {
    const entries = Object.entries(variables);
    const script = entries.map(([name, value]) => `${name}=${value}\n`).join('');
    await tool([this.config.set, '-s', '-'], script);
    for (const [name, value] of entries) {
      if ((await this.#value(name)) === value) continue;
      throw new IotkitError('ERR_BOOT_STATE', `${this.config.set} does not keep ${name}=${value}`);
    }
  }
}
