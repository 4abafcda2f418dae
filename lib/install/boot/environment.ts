// Tested by test/integration/install/slots.test.ts.
/**
 * The boot chooser, as a contract with the loaders beneath: which slot the next start takes, which
 * slots may start at all, and how many tries one has. `schemes.ts` says it in variables, which U-Boot
 * and GRUB keep in different places; systemd-boot says it in the names of files.
 */
import { IotkitError } from '../../base/errors';
import type { SlotState } from '../installer';

/** What a boot loader would do now. */
export interface BootState {
  /** The slot that the next start takes; `''` if the loader may start none of them. */
  readonly next: string;
  /** Of each slot that was asked about. */
  readonly states: ReadonlyMap<string, SlotState>;
}

/**
 * What knows a boot loader's choice and changes it. Each change is on the disk when its promise
 * settles, and was read back. A power cut on the way leaves the loader with the old choice or the new
 * one, and the change can be made again. A change that is in force already writes nothing.
 *
 * Rejects with an `IotkitError`: `ERR_BOOT_STATE`, `ERR_INSTALL_UNAVAILABLE`, `ERR_INSTALL_SETUP`.
 */
export interface BootEnvironment {
  /** Names the loader, such as `'grub'`. */
  readonly kind: string;
  /**
   * Rejects where the loader is set up in a way that is not safe for an update, or what `activate()`
   * will write has no place. Called before anything is changed, and changes nothing.
   *
   * @param slots the names of all slots
   */
  check(slots: readonly string[]): Promise<void>;
  /**
   * What the loader would do at the next start.
   *
   * @param slots the names of all slots
   */
  read(slots: readonly string[]): Promise<BootState>;
  /** Nothing starts `slot` any more; the next start takes `fallback`. */
  disable(slot: string, fallback: string, slots: readonly string[]): Promise<void>;
  /** The next start takes `slot`, with its full number of tries. */
  activate(slot: string, slots: readonly string[]): Promise<void>;
  /** `slot`, which is running, needs no more tries. Another one that waits for its trial keeps it. */
  confirm(slot: string, slots: readonly string[]): Promise<void>;
}

/** @internal Names and values as a boot loader has them. */
export type Variables = ReadonlyMap<string, string>;

/** @internal What to set; `undefined` removes the variable. */
export type Changes = Readonly<Record<string, string | undefined>>;

/** @internal Where a loader keeps its variables. */
export interface VariableStore {
  /** The place as messages name it. */
  readonly place: string;
  check(): Promise<void>;
  read(): Promise<Variables>;
  /** Rejects where `changes` of what was read cannot be written. Writes nothing. */
  assertWritable(variables: Variables, changes: Changes): Promise<void>;
  /** All of them in one write, on the disk when it resolves. */
  write(changes: Changes): Promise<void>;
}

/** @internal What variables mean; pure. */
export interface Scheme {
  /** What the loader needs to fall back, and may have elsewhere; undefined: nothing is missing. */
  lacks?(variables: Variables): { readonly code: string; readonly detail: string } | undefined;
  read(variables: Variables, slots: readonly string[]): BootState;
  disable(variables: Variables, slot: string, fallback: string, slots: readonly string[]): Changes;
  activate(variables: Variables, slot: string, slots: readonly string[]): Changes;
  confirm(variables: Variables, slot: string, slots: readonly string[]): Changes;
}

/** @internal A boot environment of variables. */
export class VariableEnvironment implements BootEnvironment {
  constructor(
    readonly kind: string,
    private readonly store: VariableStore,
    private readonly scheme: Scheme,
  ) {}

  // What is bad already is no write before the image, so whether one is possible shows only here.
  async check(slots: readonly string[]): Promise<void> {
    await this.store.check();
    const variables = await this.store.read();
    const lack = this.scheme.lacks?.(variables);
    if (lack !== undefined) {
      const { code, detail } = lack;
      process.emitWarning(`${this.store.place}: ${detail}`, { code });
    }
    for (const slot of slots) {
      const changes = this.scheme.activate(variables, slot, slots);
      await this.store.assertWritable(variables, changes);
    }
  }

  async read(slots: readonly string[]): Promise<BootState> {
    return this.scheme.read(await this.store.read(), slots);
  }

  disable(slot: string, fallback: string, slots: readonly string[]): Promise<void> {
    return this.#change((variables) => this.scheme.disable(variables, slot, fallback, slots));
  }

  activate(slot: string, slots: readonly string[]): Promise<void> {
    return this.#change((variables) => this.scheme.activate(variables, slot, slots));
  }

  confirm(slot: string, slots: readonly string[]): Promise<void> {
    return this.#change((variables) => this.scheme.confirm(variables, slot, slots));
  }

  // Flash wears with each write, and confirm() comes with each start: what is there stays.
  async #change(decide: (variables: Variables) => Changes): Promise<void> {
    const before = await this.store.read();
    const changes = missing(before, decide(before));
    if (Object.keys(changes).length === 0) return;
    await this.store.assertWritable(before, changes);
    await this.store.write(changes);
    const left = Object.keys(missing(await this.store.read(), changes));
    if (left.length === 0) return;
    const detail = `${this.store.place} does not keep what is written: ${left.join(', ')}`;
    throw new IotkitError('ERR_BOOT_STATE', detail);
  }
}

function missing(variables: Variables, changes: Changes): Changes {
  return Object.fromEntries(
    Object.entries(changes).filter(([name, value]) => variables.get(name) !== value),
  );
}
