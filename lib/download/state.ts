/**
 * What the download of an upgrade is doing. The addon reports it from the threads that do it, and
 * the run (run.ts) what JavaScript does; {@link UpgradeStates} keeps it and hands it on.
 */
import { Feed } from '../base/feed';
import { Listeners, type Subscription } from '../base/listeners';
import type { Retrying } from './progress';

/**
 * How the files were made of those that another download of the process has fetched
 * ({@link DownloadOptions.share}); of several files the way that shares least:
 *
 * - `'copied'`: bytes of their own
 * - `'cloned'`: files of their own, that share bytes on the disk until one is written to (a reflink)
 * - `'linked'`: another name of the very same file (a hard link)
 */
export type SharedAs = 'copied' | 'cloned' | 'linked';

/**
 * What the download of an upgrade is doing:
 *
 * - `announced`: nothing has consumed the upgrade yet
 * - `queued`: as many downloads as may (`setMaxDownloads()`) receive already, and it waits for its
 *   turn; each download begins so. Later as well, where it has given its place to another because
 *   nothing came or it was paused
 * - `sharing`: another download of this process fetches the same image, and it waits for that one, whose
 *   bytes its progress counts, or copies its file: {@link DownloadOptions.share}. `downloading` may follow,
 *   where the other one ends without an image, is paused, or receives nothing
 * - `proving`: reads and digests the bytes that an earlier download has left on disk
 * - `downloading`: asks the server for the image, and receives
 * - `retrying`: a try has failed, and the next one follows by itself; until it brings bytes. With
 *   `attempt`, `error` and `at`
 * - `paused`: by {@link Upgrade.pause}, until {@link Upgrade.resume}
 * - `verifying`: every byte has been received; the last ones are digested, and handed to the writer
 *   or loop that may not have taken them yet, and the digest is compared. `downloading` may follow:
 *   the next one of several files, or all of the image once more because bytes of an earlier
 *   download have proven wrong
 * - `committing`: the image is verified; files are synced and renamed, then a writer is closed
 * - `done`: the consumption has succeeded; `sharedAs` says how, if it has not fetched the image
 * - `failed`: it has failed, with `error`, which is also what it rejects with
 * - `aborted`: the program has ended it: by {@link Upgrade.abort}, a signal, leaving the loop or
 *   closing the device. `error` is what it rejects with
 *
 * After `done`, `failed` and `aborted` another consumption begins with `queued`.
 */
export type UpgradeState =
  | {
      /** What it is doing. */
      readonly phase:
        | 'announced'
        | 'queued'
        | 'sharing'
        | 'proving'
        | 'downloading'
        | 'paused'
        | 'verifying'
        | 'committing';
    }
  | {
      /** It has ended with an image. */
      readonly phase: 'done';
      /** Absent: the image was fetched. */
      readonly sharedAs?: SharedAs;
    }
  | ({
      /** A try has failed, and the next one follows by itself. */
      readonly phase: 'retrying';
    } & Retrying)
  | {
      /** It has ended without an image. */
      readonly phase: 'failed' | 'aborted';
      /** What the consumption rejects with. */
      readonly error: unknown;
    };

/** So many states wait for a consumer who does not take them. */
const QUEUE_MAX = 32;

interface View {
  readonly queue: UpgradeState[];
  readonly feed: Feed<UpgradeState>;
}

/** The state of an upgrade, and those who follow it. */
export class UpgradeStates {
  #current: UpgradeState = { phase: 'announced' };
  readonly #views = new Set<View>();
  readonly #listeners = new Listeners<{ readonly state: UpgradeState }>();
  readonly #onWatched: () => void;
  /** Those that the listeners have not heard yet; undefined: none is being told. */
  #untold: UpgradeState[] | undefined;

  /** @param onWatched is called when {@link UpgradeStates.watched} changes. */
  constructor(onWatched: () => void = () => {}) {
    this.#onWatched = onWatched;
  }

  get current(): UpgradeState {
    return this.#current;
  }

  /** Whether somebody iterates. */
  get watched(): boolean {
    return this.#views.size > 0;
  }

  /** The present state, then the changes to the end of the run under way, or else of the next one. */
  open(signal: AbortSignal | undefined): Feed<UpgradeState> {
    const queue = [this.#current];
    const feed = new Feed<UpgradeState>({
      take: () => queue.shift(),
      detach: () => this.#remove(view),
      signal,
    });
    const view: View = { queue, feed };
    this.#views.add(view);
    if (this.#views.size === 1) this.#onWatched();
    return feed;
  }

  /** Calls `listener` with each change. */
  listen(listener: (state: UpgradeState) => void): Subscription {
    return this.#listeners.add('state', listener);
  }

  enter(state: UpgradeState): void {
    this.#current = state;
    for (const { queue, feed } of [...this.#views]) {
      queue.push(state);
      if (queue.length > QUEUE_MAX) queue.shift();
      feed.wake();
    }
    if (isFinal(state)) this.end();
    this.#tell(state);
  }

  /** No change follows for those who iterate: they get the states not yet taken. */
  end(): void {
    for (const view of [...this.#views]) {
      this.#remove(view);
      view.feed.end();
    }
  }

  // A listener may cause the next state, such as by resume(): all of them hear of it after this one.
  #tell(state: UpgradeState): void {
    if (this.#untold !== undefined) {
      this.#untold.push(state);
      return;
    }
    this.#untold = [state];
    for (let next = this.#untold.shift(); next !== undefined; next = this.#untold.shift()) {
      this.#listeners.emit('state', next);
    }
    this.#untold = undefined;
  }

  #remove(view: View): void {
    if (this.#views.delete(view) && this.#views.size === 0) this.#onWatched();
  }
}

function isFinal({ phase }: UpgradeState): boolean {
  return phase === 'done' || phase === 'failed' || phase === 'aborted';
}
