// Tested by test/unit/install/agent-faults.test.ts
/**
 * Confirms the start of a slot that is not on trial: boot loaders count those as well. One that was
 * proven before is confirmed at once, a new one when the checks have held.
 */
import { IotkitError } from '../base/errors';
import { throwIfAborted, whenAborted } from '../base/signals';
import type { Clock } from './clock';
import { type CheckedHealth, prove, type Vitals } from './health';
import type { Installer, InstallerStatus } from './installer';
import type { RecordFile, UpdatePhase } from './record';

interface ConfirmationHost {
  readonly record: RecordFile;
  readonly health: CheckedHealth;
  readonly vitals: Vitals;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  onError(error: unknown): void;
}

const ended: ReadonlySet<UpdatePhase> = new Set(['confirmed', 'rolledBack', 'failed']);

/** @internal Goes on in the background, until it is done or stopped. */
export class StartConfirmation {
  readonly #module: string;
  readonly #installer: Installer;
  readonly #host: ConfirmationHost;
  #stop = (): void => {};
  #isDone = false;
  #ended: Promise<void> | undefined;

  constructor(module: string, installer: Installer, host: ConfirmationHost) {
    this.#module = module;
    this.#installer = installer;
    this.#host = host;
  }

  /** Resolves when the start was confirmed, or that was stopped. */
  get ended(): Promise<void> {
    return this.#ended ?? Promise.resolve();
  }

  /**
   * Gives what runs all its tries back if it was proven before: tries are for trials, and a machine
   * without a network, or one that waits for a window, must not use them up.
   */
  async keep(): Promise<void> {
    try {
      const status = await this.#installer.status({ signal: this.#host.signal });
      // To confirm what runs could take back what is activated.
      const isNext = status.next === status.booted || status.next === '';
      if (isNext && this.#wasProven(status)) await this.#installer.markGood();
    } catch (error) {
      throwIfAborted(this.#host.signal);
      this.#host.onError(error);
    }
  }

  /**
   * What runs is what is fallen back to, and boot loaders may have counted starts of it that nobody
   * has confirmed: it gets all its tries before another is activated.
   *
   * @returns the slot that runs
   */
  async refresh(): Promise<string> {
    const status = await this.#installer.status({ signal: this.#host.signal });
    if (this.#wasProven(status)) await this.#installer.markGood();
    return status.booted;
  }

  /** The record knows it where the boot environment cannot say it, or the tries are used up. */
  #wasProven({ booted, next, slots }: InstallerStatus): boolean {
    const { confirmed, entries } = this.#host.record.content;
    const { slotFrom = '', phase = 'confirmed' } = entries[this.#module] ?? {};
    // An installer that knows no trials calls a slot good that is on one.
    if (!ended.has(phase) && slotFrom !== '' && slotFrom !== booted) return false;
    const state = slots.find(({ name }) => name === booted)?.state;
    if (state === 'good') return true;
    if (state !== 'unknown' && (state !== 'bad' || next !== '')) return false;
    return confirmed[this.#module]?.slot === booted;
  }

  begin(): void {
    if (this.#isDone || this.#ended !== undefined) return;
    const ending = new AbortController();
    const stop = whenAborted(this.#host.signal, (reason) => ending.abort(reason));
    this.#stop = () => ending.abort();
    this.#ended = this.#confirm(ending.signal)
      .catch(() => {})
      .finally(() => {
        stop();
        this.#ended = undefined;
      });
  }

  async stop(): Promise<void> {
    this.#stop();
    await this.#ended;
  }

  async #confirm(signal: AbortSignal): Promise<void> {
    const { health, vitals, clock, onError } = this.#host;
    for (;;) {
      const failure = await prove(health, vitals, clock, signal);
      if (failure === undefined && (await this.#markGood(signal))) return;
      if (failure !== undefined) {
        onError(new IotkitError('ERR_INSTALL_FAILED', `what runs is not healthy: ${failure}`));
      }
      await clock.sleep(health.withinMs, signal);
    }
  }

  async #markGood(signal: AbortSignal): Promise<boolean> {
    throwIfAborted(signal);
    try {
      await this.#installer.markGood();
      this.#isDone = true;
    } catch (error) {
      this.#host.onError(error);
    }
    return this.#isDone;
  }
}
