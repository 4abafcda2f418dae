// Tested by test/unit/install/agent-held-off.test.ts
/**
 * How long the update lock has held an update off. It is counted while the agent waits, by a clock that nobody sets,
 * and written down: neither a restart of the agent nor a step of the machine's clock changes it.
 */

const EVERY_MAX_MS = 60_000;

/** @internal */
export class HeldOff {
  #ms: number;
  #written: number;
  readonly #begun: number;
  readonly #write: (ms: number) => Promise<void>;

  /**
   * @param ms what is on the disk
   * @param write writes it down
   */
  constructor(ms: number, write: (ms: number) => Promise<void>) {
    this.#ms = ms;
    this.#written = ms;
    this.#begun = ms;
    this.#write = write;
  }

  /** Over all waits for it and starts of the agent. */
  get ms(): number {
    return this.#ms;
  }

  /**
   * So much longer. An agent that is killed loses at most a minute, and at most half of what it has waited: one that is
   * killed again and again still comes to the bound, and one that waits for days does not wear the disk out.
   */
  async add(ms: number): Promise<void> {
    this.#ms += ms;
    const everyMs = Math.min(EVERY_MAX_MS, this.#written - this.#begun);
    if (this.#ms - this.#written >= everyMs) await this.write();
  }

  /** All of it, if it is not on the disk yet. */
  async write(): Promise<void> {
    if (this.#ms === this.#written) return;
    this.#written = this.#ms;
    await this.#write(this.#ms);
  }
}
