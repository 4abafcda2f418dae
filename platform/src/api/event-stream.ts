import type { ServerResponse } from 'node:http';
import type { PlatformEvent } from '../events/event-types';
import type { Events } from '../events/events';

/** A reader that has this much unread is disconnected; it may connect again. */
const MAX_BACKLOG_BYTES = 4 * 1024 * 1024;
/** A comment is sent this often, so that no proxy closes a silent stream as a dead one. */
const HEARTBEAT_MS = 15_000;

/** Server-sent events: `event` is the name, `data` the event as JSON. */
export class EventStreams {
  readonly #events: Events;
  readonly #open = new Set<ServerResponse>();

  constructor(events: Events) {
    this.#events = events;
  }

  /** Sends events on a response until its connection ends. */
  serve(response: ServerResponse): void {
    response.writeHead(200, {
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
    });
    // Tells the reader that it misses no event from here on.
    response.write(': connected\n\n');
    const stop = this.#events.onAny((event) => this.#send(response, event));
    const heartbeat = setInterval(() => response.write(':\n\n'), HEARTBEAT_MS).unref();
    this.#open.add(response);
    response.once('close', () => {
      clearInterval(heartbeat);
      stop();
      this.#open.delete(response);
    });
  }

  close(): void {
    for (const response of this.#open) response.end();
  }

  #send(response: ServerResponse, event: PlatformEvent): void {
    if (response.writableLength > MAX_BACKLOG_BYTES) {
      response.destroy();
      return;
    }
    response.write(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
  }
}
