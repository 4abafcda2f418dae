/** The subscriptions of a device: asking the broker for them, once or after each connect. */
import { IotkitError } from '../base/errors';
import { whenAborted } from '../base/signals';
import type { Qos } from './arguments';
import { type Asked, Inbox } from './inbox';
import { SubscriptionFeed, type TopicSubscription } from './subscription-feed';

/** What the addon does for them. */
export interface SubscriptionsHost {
  /** The packet id, 0: it goes out with the next connection; negative: the error. */
  subscribe(id: number, filter: string, qos: number): number;
  unsubscribe(id: number): void;
  /** The connection asks the broker again by itself after each connect. Default true. */
  readonly restores?: boolean;
  /** Nothing is read while it is held. */
  holdReading(held: boolean): void;
}

/** All of a device. */
export class Subscriptions {
  readonly #host: SubscriptionsHost;
  readonly #inbox: Inbox;
  /** What follows an answer of the broker. */
  readonly #own = new Map<SubscriptionFeed, Asked>();
  /** To be asked for with the next connection. */
  readonly #unasked = new Set<Asked>();
  readonly #restores: boolean;
  #isConnected = false;
  #isClosed = false;

  /** @param inbox that of the connection, which several devices may share */
  constructor(
    host: SubscriptionsHost,
    keepsUnclaimed: boolean,
    inbox = new Inbox((held) => host.holdReading(held), keepsUnclaimed),
  ) {
    this.#host = host;
    this.#inbox = inbox;
    this.#restores = host.restores ?? true;
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
      id: this.#inbox.nextId(),
      filter,
      qos,
      highWaterMark,
      signal,
      onEnd: (ended) => this.#remove(ended),
      onMark: (marked, isFull) => this.#inbox.mark(marked, isFull),
    });
    this.#inbox.add(subscription);
    return new Promise((resolve, reject) => {
      const stop = whenAborted(signal, (reason) => {
        this.#unasked.delete(asked);
        reject(reason);
      });
      const settle = (error: IotkitError | undefined): void => {
        stop();
        if (error === undefined) {
          this.#granted(subscription);
          resolve(subscription);
        } else {
          reject(error);
          void subscription.return();
        }
      };
      const asked: Asked = { subscription, settle };
      this.#own.set(subscription, asked);
      if (this.#isConnected) this.#ask(asked);
      else this.#unasked.add(asked);
    });
  }

  /** How many were not answered yet. */
  get asked(): number {
    return this.#inbox.asked;
  }

  /** As {@link Inbox.onSubscribed}. */
  onSubscribed(packetId: number, qos: number, error: IotkitError | undefined): boolean {
    return this.#inbox.onSubscribed(packetId, qos, error);
  }

  /** As {@link Inbox.onMessages}. */
  onMessages(heads: ArrayBuffer, topics: readonly string[], payloads: ArrayBuffer): void {
    this.#inbox.onMessages(heads, topics, payloads);
  }

  /** As {@link Inbox.await}. */
  await(count: 1 | -1): void {
    this.#inbox.await(count);
  }

  connected(): void {
    this.#isConnected = true;
    const unasked = [...this.#unasked];
    this.#unasked.clear();
    // What cannot be asked for now comes back into the set, for the next connection.
    for (const asked of unasked) this.#ask(asked);
  }

  disconnected(): void {
    this.#isConnected = false;
    if (this.#restores) return;
    this.#takeAsked();
    for (const asked of this.#own.values()) this.#unasked.add(asked);
  }

  /** Those that wait for an answer are rejected, the others end with what waits. */
  close(error: IotkitError): void {
    this.#isClosed = true;
    const waiting = [...this.#unasked, ...this.#takeAsked()];
    this.#unasked.clear();
    for (const { settle } of waiting) settle(error);
    for (const subscription of [...this.#own.keys()]) {
      subscription.end();
      // The connection goes on for others.
      if (!this.#restores) this.#inbox.remove(subscription);
    }
  }

  #takeAsked(): Asked[] {
    return this.#inbox.takeAsked(({ subscription }) => this.#own.has(subscription));
  }

  /** From now on, an error ends the iteration. */
  #granted(subscription: SubscriptionFeed): void {
    if (!this.#own.has(subscription)) return; // aborted meanwhile
    const settle = (error: IotkitError | undefined): void => {
      if (error !== undefined && !this.#isClosed) subscription.fail(error);
    };
    this.#own.set(subscription, { subscription, settle });
  }

  #ask(asked: Asked): void {
    const { id, filter, wanted } = asked.subscription;
    if (!this.#inbox.has(asked.subscription)) return;
    const rc = this.#host.subscribe(id, filter, wanted);
    if (rc < 0) {
      asked.settle(IotkitError.fromErrno(rc, filter));
    } else if (rc === 0) {
      // The connection has just gone, and its answer would come under a number that we do not know.
      this.#host.unsubscribe(id);
      this.#unasked.add(asked);
    } else {
      this.#inbox.ask(rc, asked);
    }
  }

  #remove(subscription: SubscriptionFeed): void {
    const asked = this.#own.get(subscription);
    if (asked !== undefined) this.#unasked.delete(asked);
    this.#own.delete(subscription);
    this.#inbox.remove(subscription);
    if (!this.#isClosed) this.#host.unsubscribe(subscription.id);
  }
}
