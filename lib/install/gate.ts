// Tested by test/unit/install/agent-waits.test.ts
/** All that may hold the update of one module off: hours of the day, a user, hooks, an application's lock. */
import { throwIfAborted, whenAborted } from '../base/signals';
import type { Clock } from './clock';
import { HeldOff } from './held-off';
import { ask, type CheckedHooks, type HookName } from './hooks';
import type { FileLock } from './lock';
import { type CheckedPolicy, untilUnlocked, untilWindow } from './policy';
import type { UpdateEntry } from './record';
import { isOpen } from './window';

interface GateHost {
  readonly clock: Clock;
  readonly policy: CheckedPolicy;
  readonly hooks: CheckedHooks;
  readonly signal: AbortSignal;
  consent(step: 'download' | 'install', entry: UpdateEntry, signal: AbortSignal): Promise<void>;
  whenReplaced(entry: UpdateEntry, call: () => void): () => void;
  /** Milliseconds that the lock has held off what is under way, as the record has it. */
  heldMs(): number;
  /** Writes them down. */
  noteHeld(entry: UpdateEntry, ms: number): Promise<void>;
}

/** @internal What is thrown where another upgrade of the module was announced meanwhile. */
export class Replaced {
  /** @param entry the one whose place it takes */
  constructor(readonly entry: UpdateEntry) {}
}

/** @internal */
export class Gate {
  readonly #host: GateHost;
  #lock: FileLock | undefined;

  constructor(host: GateHost) {
    this.#host = host;
  }

  /**
   * Does what may take long, unless another upgrade is announced for the module of one of these: what the platform has
   * withdrawn must not be activated, as its report would fail the newer upgrade.
   *
   * @throws what `work` throws; {@link Replaced}; the signal's reason
   */
  async unlessReplaced<T>(
    entries: readonly UpdateEntry[],
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const ending = new AbortController();
    const { signal } = ending;
    const stops = [whenAborted(this.#host.signal, (reason) => ending.abort(reason))];
    for (const entry of entries) {
      stops.push(this.#host.whenReplaced(entry, () => ending.abort(new Replaced(entry))));
    }
    try {
      throwIfAborted(signal);
      const result = await work(signal);
      throwIfAborted(signal);
      return result;
    } catch (error) {
      throwIfAborted(signal); // whatever was made of it on the way
      throw error;
    } finally {
      for (const stop of stops) stop();
    }
  }

  /**
   * Resolves when the image may be downloaded.
   *
   * @throws what a hook or a user gives as the reason not to; {@link Replaced}; the signal's reason
   */
  async mayDownload(entry: UpdateEntry): Promise<void> {
    await this.unlessReplaced([entry], async (signal) => {
      if (this.#host.policy.consent === 'download') {
        await this.#host.consent('download', entry, signal);
      }
      await this.asked('beforeDownload', entry, signal);
    });
  }

  /**
   * Resolves when the image may be installed; the update lock is then held, until {@link release}.
   *
   * @throws what a hook or a user gives as the reason not to; those of untilUnlocked(); {@link Replaced}; the signal's
   *   reason
   */
  async mayInstall(entry: UpdateEntry): Promise<void> {
    const { policy, clock } = this.#host;
    await this.unlessReplaced([entry], async (signal) => {
      await untilWindow(policy, clock, signal);
      if (policy.consent === 'install' && entry.attempts === 0) {
        await this.#host.consent('install', entry, signal);
      }
      await this.#pass(entry, () => this.asked('beforeInstall', entry, signal), signal);
    });
  }

  /**
   * Resolves when the restart may come: at once for whom the lock is held since the installation.
   * After a restart of the agent alone it is not.
   *
   * @throws those of untilUnlocked(); the signal's reason
   */
  async mayRestart(entry: UpdateEntry, signal = this.#host.signal): Promise<void> {
    if (this.#lock === undefined) await this.#pass(entry, async () => {}, signal);
  }

  /** Resolves when a hook lets the update go on. */
  async asked(name: HookName, entry: UpdateEntry, signal = this.#host.signal): Promise<void> {
    const { hooks, clock } = this.#host;
    const hook = hooks[name];
    if (hook === undefined) return;
    const { module, version, from, size, reason } = entry;
    const context = { hook: name, module, version, from, size, reason, signal };
    while (!(await ask(hook, context))) await clock.sleep(hooks.retryMs, signal);
  }

  /** The application may go on: nothing is under way that it could disturb. */
  async release(): Promise<void> {
    const lock = this.#lock;
    this.#lock = undefined;
    await lock?.release();
  }

  /** What is asked, and the lock, may take until the window has closed again. */
  async #pass(entry: UpdateEntry, asked: () => Promise<void>, signal: AbortSignal): Promise<void> {
    const { policy, clock } = this.#host;
    const heldOff = new HeldOff(this.#host.heldMs(), (ms) => this.#host.noteHeld(entry, ms));
    try {
      for (;;) {
        await untilWindow(policy, clock, signal);
        await asked();
        this.#lock ??= await untilUnlocked(policy, clock, signal, heldOff);
        const isInTime = policy.window === undefined || isOpen(policy.window, clock.now());
        if (isInTime && this.#lock !== undefined) return;
        await this.release();
      }
    } finally {
      await heldOff.write();
    }
  }
}
