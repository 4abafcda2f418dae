// Tested by test/unit/messaging/messaging.test.ts
/** A message that has arrived. */
import type { Qos } from './arguments';

/** A message that a {@link TopicSubscription} hands out. */
export interface Message {
  /** The topic that it was published to. */
  readonly topic: string;
  /** Its bytes, in memory of their own. May be empty. */
  readonly payload: Uint8Array;
  /** That of its delivery: the publisher's, or that of the subscription where it is less. */
  readonly qos: Qos;
  /** The broker had kept it, and has sent it because of the subscription. */
  readonly retain: boolean;
  /** It is delivered again: the delivery before may have been handed out, too. Never with QoS 0. */
  readonly dup: boolean;
  /** The payload as UTF-8; what is none is replaced by U+FFFD. */
  text(): string;
  /**
   * The payload as JSON. `T` is what the caller expects; nothing of it is checked.
   *
   * @throws SyntaxError: it is no JSON.
   */
  json<T = unknown>(): T;
}

const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });

/** Bits of what the addon says of a message besides its QoS. */
export const messageFlags = { retain: 4, dup: 8 } as const;

/** @internal */
export class ReceivedMessage implements Message {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: Qos;
  readonly retain: boolean;
  readonly dup: boolean;

  constructor(topic: string, payload: Uint8Array, flags: number) {
    this.topic = topic;
    this.payload = payload;
    this.qos = (flags & 3) as Qos;
    this.retain = (flags & messageFlags.retain) !== 0;
    this.dup = (flags & messageFlags.dup) !== 0;
  }

  text(): string {
    return utf8.decode(this.payload);
  }

  json<T = unknown>(): T {
    return JSON.parse(this.text()) as T;
  }
}
