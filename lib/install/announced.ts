// Tested by test/unit/install/agent-events.test.ts
/** The upgrades that were announced, the newest of each module, in the order of the modules. */
import { abortable } from '../base/signals';
import type { Upgrade } from '../ota/upgrade';
import { isSame } from './member';
import type { Offered } from './offer';
import type { UpdateEntry } from './record';
import { moduleOption, type UpdateDevice } from './reports';

/** Who takes the upgrades of some modules. */
interface Taker {
  readonly modules: readonly string[];
}

/** @internal */
export class Announced<T extends Taker> {
  readonly #updates: readonly T[];
  readonly #signal: AbortSignal;
  /** By module. */
  readonly #newest = new Map<string, Upgrade>();
  readonly #waiting = new Set<() => void>();

  constructor(
    device: UpdateDevice,
    updates: readonly T[],
    signal: AbortSignal,
    onError: (error: unknown) => void,
  ) {
    this.#updates = updates;
    this.#signal = signal;
    for (const module of updates.flatMap(({ modules }) => modules)) {
      this.#follow(device, module).catch((error: unknown) => {
        if (!signal.aborted) onError(error);
      });
    }
  }

  /** What there is for the first of the updates that has something. */
  async next(): Promise<readonly [T, Offered]> {
    for (;;) {
      for (const update of this.#updates) {
        const offered = this.#take(update.modules);
        if (offered.size > 0) return [update, offered];
      }
      await this.#change(this.#signal);
    }
  }

  /** Resolves when there is something for each of these modules. */
  async untilOffered(modules: readonly string[], signal: AbortSignal): Promise<void> {
    while (!modules.every((module) => this.#newest.has(module))) await this.#change(signal);
  }

  /** Calls it once another upgrade of the module than this is announced. The same one comes again after a restart. */
  whenReplaced(entry: UpdateEntry, call: () => void): () => void {
    const look = (): void => {
      const upgrade = this.#newest.get(entry.module);
      if (upgrade?.isWanted === true && !isSame(entry, upgrade)) call();
    };
    this.#waiting.add(look);
    look();
    return () => this.#waiting.delete(look);
  }

  /** Whether the platform has another upgrade of the module by now: it is asked where it has announced none. */
  async isReplaced(
    entry: UpdateEntry,
    check: (module: string) => Promise<Upgrade | undefined>,
  ): Promise<boolean> {
    const isOther = (upgrade: Upgrade | undefined): boolean =>
      upgrade?.isWanted === true && !isSame(entry, upgrade);
    if (isOther(this.#newest.get(entry.module))) return true;
    const upgrade = await check(entry.module);
    // Whoever asks gets it, and no other notice of it is offered.
    if (upgrade !== undefined) this.#offer(entry.module, upgrade);
    return isOther(upgrade);
  }

  async #change(signal: AbortSignal): Promise<void> {
    let wake = (): void => {};
    const woken = new Promise<void>((resolve) => {
      wake = resolve;
    });
    this.#waiting.add(wake);
    try {
      await abortable(woken, signal);
    } finally {
      this.#waiting.delete(wake);
    }
  }

  #take(modules: readonly string[]): Offered {
    const offered = new Map<string, Upgrade>();
    for (const module of modules) {
      const upgrade = this.#newest.get(module);
      if (upgrade !== undefined) offered.set(module, upgrade);
      this.#newest.delete(module);
    }
    return offered;
  }

  async #follow(device: UpdateDevice, module: string): Promise<void> {
    const options = { module: moduleOption(module), signal: this.#signal };
    for await (const upgrade of device.ota.upgrades(options)) {
      this.#offer(module, upgrade);
    }
  }

  #offer(module: string, upgrade: Upgrade): void {
    this.#newest.set(module, upgrade);
    for (const wake of [...this.#waiting]) wake();
  }
}
