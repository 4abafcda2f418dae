/** The subscriptions of a device: each has its messages, and pushes back when it has too many. */
import { IotkitError } from '../base/errors';
import { Feed, type Iteration } from '../base/feed';
import { whenAborted } from '../base/signals';
import { filterMatches, type Qos } from './arguments';
import { Fifo } from './fifo';
import { type Message, ReceivedMessage } from './message';

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

/** What the addon does for them. */
export interface SubscriptionsHost {
  /** The packet id, 0: it goes out with the next connection; negative: the error. */
  subscribe(id: number, filter: string, qos: number): number;
  unsubscribe(id: number): void;
  /** Nothing is read while it is held. */
  holdReading(held: boolean): void;
}

/** What waits of one subscription pushes back from so many bytes on. */
const HIGH_WATER_BYTES = 4 * 1024 * 1024;
/**
 * A subscription is given up from here on: so much comes only while reading goes on because something
 * else awaits an answer of the broker.
 */
const GIVE_UP_AT = 65_536;
const GIVE_UP_MARKS = 16;
const GIVE_UP_BYTES = 64 * 1024 * 1024;

/** The id of no subscription. */
const UNCLAIMED = 0;
const UNCLAIMED_MAX = 1_000;
const HEAD_WORDS = 4;

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

  /** What waits can still be taken. */
  end(): void {
    this.#feed.end();
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
    if (this.#isFull === isFull) return;
    this.#isFull = isFull;
    this.#onMark(this, isFull);
  }
}

interface Asked {
  readonly subscription: SubscriptionFeed;
  readonly settle: (error: IotkitError | undefined) => void;
}

/** All of a device. */
export class Subscriptions {
  readonly #host: SubscriptionsHost;
  readonly #all = new Map<number, SubscriptionFeed>();
  /** Not answered yet, by their packet ids; those of one filter may share it. */
  readonly #asked = new Map<number, Asked[]>();
  /** To be asked for with the next connection. */
  readonly #unasked = new Set<Asked>();
  readonly #full = new Set<SubscriptionFeed>();
  /** What the broker has kept for the session, until it is subscribed; the oldest are dropped. */
  #unclaimed: Message[] = [];
  readonly #keepsUnclaimed: boolean;
  #lastId = 0;
  #isConnected = false;
  #isClosed = false;
  #isHeld = false;
  #awaited = 0;

  constructor(host: SubscriptionsHost, keepsUnclaimed: boolean) {
    this.#host = host;
    this.#keepsUnclaimed = keepsUnclaimed;
  }

  /**
   * Resolves when the broker has granted it, after the next connect if there is no connection. Rejects
   * with `ERR_MQTT_SUBSCRIBE`, `ERR_TIMEOUT`, `ERR_QUEUE_FULL`, what `closed` is, the reason of `signal`.
   */
  add(
    filter: string,
    qos: Qos,
    highWaterMark: number,
    signal: AbortSignal | undefined,
  ): Promise<TopicSubscription> {
    const subscription = new SubscriptionFeed({
      id: ++this.#lastId,
      filter,
      qos,
      highWaterMark,
      signal,
      onEnd: (ended) => this.#remove(ended),
      onMark: (marked, isFull) => this.#mark(marked, isFull),
    });
    this.#all.set(subscription.id, subscription);
    this.#claim(subscription);
    return new Promise((resolve, reject) => {
      const stop = whenAborted(signal, (reason) => {
        this.#unasked.delete(asked);
        reject(reason);
      });
      const settle = (error: IotkitError | undefined): void => {
        stop();
        if (error === undefined) {
          resolve(subscription);
        } else {
          reject(error);
          void subscription.return();
        }
      };
      const asked: Asked = { subscription, settle };
      if (this.#isConnected) this.#ask(asked);
      else this.#unasked.add(asked);
    });
  }

  /** How many were not answered yet. */
  get asked(): number {
    return this.#asked.size;
  }

  /** The broker's answer; false: it concerns none of ours. */
  onSubscribed(packetId: number, qos: number, error: IotkitError | undefined): boolean {
    const asked = this.#asked.get(packetId);
    if (asked === undefined) return error !== undefined && this.#refusedLater(error);
    this.#asked.delete(packetId);
    for (const { subscription, settle } of asked) {
      subscription.qos = qos as Qos;
      settle(error);
    }
    return true;
  }

  /** As native/device/messaging.h describes it. */
  onMessages(heads: ArrayBuffer, topics: readonly string[], payloads: ArrayBuffer): void {
    const words = new Uint32Array(heads);
    let offset = 0;
    for (let i = 0; i < words.length; i += HEAD_WORDS) {
      const length = words[i + 3] as number;
      const id = words[i] as number;
      const subscription = this.#all.get(id);
      if (subscription !== undefined || (id === UNCLAIMED && this.#keepsUnclaimed)) {
        const payload = new Uint8Array(payloads.slice(offset, offset + length));
        const topic = topics[words[i + 2] as number] as string;
        const message = new ReceivedMessage(topic, payload, words[i + 1] as number);
        if (subscription !== undefined) subscription.push(message);
        else this.#keepUnclaimed(message);
      }
      offset += length;
    }
  }

  connected(): void {
    this.#isConnected = true;
    for (const asked of this.#unasked) {
      this.#unasked.delete(asked);
      this.#ask(asked);
    }
  }

  disconnected(): void {
    this.#isConnected = false;
  }

  /**
   * Something that waits for an answer of the broker begins or ends: meanwhile reading is never held,
   * or whoever waits before taking the next message would wait for ever.
   */
  await(count: 1 | -1): void {
    this.#awaited += count;
    this.#hold();
  }

  /** Those that wait for an answer are rejected, the others end with what waits. */
  close(error: IotkitError): void {
    this.#isClosed = true;
    const waiting = [...this.#unasked, ...[...this.#asked.values()].flat()];
    this.#unasked.clear();
    this.#asked.clear();
    for (const { settle } of waiting) settle(error);
    for (const subscription of this.#all.values()) subscription.end();
  }

  #keepUnclaimed(message: Message): void {
    this.#unclaimed.push(message);
    let bytes = 0;
    for (let i = this.#unclaimed.length; i-- > 0; ) {
      bytes += (this.#unclaimed[i] as Message).payload.length;
      const isOver = this.#unclaimed.length - i > UNCLAIMED_MAX || bytes > HIGH_WATER_BYTES;
      if (!isOver) continue;
      this.#unclaimed.splice(0, i + 1);
      return;
    }
  }

  #claim(subscription: SubscriptionFeed): void {
    const isWanted = ({ topic }: Message): boolean => filterMatches(subscription.filter, topic);
    for (const message of this.#unclaimed.filter(isWanted)) subscription.push(message);
    this.#unclaimed = this.#unclaimed.filter((message) => !isWanted(message));
  }

  #ask(asked: Asked): void {
    const { id, filter, wanted } = asked.subscription;
    if (!this.#all.has(id)) return;
    const rc = this.#host.subscribe(id, filter, wanted);
    if (rc < 0) {
      asked.settle(IotkitError.fromErrno(rc, filter));
    } else if (rc === 0) {
      // The connection has just gone, and its answer would come under a number that we do not know.
      this.#host.unsubscribe(id);
      this.#unasked.add(asked);
    } else {
      const others = this.#asked.get(rc) ?? [];
      this.#asked.set(rc, [...others, asked]);
    }
  }

  /** After another connect: those of the filter end with the error. */
  #refusedLater(error: IotkitError): boolean {
    if (error.code !== 'ERR_MQTT_SUBSCRIBE') return false;
    const refused = [...this.#all.values()].filter(({ filter }) => filter === error.detail);
    for (const subscription of refused) subscription.fail(error);
    return refused.length > 0;
  }

  #remove(subscription: SubscriptionFeed): void {
    this.#all.delete(subscription.id);
    if (!this.#isClosed) this.#host.unsubscribe(subscription.id);
  }

  #mark(subscription: SubscriptionFeed, isFull: boolean): void {
    if (isFull) this.#full.add(subscription);
    else this.#full.delete(subscription);
    this.#hold();
  }

  #hold(): void {
    const held = this.#full.size > 0 && this.#awaited === 0;
    if (held === this.#isHeld) return;
    this.#isHeld = held;
    this.#host.holdReading(held);
  }
}
