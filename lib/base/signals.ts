/** Waiting that an AbortSignal can end. */
import { EventEmitter } from 'node:events';

type OnAbort = (reason: unknown) => void;

const nothing = (): void => {};

/**
 * Why a signal has aborted. A signal that is none of the runtime's, such as a polyfill's, may have
 * no reason.
 */
export function abortReason(signal: AbortSignal): unknown {
  if (signal.reason !== undefined) return signal.reason;
  return new DOMException('This operation was aborted', 'AbortError');
}

/** Throws the signal's reason if it has aborted. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw abortReason(signal);
}

/**
 * Calls `onAbort` once with the reason when `signal` aborts, immediately if it has aborted; returns
 * a function that stops waiting. A signal has one listener of ours, however many wait for it.
 */
export function whenAborted(signal: AbortSignal | undefined, onAbort: OnAbort): () => void {
  if (signal === undefined) return nothing;
  if (signal.aborted) {
    onAbort(abortReason(signal));
    return nothing;
  }
  const waiters = waitersOf.get(signal) ?? new Waiters(signal);
  return waiters.add(onAbort);
}

/** Settles as `promise`, or rejects with the signal's reason if that comes first. */
export function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    const stop = whenAborted(signal, reject);
    promise.then(resolve, reject).finally(stop);
  });
}

/** All who wait for one signal: they share its listener, which goes with the last of them. */
class Waiters {
  readonly #signal: AbortSignal;
  readonly #waiting = new Set<{ readonly onAbort: OnAbort }>();
  readonly #stopListening: () => void;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
    this.#stopListening = listen(signal, () => this.#abort());
    waitersOf.set(signal, this);
  }

  add(onAbort: OnAbort): () => void {
    const waiter = { onAbort };
    this.#waiting.add(waiter);
    return () => {
      if (this.#waiting.delete(waiter) && this.#waiting.size === 0) this.#close();
    };
  }

  #abort(): void {
    this.#close();
    const reason = abortReason(this.#signal);
    for (const waiter of this.#waiting) {
      this.#waiting.delete(waiter);
      waiter.onAbort(reason);
    }
  }

  #close(): void {
    waitersOf.delete(this.#signal);
    this.#stopListening();
  }
}

const waitersOf = new WeakMap<AbortSignal, Waiters>();

/** Where the runtime can, a listener that another one's stopImmediatePropagation() does not stop. */
function listen(signal: AbortSignal, onAbort: () => void): () => void {
  // Node.js ≥ 20.5.
  const { addAbortListener } = EventEmitter as Partial<typeof EventEmitter>;
  if (addAbortListener !== undefined) {
    const listener = addAbortListener(signal, onAbort);
    return () => listener[Symbol.dispose]();
  }
  signal.addEventListener('abort', onAbort, { once: true });
  return () => signal.removeEventListener('abort', onAbort);
}
