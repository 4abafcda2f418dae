// events/: what the platform reports (event-types.ts), and how listeners hear of it. Imports base,
// types.

import { EventEmitter, on } from 'node:events';
import type { Clock } from '../base/clock';
import type { PlatformEvent, PlatformEventName, PlatformEvents } from './event-types';

/** Where every room of the platform reports what happened, and listeners hear of it. */
export class Events {
  readonly #emitter = new EventEmitter({ captureRejections: false });
  readonly #clock: Clock;
  readonly #ended = new AbortController();

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#emitter.setMaxListeners(0);
  }

  emit<Name extends PlatformEventName>(
    name: Name,
    event: Omit<PlatformEvents[Name], 'time'>,
  ): void {
    const stamped = { type: name, time: this.#clock.now(), ...event };
    try {
      this.#emitter.emit(name, stamped);
      if (name !== 'message') this.#emitter.emit('any', stamped);
    } catch (error) {
      // A listener's error must not interrupt the room that reports: it is thrown one turn later.
      queueMicrotask(() => {
        throw error;
      });
    }
  }

  on<Name extends PlatformEventName>(
    name: Name,
    listener: (event: PlatformEvents[Name]) => void,
  ): void {
    this.#emitter.on(name, listener);
  }

  off<Name extends PlatformEventName>(
    name: Name,
    listener: (event: PlatformEvents[Name]) => void,
  ): void {
    this.#emitter.off(name, listener);
  }

  /** Whether anybody listens to events of a name: what nobody hears need not be made. */
  hears(name: PlatformEventName): boolean {
    return this.#emitter.listenerCount(name) > 0;
  }

  onAny(listener: (event: PlatformEvent) => void): () => void {
    this.#emitter.on('any', listener);
    return () => this.#emitter.off('any', listener);
  }

  /** The next event of a name that the predicate accepts; rejects with the signal's reason. */
  waitFor<Name extends PlatformEventName>(
    name: Name,
    predicate: (event: PlatformEvents[Name]) => boolean = () => true,
    signal?: AbortSignal,
  ): Promise<PlatformEvents[Name]> {
    return new Promise((resolve, reject) => {
      const ended = this.#ended.signal;
      const done = (): void => {
        this.off(name, listener);
        signal?.removeEventListener('abort', abort);
        ended.removeEventListener('abort', abort);
      };
      const listener = (event: PlatformEvents[Name]): void => {
        if (!predicate(event)) return;
        done();
        resolve(event);
      };
      const abort = (): void => {
        done();
        reject(signal?.aborted ? signal.reason : ended.reason);
      };
      if (signal?.aborted || ended.aborted) {
        abort();
        return;
      }
      signal?.addEventListener('abort', abort);
      ended.addEventListener('abort', abort);
      this.on(name, listener);
    });
  }

  /** All events from now on, none lost between two iterations; ends when the platform closes. */
  iterate(signal?: AbortSignal): AsyncGenerator<PlatformEvent, void, undefined> {
    const ended = this.#ended.signal;
    const either = signal === undefined ? ended : AbortSignal.any([signal, ended]);
    either.throwIfAborted();
    return untilEnd(on(this.#emitter, 'any', { signal: either }), ended, signal);
  }

  /** Ends all iterators, and rejects with this reason whoever waits for an event. */
  end(reason: Error): void {
    this.#ended.abort(reason);
    this.#emitter.removeAllListeners();
  }
}

async function* untilEnd(
  source: AsyncIterable<unknown>,
  ended: AbortSignal,
  signal: AbortSignal | undefined,
): AsyncGenerator<PlatformEvent, void, undefined> {
  try {
    for await (const args of source) yield (args as [PlatformEvent])[0];
  } catch (error) {
    if (signal?.aborted) throw signal.reason;
    if (!ended.aborted) throw error;
  }
}
