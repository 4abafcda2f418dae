import { PlatformError } from '../base/errors';
import type { Events } from '../events/events';

/** What a start opens is closed in the opposite order: listeners first, the store last. */
export class Shutdown {
  readonly #events: Events;
  readonly #closing = new AbortController();
  readonly #steps: (() => Promise<void> | void)[] = [];

  constructor(events: Events) {
    this.#events = events;
  }

  /** Aborted when the platform closes. */
  get signal(): AbortSignal {
    return this.#closing.signal;
  }

  /** Registers how to close what has just been opened. */
  add(step: () => Promise<void> | void): void {
    this.#steps.push(step);
  }

  /** Once. Takes every step, whatever the others throw; rejects with the first error. */
  async run(): Promise<void> {
    const reason = new PlatformError('ERR_CLOSED', 'the platform is closed');
    this.#closing.abort(reason);
    this.#events.end(reason);
    const errors: unknown[] = [];
    for (const step of this.#steps.reverse()) {
      try {
        await step();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw errors[0];
  }
}
