/** What `for await` reads where values arrive on their own: one consumer's view of them. */
import './globals';
import { abortReason, whenAborted } from './signals';

/**
 * What `for await` reads. Leaving the loop ends it, and so does `return()` or, declared with
 * `await using`, the end of the block.
 */
export interface Iteration<T> extends AsyncIterableIterator<T>, AsyncDisposable {
  /** Ends the iteration; a next() that waits resolves with the end. */
  return(): Promise<IteratorResult<T, undefined>>;
}

interface Waiter<T> {
  readonly resolve: (result: IteratorResult<T, undefined>) => void;
  readonly reject: (reason: unknown) => void;
}

/** The owner of the values; it decides which are kept until they are taken. */
export interface FeedSource<T> {
  /** The next value, if there is one. */
  readonly take: () => T | undefined;
  /** The consumer is gone; called once. */
  readonly detach: () => void;
  readonly signal: AbortSignal | undefined;
}

/**
 * An async iterator that takes values from its source when it is asked for one; `wake` reports that
 * there may be a value.
 */
export class Feed<T> implements Iteration<T> {
  readonly #source: FeedSource<T>;
  readonly #waiters: Waiter<T>[] = [];
  #stopListening: () => void = () => {};
  #ending: 'open' | 'draining' | 'ended' = 'open';
  #failed = false;
  #failure: unknown;

  constructor(source: FeedSource<T>) {
    this.#source = source;
    if (source.signal?.aborted) {
      // Later, because the owner of the source does not have its feed yet.
      queueMicrotask(() => this.#failIfAborted());
    } else {
      this.#stopListening = whenAborted(source.signal, () => this.#failIfAborted());
    }
  }

  /** There may be a value: hands it to a consumer that waits. */
  wake(): void {
    this.#failIfAborted();
    while (this.#waiters.length > 0) {
      const value = this.#source.take();
      if (value === undefined) break;
      this.#waiters.shift()?.resolve({ done: false, value });
    }
    if (this.#ending === 'draining') this.#settle();
  }

  /** The values that can still be taken are handed out, then the iteration ends. */
  end(): void {
    if (this.#ending === 'open') this.#ending = 'draining';
    // Nobody waits from here on, and next() looks at the signal itself.
    this.#stopListening();
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
    // A value that is taken now would be lost: whoever has aborted looks at none.
    this.#failIfAborted();
    if (this.#waiters.length === 0 && this.#ending !== 'ended') {
      const value = this.#source.take();
      if (value !== undefined) return Promise.resolve({ done: false, value });
    }
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

  #failIfAborted(): void {
    const { signal } = this.#source;
    if (signal?.aborted) this.fail(abortReason(signal));
  }

  // A consumer never waits while the source has a value: so if one waits, the source is empty.
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
