// Tested by test/unit/messaging/subscriptions.test.ts
/** What a connection receives for its subscriptions, those of all devices that it carries. */
import type { IotkitError } from '../base/errors';
import { filterMatches, type Qos } from './arguments';
import { type Message, ReceivedMessage } from './message';
import { HIGH_WATER_BYTES, type SubscriptionFeed } from './subscription-feed';

/** The id of no subscription. */
const UNCLAIMED = 0;
const UNCLAIMED_MAX = 1_000;
const HEAD_WORDS = 4;

/** A subscription that the broker has been asked for. */
export interface Asked {
  readonly subscription: SubscriptionFeed;
  readonly settle: (error: IotkitError | undefined) => void;
}

export class Inbox {
  readonly #holdReading: (held: boolean) => void;
  readonly #all = new Map<number, SubscriptionFeed>();
  /** Not answered yet, by their packet ids; those of one filter may share it. */
  readonly #asked = new Map<number, Asked[]>();
  readonly #full = new Set<SubscriptionFeed>();
  /** What the broker has kept for the session, until it is subscribed; the oldest are dropped. */
  #unclaimed: Message[] = [];
  readonly #keepsUnclaimed: boolean;
  #lastId = 0;
  #isHeld = false;
  #awaited = 0;

  /** @param holdReading nothing is read while it is held */
  constructor(holdReading: (held: boolean) => void, keepsUnclaimed: boolean) {
    this.#holdReading = holdReading;
    this.#keepsUnclaimed = keepsUnclaimed;
  }

  nextId(): number {
    this.#lastId += 1;
    return this.#lastId;
  }

  add(subscription: SubscriptionFeed): void {
    this.#all.set(subscription.id, subscription);
    this.#claim(subscription);
  }

  has(subscription: SubscriptionFeed): boolean {
    return this.#all.has(subscription.id);
  }

  remove(subscription: SubscriptionFeed): void {
    this.#all.delete(subscription.id);
  }

  /** How many were not answered yet. */
  get asked(): number {
    return this.#asked.size;
  }

  /** The broker was asked, and answers to this packet. */
  ask(packetId: number, asked: Asked): void {
    const others = this.#asked.get(packetId) ?? [];
    this.#asked.set(packetId, [...others, asked]);
  }

  /** No answer will come to those that `isLost` says. Returns them. */
  takeAsked(isLost: (asked: Asked) => boolean): Asked[] {
    const lost: Asked[] = [];
    for (const [packetId, all] of this.#asked) {
      const kept = all.filter((asked) => !isLost(asked));
      lost.push(...all.filter(isLost));
      if (kept.length > 0) this.#asked.set(packetId, kept);
      else this.#asked.delete(packetId);
    }
    return lost;
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
    const bytes = new Uint8Array(payloads);
    let offset = 0;
    for (let i = 0; i < words.length; i += HEAD_WORDS) {
      const length = words[i + 3] as number;
      const id = words[i] as number;
      const subscription = this.#all.get(id);
      if (subscription !== undefined || (id === UNCLAIMED && this.#keepsUnclaimed)) {
        // Memory of its own: a view would keep the whole batch for as long as one payload is kept.
        const payload = bytes.slice(offset, offset + length);
        const topic = topics[words[i + 2] as number] as string;
        const message = new ReceivedMessage(topic, payload, words[i + 1] as number);
        if (subscription !== undefined) subscription.push(message);
        else this.#takeUnclaimed(message);
      }
      offset += length;
    }
  }

  /**
   * Something that waits for an answer of the broker begins or ends: meanwhile reading is never held,
   * or whoever waits before taking the next message would wait for ever.
   */
  await(count: 1 | -1): void {
    this.#awaited += count;
    this.#hold();
  }

  mark(subscription: SubscriptionFeed, isFull: boolean): void {
    if (isFull) this.#full.add(subscription);
    else this.#full.delete(subscription);
    this.#hold();
  }

  /** It came before the addon knew of a subscription for it; there may be one by now. */
  #takeUnclaimed(message: Message): void {
    const takers = [...this.#all.values()].filter(({ filter }) =>
      filterMatches(filter, message.topic),
    );
    for (const subscription of takers) subscription.push(message);
    if (takers.length === 0) this.#keepUnclaimed(message);
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

  /** After another connect: those of the filter end with the error. */
  #refusedLater(error: IotkitError): boolean {
    if (error.code !== 'ERR_MQTT_SUBSCRIBE') return false;
    const refused = [...this.#all.values()].filter(({ filter }) => filter === error.detail);
    for (const subscription of refused) subscription.fail(error);
    return refused.length > 0;
  }

  #hold(): void {
    const held = this.#full.size > 0 && this.#awaited === 0;
    if (held === this.#isHeld) return;
    this.#isHeld = held;
    this.#holdReading(held);
  }
}
