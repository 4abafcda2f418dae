/** Listeners of named events, for those who do not iterate. */

/** Ends what it was returned for, once; with `using` at the end of the block. */
export interface Subscription extends Disposable {
  /** As `[Symbol.dispose]()`. */
  off(): void;
}

/** By event, those who listen. `Events` says what each event hands to its listeners. */
export class Listeners<Events extends object> {
  /** undefined: nobody has listened yet. */
  #byEvent: Map<keyof Events, Set<{ readonly call: (value: never) => void }>> | undefined;

  /** A function that is added twice is called twice. */
  add<K extends keyof Events>(event: K, call: (value: Events[K]) => void): Subscription {
    const listener = { call };
    this.#byEvent ??= new Map();
    const listeners = this.#byEvent.get(event) ?? new Set();
    this.#byEvent.set(event, listeners.add(listener));
    const off = (): void => {
      listeners.delete(listener);
    };
    return { off, [Symbol.dispose]: off };
  }

  has(event: keyof Events): boolean {
    return (this.#byEvent?.get(event)?.size ?? 0) > 0;
  }

  /** Calls those who listen now, in the order in which they were added, but none that has ended since. */
  emit<K extends keyof Events>(event: K, value: Events[K]): void {
    const listeners = this.#byEvent?.get(event);
    for (const listener of [...(listeners ?? [])]) {
      if (listeners?.has(listener)) callBack(listener.call as (value: Events[K]) => void, value);
    }
  }
}

/** Calls a function of the user's. What it throws is an uncaught exception, and nobody else's. */
export function callBack<T>(call: (value: T) => void, value: T): void {
  try {
    call(value);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
