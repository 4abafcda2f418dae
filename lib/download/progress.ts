/**
 * The progress of a download as the program sees it: bytes, size and rate. A {@link ProgressMeter}
 * makes it of the counts of one run, {@link ProgressFeeds} hand it to those who iterate over it.
 * What the platform sees of it is a progress report: reporter.ts.
 */
import type { IotkitError } from '../base/errors';
import { Feed } from '../base/feed';

/** A try of a download has failed, and the next one follows by itself. */
export interface Retrying {
  /** The failed tries since the last new byte. */
  readonly attempt: number;
  /** Why the last of them failed. */
  readonly error: IotkitError;
  /** When the next one begins. */
  readonly at: Date;
}

/**
 * Bytes of the image received so far, of `size`. Emitted when the download begins, then at most
 * every 100 ms while bytes come, when a try fails, when it is paused, once a second until the rate
 * has come down to 0 where nothing comes, and at 100 %.
 */
export interface Progress {
  /**
   * Bytes; begins with those already on disk from an earlier download, if this one resumes it, else
   * with 0. Goes back only if the download starts over: the server offers another image, the bytes on
   * disk prove wrong, or the download that it waited for ended without an image.
   */
  readonly received: number;
  /** Bytes of the whole image. */
  readonly size: number;
  /** Over the last two seconds; comes down to 0 when nothing comes. */
  readonly bytesPerSecond: number;
  /** While the download waits for its next try, and until that brings bytes: why. */
  readonly retrying?: Retrying;
  /** While it is suspended by {@link Upgrade.pause}. */
  readonly paused?: true;
}

/** Why no bytes come. */
export type Waiting = Pick<Progress, 'retrying' | 'paused'>;

const INTERVAL_MS = 100;
const WINDOW_MS = 2_000;
/** Without news the rate is looked at again so often. */
const DECAY_MS = 1_000;

/** One consumer of progress. */
interface View {
  first: Progress | undefined;
  latest: Progress | undefined;
  readonly feed: Feed<Progress>;
}

/**
 * Hands the progress of an upgrade's runs to its consumers; each follows the run that is under way,
 * or else the next one, to its end.
 */
export class ProgressFeeds {
  readonly #views = new Set<View>();
  readonly #onWatched: () => void;
  #begun = false;

  /** @param onWatched is called when {@link ProgressFeeds.watched} changes. */
  constructor(onWatched: () => void = () => {}) {
    this.#onWatched = onWatched;
  }

  /** Whether somebody iterates. */
  get watched(): boolean {
    return this.#views.size > 0;
  }

  open(signal: AbortSignal | undefined): Feed<Progress> {
    const view: View = {
      first: undefined,
      latest: undefined,
      feed: new Feed<Progress>({
        take: () => {
          const progress = view.first ?? view.latest;
          if (view.first !== undefined) view.first = undefined;
          else view.latest = undefined;
          return progress;
        },
        detach: () => this.#remove(view),
        signal,
      }),
    };
    this.#views.add(view);
    if (this.#views.size === 1) this.#onWatched();
    return view.feed;
  }

  /** The latest progress replaces one not yet taken, but the first of a run is never lost. */
  emit(progress: Progress): void {
    const first = !this.#begun;
    this.#begun = true;
    for (const view of [...this.#views]) {
      if (first) view.first = progress;
      else view.latest = progress;
      view.feed.wake();
    }
  }

  /** The run has ended: the iterations hand out the progress not yet taken, then end. */
  end(): void {
    this.#begun = false;
    for (const view of [...this.#views]) {
      this.#remove(view);
      view.feed.end();
    }
  }

  #remove(view: View): void {
    if (this.#views.delete(view) && this.#views.size === 0) this.#onWatched();
  }
}

/** Makes the progress of one run of its counts of bytes: throttled, and with a rate. */
export class ProgressMeter {
  readonly #size: number;
  readonly #emit: (progress: Progress) => void;
  #samples: { readonly at: number; readonly received: number }[] = [];
  #received = 0;
  #waiting: Waiting = {};
  #timer: NodeJS.Timeout | undefined;

  constructor(size: number, emit: (progress: Progress) => void) {
    this.#size = size;
    this.#emit = emit;
  }

  /**
   * `received` bytes so far: emitted if the interval is over, or with `force` in any case (the
   * beginning).
   */
  update(received: number, force = false): void {
    const at = performance.now();
    const last = this.#samples.at(-1);
    if (!force && last !== undefined && at - last.at < INTERVAL_MS) return;
    // 100 % is emitted by complete() alone.
    if (!force && received >= this.#size) return;
    if (last !== undefined && received < last.received) this.#samples = [];
    this.#samples = this.#samples.filter((sample) => at - sample.at <= WINDOW_MS);
    this.#samples.push({ at, received });
    this.#received = received;
    this.#tell(at);
  }

  /** The image is verified: 100 %, and nothing is tried any more. */
  complete(): void {
    this.#waiting = {};
    this.update(this.#size, true);
  }

  /**
   * Why no bytes come. A change is emitted, unless `begun` says that nothing has been yet; but not
   * that a pause is over, because whoever pauses at some number of bytes would do so once more.
   */
  waiting(waiting: Waiting, begun: boolean): void {
    const before = this.#waiting;
    this.#waiting = waiting;
    const isPaused = waiting.paused && !before.paused;
    if (begun && (isPaused || waiting.retrying !== before.retrying)) this.#tell(performance.now());
  }

  /** Nothing more is emitted. */
  end(): void {
    clearTimeout(this.#timer);
  }

  #tell(now: number): void {
    const bytesPerSecond = this.#rate(now);
    clearTimeout(this.#timer);
    if (bytesPerSecond > 0) {
      this.#timer = setTimeout(() => this.#tell(performance.now()), DECAY_MS);
      this.#timer.unref();
    }
    this.#emit({
      received: this.#received,
      size: this.#size,
      bytesPerSecond,
      ...this.#waiting,
    });
  }

  #rate(now: number): number {
    const [first, ...later] = this.#samples.filter(({ at }) => now - at <= WINDOW_MS);
    const last = later.at(-1);
    if (first === undefined || last === undefined || now <= first.at) return 0;
    return Math.round(((last.received - first.received) * 1000) / (now - first.at));
  }
}
