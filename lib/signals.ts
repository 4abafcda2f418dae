/** Waiting that an AbortSignal can end. */

const nothing = (): void => {};

/**
 * Calls `onAbort` once when `signal` aborts, at once if it has; returns what takes the listener
 * away again.
 */
export function whenAborted(signal: AbortSignal | undefined, onAbort: () => void): () => void {
  if (signal === undefined) return nothing;
  if (signal.aborted) {
    onAbort();
    return nothing;
  }
  signal.addEventListener('abort', onAbort, { once: true });
  return () => signal.removeEventListener('abort', onAbort);
}

/** `promise`, or a rejection with the signal's reason if that comes first. */
export function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    const stop = whenAborted(signal, () => reject(signal.reason));
    promise.then(resolve, reject).finally(stop);
  });
}
