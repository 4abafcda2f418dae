/** One consumption of an image, from its beginning to its one outcome. */
import { AsyncResource } from 'node:async_hooks';
import type { NativePhase } from '../addon/binding';
import { isPromise } from '../base/arguments';
import { type ChannelKey, publish } from '../base/diagnostics';
import { IotkitError } from '../base/errors';
import { whenAborted } from '../base/signals';
import type { ImageIdentity } from './image-identity';
import {
  type Progress,
  type ProgressFeeds,
  ProgressMeter,
  type Retrying,
  type Waiting,
} from './progress';
import type { FailureStep, ProgressReporter } from './reporter';
import type { SharedAs, UpgradeState, UpgradeStates } from './state';

export interface DownloadRunOptions {
  /** The Upgrade; a run knows no more of it. */
  readonly upgrade: ImageIdentity;
  /** Whether its events are published on the diagnostics channels. */
  readonly isPublished: boolean;
  /** What events call the target: the first file or device. */
  readonly path: string | undefined;
  readonly reporter: ProgressReporter | undefined;
  readonly feeds: ProgressFeeds;
  readonly states: UpgradeStates;
  readonly onProgress: ((progress: Progress) => void) | undefined;
  readonly signal: AbortSignal | undefined;
  readonly onEnd: (run: DownloadRun) => void;
}

/** The native side of a run. */
export interface DownloadControl {
  /** Ends the native download; whoever started the run then calls {@link DownloadRun.fail}. */
  readonly stop: () => void;
  readonly pause: (paused: boolean) => void;
}

/** How long a run that is stopped waits for work of the user's that does not end, such as a write. */
const END_WAIT_MS = 2_000;

/** Why a run was stopped before its end. */
interface Stop {
  readonly reason: unknown;
  /** Whether it is reported to the platform: whoever cancels knows why. */
  readonly isFailure: boolean;
  readonly step: FailureStep | undefined;
}

/**
 * One consumption of an image, from its beginning to its one outcome, whichever way it goes:
 * progress, reports, cancelling. What it calls of the user's runs in the asynchronous context in
 * which it began, so that an AsyncLocalStorage holds there.
 */
export class DownloadRun {
  /** Rejects without an unhandled rejection if nobody looks at it. */
  readonly outcome: Promise<void>;
  readonly upgrade: ImageIdentity;

  readonly #options: DownloadRunOptions;
  readonly #meter: ProgressMeter;
  readonly #stopListening: () => void;
  readonly #context = new AsyncResource('IotkitDownload');
  /** Since it was stopped. */
  #lastWait: NodeJS.Timeout | undefined;
  #settle: (failure: { readonly reason: unknown } | undefined) => void = () => {};
  #control: DownloadControl | undefined;
  #paused = false;
  #stopped: Stop | undefined;
  #giveUp: (() => void) | undefined;
  #abandoned = false;
  #failure: { readonly reason: unknown } | undefined;
  #warning: string | undefined;
  #sharedAs: SharedAs | undefined;
  #retrying: Retrying | undefined;
  #ended = false;
  #begun = false;
  #received = 0;
  #resumed = 0;

  constructor(options: DownloadRunOptions) {
    this.upgrade = options.upgrade;
    this.#options = options;
    this.outcome = new Promise((resolve, reject) => {
      this.#settle = (failure) => (failure === undefined ? resolve() : reject(failure.reason));
    });
    this.outcome.catch(() => {});
    this.#meter = new ProgressMeter(options.upgrade.size, (progress) => this.#emit(progress));
    this.#stopListening = whenAborted(options.signal, (reason) => this.cancel(reason));
  }

  /** The native download has been started. */
  start(control: DownloadControl): void {
    this.#control = control;
    this.#publish('downloadStart');
    this.#enter({ phase: 'queued' });
    this.#options.reporter?.start();
    if (this.#paused) control.pause(true);
    if (this.#stopped !== undefined) control.stop();
  }

  /** Why it has failed or was cancelled; undefined: it has not. */
  get failure(): { readonly reason: unknown } | undefined {
    return this.#failure;
  }

  /** How many bytes have come so far, those of an earlier download included, and how many are of one. */
  get bytes(): { readonly received: number; readonly resumed: number } {
    return { received: this.#received, resumed: this.#resumed };
  }

  /** How its files were made of another download's; undefined: they were not. */
  get sharedAs(): SharedAs | undefined {
    return this.#sharedAs;
  }

  /** Whether the outcome is still open. */
  get running(): boolean {
    return !this.#ended;
  }

  /**
   * `bytes` of the image are on disk or were handed out; `resumed` of them are of an earlier
   * download, and the first call says only these.
   */
  received(bytes: number, resumed = 0): void {
    if (this.#ended) return;
    this.#received = bytes;
    this.#resumed = resumed;
    const first = !this.#begun;
    this.#begun = true;
    this.#options.reporter?.update(bytes);
    this.#meter.update(bytes, first);
  }

  /** As the addon reports it, or whoever drives the run; all but `phase` are of `retrying` alone. */
  entered(phase: NativePhase, attempt = 0, errno = 0, detail = '', delay = 0): void {
    if (this.#ended) return;
    if (phase === 'retrying') {
      const error = IotkitError.fromErrno(errno, detail);
      this.#retry({ attempt, error, at: new Date(Date.now() + delay) });
      return;
    }
    // A pause does not end a retry: the next try still has to bring bytes.
    if (phase !== 'paused') this.#retrying = undefined;
    if (this.#options.states.current.phase !== phase) this.#enter({ phase });
    this.#meter.waiting(this.#waiting(phase), this.#begun);
  }

  #retry(retrying: Retrying): void {
    // After a pause the same one is reported once more.
    const isNew = this.#retrying?.attempt !== retrying.attempt;
    this.#retrying = retrying;
    if (isNew) this.#publish('downloadRetry', { ...retrying });
    this.#enter({ phase: 'retrying', ...retrying });
    this.#meter.waiting(this.#waiting('retrying'), this.#begun);
  }

  #waiting(phase: NativePhase): Waiting {
    return {
      ...(this.#retrying !== undefined && { retrying: this.#retrying }),
      ...(phase === 'paused' && { paused: true }),
    };
  }

  #enter(state: UpgradeState): void {
    this.#publish('downloadState', { state });
    this.#inContext(() => this.#options.states.enter(state));
  }

  /** Why the next try is awaited; undefined: it is not. */
  get retrying(): Retrying | undefined {
    return this.#retrying;
  }

  pause(paused: boolean): void {
    if (this.#ended || this.#paused === paused) return;
    this.#paused = paused;
    this.#control?.pause(paused);
  }

  get paused(): boolean {
    return this.#paused && !this.#ended;
  }

  /** Stops the native download; the run then fails with `reason`, which nobody else is told. */
  cancel(reason: unknown): void {
    this.#stop({ reason, isFailure: false, step: undefined });
  }

  /** As cancel(), but `error` is a failure of the upgrade. `step`: see {@link fail}. */
  breakOff(error: unknown, step?: FailureStep): void {
    this.#stop({ reason: error, isFailure: true, step });
  }

  #stop(stop: Stop): void {
    if (this.#ended || this.#stopped !== undefined) return;
    this.#stopped = stop;
    this.#control?.stop();
    this.#lastWait = setTimeout(() => this.abandon(), END_WAIT_MS).unref();
  }

  /** Settles as `work` of the user's does; if the run is abandoned before, rejects. */
  whileWanted<T>(work: T | PromiseLike<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#giveUp = () => reject(this.reasonOf(new IotkitError('ERR_ABORTED')));
      if (this.#abandoned) this.#giveUp();
      Promise.resolve(work).then(resolve, reject);
    });
  }

  /** The user's work that is under way, and may never end, is waited for no longer. */
  abandon(): void {
    this.#abandoned = true;
    this.#giveUp?.();
  }

  get abandoned(): boolean {
    return this.#abandoned;
  }

  /**
   * Every byte is where it should be, and the image is verified. `warning`: what is missing all the
   * same, such as a directory that could not be synced.
   */
  succeed(warning = '', sharedAs?: SharedAs): void {
    if (this.#ended) return;
    this.#sharedAs = sharedAs;
    if (warning !== '') {
      this.#warning = warning;
      process.emitWarning(warning, { code: 'IOTKIT_NOT_DURABLE' });
    }
    this.#received = this.upgrade.size;
    this.#options.reporter?.succeed();
    this.#meter.complete();
    this.#end({ phase: 'done', ...(sharedAs !== undefined && { sharedAs }) });
  }

  /** The reason the run fails with if `error` ends it: that of its stopping, if it was stopped. */
  reasonOf(error: unknown): unknown {
    return this.#stopped === undefined ? error : this.#stopped.reason;
  }

  /** Returns what to throw. `step`: what to report to the platform if the error does not say it. */
  fail(error: unknown, step?: FailureStep): unknown {
    if (this.#ended) return this.#failure?.reason ?? error;
    const left = IotkitError.is(error) && error.code === 'ERR_ABORTED';
    const why = this.#stopped ?? { reason: error, isFailure: !left, step };
    if (why.isFailure) this.#options.reporter?.fail(why.reason, why.step);
    this.#failure = why;
    this.#end({ phase: why.isFailure ? 'failed' : 'aborted', error: why.reason });
    return why.reason;
  }

  // If the user's onProgress throws, that cancels the download, which then rejects with it.
  #emit(progress: Progress): void {
    this.#options.feeds.emit(progress);
    try {
      const returned: unknown = this.#inContext(() => this.#options.onProgress?.(progress));
      // An async function reports its error by a rejection, which counts as if it had thrown.
      if (isPromise(returned)) returned.then(undefined, (reason: unknown) => this.cancel(reason));
    } catch (error) {
      this.cancel(error);
    }
  }

  #publish(key: ChannelKey, what: object = {}): void {
    const { upgrade, path, isPublished } = this.#options;
    if (isPublished) this.#inContext(() => publish(key, { upgrade, path, ...what }));
  }

  #inContext<T>(call: () => T): T {
    return this.#context.runInAsyncScope(call);
  }

  #end(state: UpgradeState): void {
    this.#ended = true;
    clearTimeout(this.#lastWait);
    this.#retrying = undefined;
    this.#meter.end();
    this.#stopListening();
    this.#options.feeds.end();
    this.#options.onEnd(this);
    const error = this.#failure?.reason;
    const [warning, sharedAs] = [this.#warning, this.#sharedAs];
    this.#publish('downloadEnd', { ...this.bytes, error, warning, sharedAs });
    this.#enter(state);
    this.#settle(this.#failure);
  }
}

/** Cancels runs with `reason`; resolves when all have ended, or have been given up after 2 s. */
export async function endRuns(runs: readonly DownloadRun[], reason: unknown): Promise<void> {
  for (const run of runs) run.cancel(reason);
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((giveUp) => {
    timer = setTimeout(giveUp, END_WAIT_MS);
  });
  await Promise.race([Promise.allSettled(runs.map((run) => run.outcome)), late]);
  clearTimeout(timer);
  for (const run of runs) run.abandon();
}
