import { publish } from './diagnostics';
import { IotkitError } from './errors';
import { type Progress, ProgressMeter, type ProgressViews } from './progress';
import type { FailureStep, Reporter } from './reporter';
import { whenAborted } from './signals';

/** What is consumed: an Upgrade, as far as a run needs to know it. */
export interface Announced {
  readonly module: string | undefined;
  readonly version: string;
  readonly size: number;
  readonly digest: string;
  readonly files: readonly { readonly name: string; readonly digest: string }[];
}

/** What a consumption needs to know. */
export interface RunOptions {
  readonly upgrade: Announced;
  readonly path: string | undefined;
  readonly reporter: Reporter | undefined;
  readonly views: ProgressViews;
  readonly onProgress: ((progress: Progress) => void) | undefined;
  readonly signal: AbortSignal | undefined;
  readonly onEnd: (run: Run) => void;
}

/** The native side of a run. */
export interface RunControl {
  /** Ends it, which {@link Run.fail} must follow. */
  readonly stop: () => void;
  readonly pause: (paused: boolean) => void;
}

/**
 * One consumption of an upgrade, from its beginning to its one outcome: progress, reports,
 * cancelling.
 */
export class Run {
  /** The outcome; a rejection that nobody looks at is none. */
  readonly outcome: Promise<void>;
  readonly upgrade: Announced;

  readonly #options: RunOptions;
  readonly #meter: ProgressMeter;
  readonly #stopListening: () => void;
  #settle: (failure: { readonly reason: unknown } | undefined) => void = () => {};
  #control: RunControl | undefined;
  #paused = false;
  #cancelled: { readonly reason: unknown } | undefined;
  #failure: { readonly reason: unknown } | undefined;
  #ended = false;
  #begun = false;
  #received = 0;
  #resumed = 0;

  constructor(options: RunOptions) {
    this.upgrade = options.upgrade;
    this.#options = options;
    this.outcome = new Promise((resolve, reject) => {
      this.#settle = (failure) => (failure === undefined ? resolve() : reject(failure.reason));
    });
    this.outcome.catch(() => {});
    this.#meter = new ProgressMeter(options.upgrade.size, (progress) => {
      options.views.emit(progress);
      options.onProgress?.(progress);
    });
    this.#stopListening = whenAborted(options.signal, () => this.cancel(options.signal?.reason));
  }

  /** It runs. */
  start(control: RunControl): void {
    this.#control = control;
    publish('downloadStart', { upgrade: this.upgrade, path: this.#options.path });
    this.#options.reporter?.start();
    if (this.#paused) control.pause(true);
    if (this.#cancelled !== undefined) control.stop();
  }

  /** Whether the outcome is still open. */
  get running(): boolean {
    return !this.#ended;
  }

  /** So many bytes are there; first those of an earlier download, `resumed`. */
  received(bytes: number, resumed = 0): void {
    if (this.#ended) return;
    this.#received = bytes;
    this.#resumed = resumed;
    const first = !this.#begun;
    this.#begun = true;
    this.#options.reporter?.update(bytes);
    this.#guard(() => this.#meter.update(bytes, first));
  }

  pause(paused: boolean): void {
    if (this.#ended || this.#paused === paused) return;
    this.#paused = paused;
    this.#control?.pause(paused);
  }

  get paused(): boolean {
    return this.#paused && !this.#ended;
  }

  /** Ends it with `reason`. */
  cancel(reason: unknown): void {
    if (this.#ended || this.#cancelled !== undefined) return;
    this.#cancelled = { reason };
    this.#control?.stop();
  }

  /** Every byte is where it should be, and verified. */
  succeed(): void {
    if (this.#ended) return;
    this.#received = this.upgrade.size;
    this.#options.reporter?.succeed();
    this.#guard(() => this.#meter.update(this.upgrade.size, true));
    this.#end();
  }

  /** Why it fails, if `error` ends it: the reason if it was cancelled. */
  reasonOf(error: unknown): unknown {
    return this.#cancelled === undefined ? error : this.#cancelled.reason;
  }

  /** Returns what to throw. `step`: what the platform is told, if the error does not say it. */
  fail(error: unknown, step?: FailureStep): unknown {
    if (this.#ended) return this.#failure?.reason ?? error;
    const left = IotkitError.is(error) && error.code === 'ERR_ABORTED';
    // Whoever cancels knows it: the platform is told of failures only.
    if (this.#cancelled === undefined && !left) this.#options.reporter?.fail(error, step);
    this.#failure = this.#cancelled ?? { reason: error };
    this.#end();
    return this.#failure.reason;
  }

  // What the user's onProgress throws cancels the download, which then rejects with it.
  #guard(emit: () => void): void {
    try {
      emit();
    } catch (error) {
      this.cancel(error);
    }
  }

  #end(): void {
    this.#ended = true;
    this.#stopListening();
    this.#options.views.end();
    this.#options.onEnd(this);
    publish('downloadEnd', {
      upgrade: this.upgrade,
      path: this.#options.path,
      received: this.#received,
      resumed: this.#resumed,
      error: this.#failure?.reason,
    });
    this.#settle(this.#failure);
  }
}
