/**
 * This room is what a program sends and receives over its device's connection. messaging.ts is its
 * face: it checks arguments and hands them on. outbox.ts sends, at the rate of pacer.ts;
 * subscriptions.ts asks the broker, subscription-feed.ts receives; requests.ts and rpc.ts are made of
 * both. line.ts, flights.ts and inbox.ts are what all devices of one connection share. message.ts is what was received;
 * arguments.ts and options.ts check. It may import base, options and addon; of the device it knows
 * {@link MessagingHost}.
 */
import type { NativeDevice } from '../addon/binding';
import {
  abortSignal,
  callback,
  options as checkOptions,
  flag,
  integer,
  orElse,
  wrongType,
} from '../base/arguments';
import { IotkitError } from '../base/errors';
import type { Subscription } from '../base/listeners';
import { throwIfAborted } from '../base/signals';
import {
  checkCalledTopic,
  checkFilter,
  checkPayload,
  checkQos,
  checkSuffix,
  checkTopic,
  type Payload,
  type Qos,
} from './arguments';
import { MessageLine } from './line';
import type { CheckedMessages } from './options';
import { Outbox } from './outbox';
import { type Reply, type RequestBody, Requests } from './requests';
import { answerCalls, callsTo, type RpcHandler, systemCalls } from './rpc';
import type { TopicSubscription } from './subscription-feed';
import { Subscriptions, type SubscriptionsHost } from './subscriptions';

/** What `device.publish()` takes. */
export interface PublishOptions {
  /** Default 0. The platform takes 0 and 1, other brokers 2 as well. */
  readonly qos?: Qos | undefined;
  /** The broker keeps it for those who subscribe later. Default false; not with the platform. */
  readonly retain?: boolean | undefined;
  /**
   * Ends the wait; its reason is what the call rejects with. A message that has been handed to the
   * connection by then is sent all the same.
   */
  readonly signal?: AbortSignal | undefined;
}

/** What `device.subscribe()` takes. */
export interface SubscribeOptions {
  /** The highest QoS with which messages are delivered. Default 0. With the platform 0 and 1. */
  readonly qos?: Qos | undefined;
  /** Ends the wait, and later the iteration, by throwing its reason. */
  readonly signal?: AbortSignal | undefined;
  /**
   * From so many messages that wait on, or 4 MiB of payload, nothing is read from the connection
   * until half of them are taken, so that the broker is pushed back; 1-100,000, default 1,000. What
   * was received by then is still added: some hundred messages at most.
   */
  readonly highWaterMark?: number | undefined;
}

/** What `device.request()` takes. */
export interface RequestOptions {
  /** Where the reply comes. Default: the topic and `_reply`. */
  readonly replyTopic?: string | undefined;
  /** Milliseconds to wait for the reply, 1-3,600,000. Default 10,000. */
  readonly timeout?: number | undefined;
  /** Ends the wait; its reason is what the call rejects with. */
  readonly signal?: AbortSignal | undefined;
}

/** What `device.onRpc()` takes. */
export interface RpcOptions {
  /**
   * Calls to this topic (custom RRPC): needs `connect({ messages: { customRpc: true } })`. Default: calls to
   * the device itself (system RRPC).
   */
  readonly topic?: string | undefined;
}

/** @internal What it needs of its device. */
export interface MessagingHost {
  readonly productKey: string;
  readonly deviceName: string;
  /** Keeps the process alive until `operation` has settled. */
  holdWhile<T>(operation: Promise<T>): Promise<T>;
  /** Hears of an error that nobody awaits. */
  onLostError(error: IotkitError): void;
}

const DEFAULT_REQUEST_TIMEOUT_MS = 10_000;
const DEFAULT_HIGH_WATER_MARK = 1_000;
const noOptions: PublishOptions = {};
/** What each publish() returns that has nothing to wait for: no promise of its own for each message. */
const handedOver = Promise.resolve();

/** @internal The messages of a device. */
export class Messaging {
  readonly #device: MessagingHost;
  readonly #options: CheckedMessages;
  readonly #outbox: Outbox;
  readonly #subscriptions: Subscriptions;
  readonly #requests: Requests;
  #closed: IotkitError | undefined;

  /** @param line that of the connection, which several devices may share */
  constructor(
    device: MessagingHost,
    native: Pick<NativeDevice, 'publish'> & SubscriptionsHost,
    options: CheckedMessages,
    line = new MessageLine(native, options),
  ) {
    this.#device = device;
    this.#options = options;
    this.#outbox = new Outbox(
      ({ topic, payload, qos, retain }) => native.publish(topic, payload, qos, retain),
      options,
      (qos) => line.pacer.take(qos),
      line.flights,
    );
    this.#subscriptions = new Subscriptions(native, options.isPersistent, line.inbox);
    this.#requests = new Requests({
      subscribe: (topic) => this.subscribe(topic),
      publish: (topic, payload) => this.publish(topic, payload),
    });
  }

  topic(suffix: string): string {
    const { productKey, deviceName } = this.#device;
    return `/${productKey}/${deviceName}/${checkSuffix('suffix', suffix)}`;
  }

  publish(topic: string, payload: Payload, options?: PublishOptions): Promise<void> {
    try {
      const outcome = this.#publish(topic, payload, options);
      return outcome === undefined ? handedOver : this.#answered(outcome);
    } catch (refusal) {
      return Promise.reject(refusal);
    }
  }

  /** undefined: it was handed over, and nothing follows. */
  #publish(topic: string, payload: Payload, options = noOptions): Promise<void> | undefined {
    const given = options === noOptions ? noOptions : checkPublish(options);
    const publication = {
      topic: checkTopic('topic', topic),
      payload: checkPayload('payload', payload),
      qos: checkQos('qos', orElse(given.qos, 0)),
      retain: flag('retain', orElse(given.retain, false)),
    };
    const signal = abortSignal('signal', given.signal);
    if (publication.qos === 2) this.#refuseOnPlatform('QoS 2');
    if (publication.retain) this.#refuseOnPlatform('retained messages');
    throwIfAborted(signal);
    return this.#outbox.publish(publication, signal);
  }

  async subscribe(filter: string, options?: SubscribeOptions): Promise<TopicSubscription> {
    const given = checkOptions('options', options, ['qos', 'signal', 'highWaterMark']);
    const of = checkFilter('filter', filter);
    const qos = checkQos('qos', orElse(given.qos, 0));
    const signal = abortSignal('signal', given.signal);
    const mark = integer('highWaterMark', orElse(given.highWaterMark, DEFAULT_HIGH_WATER_MARK), {
      min: 1,
      max: 100_000,
    });
    if (qos === 2) this.#refuseOnPlatform('QoS 2');
    throwIfAborted(signal);
    if (this.#closed !== undefined) throw this.#closed;
    return this.#answered(this.#subscriptions.add(of, qos, mark, signal));
  }

  async request(topic: string, body: RequestBody, options?: RequestOptions): Promise<Reply> {
    const given = checkOptions('options', options, ['replyTopic', 'timeout', 'signal']);
    const to = checkTopic('topic', topic);
    const from = checkTopic('replyTopic', orElse(given.replyTopic, `${to}_reply`));
    if (typeof body !== 'object' || body === null || Array.isArray(body)) {
      throw wrongType('body', 'an object', body);
    }
    const timeoutMs = integer('timeout', orElse(given.timeout, DEFAULT_REQUEST_TIMEOUT_MS), {
      min: 1,
      max: 3_600_000,
    });
    const signal = abortSignal('signal', given.signal);
    throwIfAborted(signal);
    if (this.#closed !== undefined) throw this.#closed;
    return this.#answered(this.#requests.send(to, from, body, timeoutMs, signal));
  }

  async onRpc(handler: RpcHandler, options?: RpcOptions): Promise<Subscription> {
    callback('handler', handler);
    const { topic } = checkOptions('options', options, ['topic']);
    if (topic !== undefined && !this.#options.customRpc) {
      const detail = 'calls to a topic need connect({ messages: { customRpc: true } })';
      throw new IotkitError('ERR_UNSUPPORTED', detail);
    }
    const { productKey, deviceName } = this.#device;
    const topics =
      topic === undefined
        ? systemCalls(productKey, deviceName)
        : callsTo(checkCalledTopic('topic', topic));
    const calls = await this.subscribe(topics.filter);
    const answer = (to: string, payload: Payload): Promise<void> => this.publish(to, payload);
    answerCalls(calls, topics, handler, answer).catch((error) => this.#device.onLostError(error));
    const off = (): void => void calls.return();
    return { off, [Symbol.dispose]: off };
  }

  /** false: it answers no message of the program. */
  onPublished(packetId: number, errno: number, detail: string): boolean {
    const error = errno === 0 ? undefined : IotkitError.fromErrno(errno, detail);
    return this.#outbox.settle(packetId, error);
  }

  /** false: it answers no subscription of the program. */
  onSubscribed(packetId: number, qos: number, error: IotkitError | undefined): boolean {
    return this.#subscriptions.onSubscribed(packetId, qos, error);
  }

  onMessages(heads: ArrayBuffer, topics: readonly string[], payloads: ArrayBuffer): void {
    this.#subscriptions.onMessages(heads, topics, payloads);
  }

  onConnected(): void {
    this.#subscriptions.connected();
    this.#outbox.connected();
  }

  onDisconnected(): void {
    this.#subscriptions.disconnected();
    this.#outbox.disconnected();
  }

  /** What waits is rejected with `error`; what was handed over may be acknowledged until the end. */
  close(error: IotkitError): void {
    this.#closed = error;
    this.#requests.close(error);
    this.#subscriptions.close(error);
    this.#outbox.close(error);
  }

  /** The connection is gone. */
  onClosed(): void {
    this.#outbox.end();
  }

  async #answered<T>(operation: Promise<T>): Promise<T> {
    this.#subscriptions.await(1);
    try {
      return await this.#device.holdWhile(operation);
    } finally {
      this.#subscriptions.await(-1);
    }
  }

  #refuseOnPlatform(what: string): void {
    if (!this.#options.isPlatform) return;
    throw new IotkitError('ERR_UNSUPPORTED', `${what}: the platform has none on MQTT 3.1.1`);
  }
}

function checkPublish(options: PublishOptions): PublishOptions {
  return checkOptions('options', options, ['qos', 'retain', 'signal']);
}
