// Tested by test/unit/messaging/subscriptions.test.ts
/** One subscription: its messages, and pushing back when it has too many. */
import { IotkitError } from '../base/errors';
import { Feed, type Iteration } from '../base/feed';
import type { Qos } from './arguments';
import { Fifo } from './fifo';
import type { Message } from './message';

/**
 * The messages of one topic filter, as they come: what `for await` reads. Leaving the loop unsubscribes,
 * and so does `return()` or, declared with `await using`, the end of the block. It ends when the
 * device closes.
 *
 * The broker is asked again after each connect. What a consumer has not taken waits: see
 * {@link SubscribeOptions.highWaterMark}.
 */
export interface TopicSubscription extends Iteration<Message> {
  /** As it was subscribed. */
  readonly filter: string;
  /** As the broker has granted the filter: the most that a subscription of it asks for. */
  readonly qos: Qos;
  /** How many messages wait to be taken. */
  readonly waiting: number;
}

/** What waits of one subscription pushes back from so many bytes on. */
export const HIGH_WATER_BYTES = 4 * 1024 * 1024;
/**
 * A subscription is given up from here on: so much comes only while reading goes on because something
 * else awaits an answer of the broker.
 */
const GIVE_UP_AT = 65_536;
const GIVE_UP_MARKS = 16;
const GIVE_UP_BYTES = 64 * 1024 * 1024;

/** @internal */
export class SubscriptionFeed implements TopicSubscription {
  readonly filter: string;
  /** As asked for. */
  readonly wanted: Qos;
  qos: Qos;
  readonly id: number;
  readonly #feed: Feed<Message>;
  readonly #messages = new Fifo<Message>();
  readonly #mark: number;
  readonly #giveUpAt: number;
  readonly #onMark: (subscription: SubscriptionFeed, isFull: boolean) => void;
  #bytes = 0;
  #isFull = false;
  #isEnded = false;

  constructor(options: {
    readonly id: number;
    readonly filter: string;
    readonly qos: Qos;
    readonly highWaterMark: number;
    readonly signal: AbortSignal | undefined;
    readonly onEnd: (subscription: SubscriptionFeed) => void;
    readonly onMark: (subscription: SubscriptionFeed, isFull: boolean) => void;
  }) {
    const { id, filter, qos, highWaterMark, signal, onEnd, onMark } = options;
    this.id = id;
    this.filter = filter;
    this.wanted = qos;
    this.qos = qos;
    this.#mark = highWaterMark;
    this.#giveUpAt = Math.max(GIVE_UP_MARKS * highWaterMark, GIVE_UP_AT);
    this.#onMark = onMark;
    this.#feed = new Feed<Message>({
      take: () => this.#take(),
      detach: () => {
        this.#messages.drain();
        this.#setFull(false);
        onEnd(this);
      },
      signal,
    });
  }

  get waiting(): number {
    return this.#messages.length;
  }

  push(message: Message): void {
    this.#messages.push(message);
    this.#bytes += message.payload.length;
    this.#feed.wake();
    if (this.waiting >= this.#mark || this.#bytes >= HIGH_WATER_BYTES) this.#setFull(true);
    if (this.waiting < this.#giveUpAt && this.#bytes < GIVE_UP_BYTES) return;
    this.fail(new IotkitError('ERR_QUEUE_FULL', `${this.waiting} messages of ${this.filter} wait`));
  }

  next(): Promise<IteratorResult<Message, undefined>> {
    return this.#feed.next();
  }

  return(): Promise<IteratorResult<Message, undefined>> {
    return this.#feed.return();
  }

  /** What waits can still be taken, and does not push back any more. */
  end(): void {
    this.#isEnded = true;
    this.#feed.end();
    this.#setFull(false);
  }

  fail(reason: unknown): void {
    this.#feed.fail(reason);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  #take(): Message | undefined {
    const message = this.#messages.shift();
    if (message === undefined) return undefined;
    this.#bytes -= message.payload.length;
    if (this.waiting <= this.#mark / 2 && this.#bytes <= HIGH_WATER_BYTES / 2) this.#setFull(false);
    return message;
  }

  #setFull(isFull: boolean): void {
    if (this.#isFull === isFull || (isFull && this.#isEnded)) return;
    this.#isFull = isFull;
    this.#onMark(this, isFull);
  }
}
