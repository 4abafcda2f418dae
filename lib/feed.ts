/** One consumer's view of values that arrive on their own: what `for await` reads. */
import { whenAborted } from './signals';

interface Waiter<T> {
  readonly resolve: (result: IteratorResult<T, undefined>) => void;
  readonly reject: (reason: unknown) => void;
}

/** Where the values come from and what is kept of them. */
export interface FeedSource<T> {
  /** The next value, if there is one. */
  readonly take: () => T | undefined;
  /** The consumer is gone; called once. */
  readonly detach: () => void;
  readonly signal: AbortSignal | undefined;
}

/**
 * An async iterator that takes values from its source as it is asked; `wake` says that there may be
 * one.
 */
export class Feed<T> implements AsyncIterableIterator<T, undefined> {
  readonly #source: FeedSource<T>;
  readonly #waiters: Waiter<T>[] = [];
  #stopListening: () => void = () => {};
  #ending: 'open' | 'draining' | 'ended' = 'open';
  #failed = false;
  #failure: unknown;

  constructor(source: FeedSource<T>) {
    this.#source = source;
    const abort = (): void => this.fail(source.signal?.reason);
    if (source.signal?.aborted) {
      // Not before the owner of the source has got its feed.
      queueMicrotask(abort);
    } else {
      this.#stopListening = whenAborted(source.signal, abort);
    }
  }

  /** There may be a value. */
  wake(): void {
    while (this.#waiters.length > 0) {
      const value = this.#source.take();
      if (value === undefined) break;
      this.#waiters.shift()?.resolve({ done: false, value });
    }
    if (this.#ending === 'draining') this.#settle();
  }

  /** What is there is still handed out, then the iteration ends. */
  end(): void {
    if (this.#ending === 'open') this.#ending = 'draining';
    this.wake();
  }

  /** The iteration throws `reason` once. */
  fail(reason: unknown): void {
    if (this.#ending === 'ended') return;
    this.#failed = true;
    this.#failure = reason;
    this.#finish();
  }

  next(): Promise<IteratorResult<T, undefined>> {
    return new Promise((resolve, reject) => {
      if (this.#failed) {
        this.#failed = false;
        reject(this.#failure);
        return;
      }
      if (this.#ending === 'ended') {
        resolve({ done: true, value: undefined });
        return;
      }
      this.#waiters.push({ resolve, reject });
      this.wake();
    });
  }

  return(): Promise<IteratorResult<T, undefined>> {
    this.#failed = false;
    this.#finish();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  // Nobody waits for a value that is there: so the source is empty if anybody waits.
  #settle(): void {
    if (this.#waiters.length > 0) this.#finish();
  }

  #finish(): void {
    if (this.#ending === 'ended') return;
    this.#ending = 'ended';
    this.#stopListening();
    this.#source.detach();
    for (const waiter of this.#waiters.splice(0)) {
      if (this.#failed) {
        this.#failed = false;
        waiter.reject(this.#failure);
      } else {
        waiter.resolve({ done: true, value: undefined });
      }
    }
  }
}
