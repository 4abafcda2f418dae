import type { ServerResponse } from 'node:http';
import type { Events } from '../events';
import type { PlatformEvent } from '../types';

/** A reader this far behind is cut off; it may come back. */
const MAX_BACKLOG_BYTES = 4 * 1024 * 1024;
/** Comments keep proxies from taking a silent stream for a dead one. */
const HEARTBEAT_MS = 15_000;

/** Server-sent events: `event` is the name, `data` the event as JSON. */
export class EventStreams {
  readonly #events: Events;
  readonly #open = new Set<ServerResponse>();

  constructor(events: Events) {
    this.#events = events;
  }

  /** Takes a response over until its connection ends. */
  serve(response: ServerResponse): void {
    response.writeHead(200, {
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
    });
    // The reader now knows that nothing is missed from here on.
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
