import { Feed } from './feed';

/**
 * Bytes that are there, of `size`. Emitted when the download begins, then at most every 100 ms, and
 * at 100 %.
 */
export interface Progress {
  /**
   * Bytes; begins with those of an earlier download that is resumed, else with 0. Goes back only if
   * the download begins again: the server offers another image, or what was there proves wrong.
   */
  readonly received: number;
  /** Bytes of the whole image. */
  readonly size: number;
  /** Over the last two seconds. */
  readonly bytesPerSecond: number;
}

const INTERVAL_MS = 100;
const WINDOW_MS = 2_000;

/** One consumer of progress. */
interface View {
  first: Progress | undefined;
  latest: Progress | undefined;
  readonly feed: Feed<Progress>;
}

/**
 * The consumers of an upgrade's progress; they follow the running consumption, or else the next
 * one.
 */
export class ProgressViews {
  readonly #views = new Set<View>();
  #begun = false;

  open(signal: AbortSignal | undefined): AsyncIterableIterator<Progress> {
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
        detach: () => this.#views.delete(view),
        signal,
      }),
    };
    this.#views.add(view);
    return view.feed;
  }

  /** Latest wins, but the beginning is never lost. */
  emit(progress: Progress): void {
    const first = !this.#begun;
    this.#begun = true;
    for (const view of [...this.#views]) {
      if (first) view.first = progress;
      else view.latest = progress;
      view.feed.wake();
    }
  }

  /** The consumption has ended: what is there is handed out, then the iterations end. */
  end(): void {
    this.#begun = false;
    for (const view of [...this.#views]) {
      this.#views.delete(view);
      view.feed.end();
    }
  }
}

/** Turns counts of bytes into Progress, throttled and with a rate. */
export class ProgressMeter {
  readonly #size: number;
  readonly #emit: (progress: Progress) => void;
  #samples: { readonly at: number; readonly received: number }[] = [];

  constructor(size: number, emit: (progress: Progress) => void) {
    this.#size = size;
    this.#emit = emit;
  }

  /**
   * `received` bytes are there: emitted if it is time, or with `force` in any case (the beginning
   * and 100 %).
   */
  update(received: number, force = false): void {
    const at = performance.now();
    const last = this.#samples.at(-1);
    if (!force && last !== undefined && at - last.at < INTERVAL_MS) return;
    if (!force && received >= this.#size) return;
    if (last !== undefined && received < last.received) this.#samples = [];
    this.#samples = this.#samples.filter((sample) => at - sample.at <= WINDOW_MS);
    this.#samples.push({ at, received });
    this.#emit({ received, size: this.#size, bytesPerSecond: this.#rate() });
  }

  #rate(): number {
    const first = this.#samples[0];
    const last = this.#samples.at(-1);
    if (first === undefined || last === undefined || last.at <= first.at) return 0;
    return Math.round(((last.received - first.received) * 1000) / (last.at - first.at));
  }
}
