import type { ServerResponse } from 'node:http';
import type { PlatformEvents } from '../events/event-types';
import type { Events } from '../events/events';
import { toJson } from '../messages/payload';
import { filterMatches } from '../protocol/topic-rules';

/** A reader that has this much unread is disconnected; it may connect again. */
const MAX_BACKLOG_BYTES = 4 * 1024 * 1024;
/** A comment is sent this often, so that no proxy closes a silent stream as a dead one. */
const HEARTBEAT_MS = 15_000;

/** Messages of which devices, on which topics; without a member, of all. */
export interface MessageSelection {
  readonly productKey?: string;
  readonly deviceName?: string;
  /** A topic filter. */
  readonly filter?: string;
}

/** Server-sent events: `event` is the name, `data` the event as JSON. */
export class EventStreams {
  readonly #events: Events;
  readonly #responses = new Set<ServerResponse>();

  constructor(events: Events) {
    this.#events = events;
  }

  /** Sends events on a response until its connection ends. */
  serve(response: ServerResponse): void {
    this.#open(response, () => this.#events.onAny((event) => this.#send(response, event)));
  }

  /** Sends messages of devices, their payloads as JSON has them. */
  serveMessages(response: ServerResponse, selection: MessageSelection): void {
    const listener = (event: PlatformEvents['message']): void => {
      if (!isSelected(event, selection)) return;
      this.#send(response, { ...event, type: 'message', ...toJson(event.payload) });
    };
    this.#open(response, () => {
      this.#events.on('message', listener);
      return () => this.#events.off('message', listener);
    });
  }

  close(): void {
    for (const response of this.#responses) response.end();
  }

  #open(response: ServerResponse, listen: () => () => void): void {
    response.writeHead(200, {
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
    });
    // Tells the reader that it misses no event from here on.
    response.write(': connected\n\n');
    const stop = listen();
    const heartbeat = setInterval(() => response.write(':\n\n'), HEARTBEAT_MS).unref();
    this.#responses.add(response);
    response.once('close', () => {
      clearInterval(heartbeat);
      stop();
      this.#responses.delete(response);
    });
  }

  #send(response: ServerResponse, event: { readonly type: string }): void {
    if (response.writableLength > MAX_BACKLOG_BYTES) {
      response.destroy();
      return;
    }
    response.write(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
  }
}

function isSelected(
  { productKey, deviceName, topic }: PlatformEvents['message'],
  selection: MessageSelection,
): boolean {
  if ((selection.productKey ?? productKey) !== productKey) return false;
  if ((selection.deviceName ?? deviceName) !== deviceName) return false;
  return selection.filter === undefined || filterMatches(selection.filter, topic);
}
