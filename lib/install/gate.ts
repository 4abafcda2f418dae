// Tested by test/unit/install/agent-waits.test.ts
/** All that may hold the update of one module off: hours of the day, a user, hooks, an application's lock. */
import { throwIfAborted, whenAborted } from '../base/signals';
import type { Clock } from './clock';
import { ask, type CheckedHooks, type HookName } from './hooks';
import type { FileLock } from './lock';
import { type CheckedPolicy, type HeldOff, untilUnlocked, untilWindow } from './policy';
import type { UpdateEntry } from './record';
import { isOpen } from './window';

interface GateHost {
  readonly clock: Clock;
  readonly policy: CheckedPolicy;
  readonly hooks: CheckedHooks;
  readonly signal: AbortSignal;
  consent(step: 'download' | 'install', entry: UpdateEntry, signal: AbortSignal): Promise<void>;
  whenReplaced(entry: UpdateEntry, call: () => void): () => void;
}

/** @internal What a wait throws: another upgrade of the module was announced meanwhile. */
export const replaced = Symbol('replaced');

/** @internal */
export class Gate {
  readonly #host: GateHost;
  #lock: FileLock | undefined;
  /** Of which update, and how long the lock has held it off. */
  #held = { of: '', ms: 0 };

  constructor(host: GateHost) {
    this.#host = host;
  }

  /**
   * Resolves when the image may be downloaded.
   *
   * @throws what a hook or a user gives as the reason not to; {@link replaced}; the signal's reason
   */
  async mayDownload(entry: UpdateEntry): Promise<void> {
    await this.#unlessReplaced(entry, async (signal) => {
      if (this.#host.policy.consent === 'download') {
        await this.#host.consent('download', entry, signal);
      }
      await this.asked('beforeDownload', entry, signal);
    });
  }

  /**
   * Resolves when the image may be installed; the update lock is then held, until {@link release}.
   *
   * @throws what a hook or a user gives as the reason not to; those of untilUnlocked(); {@link replaced}, where
   *   nothing has been written yet; the signal's reason
   */
  async mayInstall(entry: UpdateEntry): Promise<void> {
    if (entry.attempts > 0) await this.#toInstall(entry, this.#host.signal);
    else await this.#unlessReplaced(entry, (signal) => this.#toInstall(entry, signal));
  }

  async #toInstall(entry: UpdateEntry, signal: AbortSignal): Promise<void> {
    const { policy, clock } = this.#host;
    await untilWindow(policy, clock, signal);
    if (policy.consent === 'install' && entry.attempts === 0) {
      await this.#host.consent('install', entry, signal);
    }
    await this.#pass(entry, () => this.asked('beforeInstall', entry, signal), signal);
  }

  /** What the platform has withdrawn must not be installed: its report would fail the newer upgrade. */
  async #unlessReplaced(
    entry: UpdateEntry,
    wait: (signal: AbortSignal) => Promise<void>,
  ): Promise<void> {
    const ending = new AbortController();
    const stops = [
      whenAborted(this.#host.signal, (reason) => ending.abort(reason)),
      this.#host.whenReplaced(entry, () => ending.abort(replaced)),
    ];
    try {
      throwIfAborted(ending.signal);
      await wait(ending.signal);
      throwIfAborted(ending.signal);
    } finally {
      for (const stop of stops) stop();
    }
  }

  /**
   * Resolves when the restart may come: at once for whom the lock is held since the installation.
   * After a restart of the agent alone it is not.
   *
   * @throws those of untilUnlocked(); the signal's reason
   */
  async mayRestart(entry: UpdateEntry): Promise<void> {
    if (this.#lock === undefined) await this.#pass(entry, async () => {}, this.#host.signal);
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
    const heldOff = this.#heldOff(entry);
    for (;;) {
      await untilWindow(policy, clock, signal);
      await asked();
      this.#lock ??= await untilUnlocked(policy, clock, signal, heldOff);
      const isInTime = policy.window === undefined || isOpen(policy.window, clock.now());
      if (isInTime && this.#lock !== undefined) return;
      await this.release();
    }
  }

  #heldOff({ module, id, version }: UpdateEntry): HeldOff {
    const of = JSON.stringify([module, id, version]);
    if (this.#held.of !== of) this.#held = { of, ms: 0 };
    return this.#held;
  }
}
