// Tested by test/integration/install/slots.test.ts.
/** The slots of a machine over its boot environment: what installers with slots have in common. */
import { stat } from 'node:fs/promises';
import { IotkitError } from '../../base/errors';
import type { InstallerStatus, Slot } from '../installer';
import { bootedSlot, type Place } from './booted';
import type { BootEnvironment } from './environment';

/**
 * Which slot this system runs from: its name, a function that says it, or what names it on the
 * kernel's command line, as `{ commandLine: 'board.slot' }`.
 */
export type BootedOption =
  | string
  | (() => string | Promise<string>)
  | {
      /** The word before the `=`. */
      readonly commandLine: string;
    };

/** @internal */
export class SlotSet {
  readonly #names: readonly string[];

  constructor(
    private readonly places: readonly Place[],
    private readonly environment: BootEnvironment,
    private readonly bootedBy: BootedOption | undefined,
  ) {
    this.#names = places.map(({ name }) => name);
  }

  async status(): Promise<InstallerStatus> {
    const booted = await this.#booted();
    const { next, states } = await this.environment.read(this.#names);
    const slots = this.#names.map((name) => ({ name, state: states.get(name) ?? 'unknown' }));
    return { booted, next, slots };
  }

  /**
   * Chooses the slot to write into, and makes it bad: the booted one is never it.
   *
   * @throws IotkitError ERR_BOOT_STATE where the booted slot is not confirmed: the other one is what
   *   the machine falls back to, and must stay whole; or nothing would be left to fall back to;
   *   ERR_INSTALL_SETUP where another slot, such as the booted one, is the same place; what `look` throws
   * @param look at the slot, before anything is changed
   */
  async prepare(look: (slot: string) => Promise<void> = async () => {}): Promise<string> {
    await this.environment.check(this.#names);
    const { booted, slots } = await this.status();
    assertConfirmed(booted, slots);
    const others = slots.filter(({ name }) => name !== booted);
    const target = (others.find(({ state }) => state === 'bad') ?? others[0])?.name as string;
    await this.#assertApart(target);
    await look(target);
    await this.environment.disable(target, booted, this.#names);
    return target;
  }

  async activate(slot: string): Promise<void> {
    this.#assertKnown(slot);
    const { booted, slots } = await this.status();
    const isBad = slots.some(({ name, state }) => name === slot && state === 'bad');
    if (isBad && slot !== booted) assertConfirmed(booted, slots);
    await this.environment.activate(slot, this.#names);
  }

  async markGood(): Promise<void> {
    await this.environment.confirm(await this.#booted(), this.#names);
  }

  async markBad(slot: string): Promise<void> {
    this.#assertKnown(slot);
    const { booted, slots } = await this.status();
    if (slot !== booted) return this.environment.disable(slot, booted, this.#names);
    const fallback = slots.find(({ name, state }) => name !== booted && state !== 'bad');
    if (fallback !== undefined) return this.environment.disable(slot, fallback.name, this.#names);
    const detail = `no other slot than ${slot} can start, so it stays what the next start takes`;
    throw new IotkitError('ERR_BOOT_STATE', detail);
  }

  async #assertApart(target: string): Promise<void> {
    const found = await Promise.all(
      this.places.map(async (place) => ({ ...place, is: await identityOf(place.device) })),
    );
    const place = found.find(({ name }) => name === target);
    const other = found.find(({ name, is }) => name !== target && is !== '' && is === place?.is);
    if (other === undefined) return;
    const [one, another] = [place, other].map((it) => `${it?.name} (${it?.device})`);
    const detail = `the slots ${one} and ${another} are the same place; each needs its own`;
    throw new IotkitError('ERR_INSTALL_SETUP', detail);
  }

  #assertKnown(slot: string): void {
    if (this.#names.includes(slot)) return;
    const detail = `there is no slot ${JSON.stringify(slot)}; there are ${this.#names.join(', ')}`;
    throw new IotkitError('ERR_INSTALL_SETUP', detail);
  }

  async #booted(): Promise<string> {
    const by = this.bootedBy;
    if (by === undefined) return bootedSlot(this.places);
    if (typeof by === 'object') return bootedSlot(this.places, by.commandLine);
    const booted = typeof by === 'string' ? by : await by();
    this.#assertKnown(booted);
    return booted;
  }
}

// A slot that has used up its tries is bad although it runs: the next start would not take it.
function assertConfirmed(booted: string, slots: readonly Slot[]): void {
  const state = slots.find(({ name }) => name === booted)?.state;
  if (state !== 'trial' && state !== 'bad') return;
  const how = state === 'trial' ? 'runs as a trial' : 'runs, and may not start again';
  const detail = `${booted} ${how}; confirm it, or roll back, before the next update`;
  throw new IotkitError('ERR_BOOT_STATE', detail);
}

/** What tells a device or file from others, whatever its names are; `''`: nothing is known of it. */
async function identityOf(device: string | undefined): Promise<string> {
  if (device === undefined) return '';
  const found = await stat(device, { bigint: true }).catch(() => undefined);
  if (found === undefined) return '';
  return found.isBlockDevice() ? `device ${found.rdev}` : `file ${found.dev} ${found.ino}`;
}
