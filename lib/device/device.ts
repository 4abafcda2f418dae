// Tested by test/integration/device.test.ts
/**
 * This room makes and holds a device: connect-options.ts checks, connect.ts opens, device.ts is the
 * connection and hands native events to its parts; states.ts and events.ts type what is told,
 * process.ts holds what concerns the whole process. It may import every room but sdk.
 */
import { inspect } from 'node:util';
import type { DeviceListener, NativeDevice, NativeReading } from '../addon/binding';
import { abortSignal, callback, options as checkOptions, oneOf } from '../base/arguments';
import { inThisContext } from '../base/context';
import { publish } from '../base/diagnostics';
import { IotkitError } from '../base/errors';
import { Feed, type Iteration } from '../base/feed';
import { callBack, Listeners, type Subscription } from '../base/listeners';
import { RemoteConfig } from '../config/remote-config';
import type { Payload } from '../messaging/arguments';
import {
  Messaging,
  type PublishOptions,
  type RequestOptions,
  type RpcOptions,
  type SubscribeOptions,
} from '../messaging/messaging';
import type { CheckedMessages } from '../messaging/options';
import type { Reply, RequestBody } from '../messaging/requests';
import type { RpcHandler } from '../messaging/rpc';
import type { TopicSubscription } from '../messaging/subscriptions';
import type { VersionRules } from '../options/verify';
import type { RunEventMap, UpgradeEventMap } from '../ota/events';
import { Ota } from '../ota/ota';
import { ClockWatch, type WrongClock } from '../time/clock-watch';
import {
  checkTimeOptions,
  type PlatformTime,
  type TimeOptions,
  TimeRequests,
} from '../time/platform-time';
import { type DeviceState, type StateChange, type StatesOptions, stateNames } from './states';

/** What {@link Device.on} hands to listeners, by event. */
export interface DeviceEventMap extends UpgradeEventMap {
  /** The state of the connection has changed. */
  readonly state: StateChange;
  /** This machine's clock is wrong by more than a minute, or a certificate suggests it. */
  readonly clock: WrongClock;
}

const eventNames = ['upgrade', 'state', 'refused', 'clock'] as const satisfies ReadonlyArray<
  keyof DeviceEventMap
>;
/** Of the answer to a subscription. */
const subscriptionErrors: ReadonlySet<string> = new Set(['ERR_MQTT_SUBSCRIBE', 'ERR_TIMEOUT']);

/** What a device keeps to. */
interface DeviceRules {
  readonly verify: VersionRules;
  readonly messages: CheckedMessages;
}

/** A feed of states, and the change it has not handed out yet. */
interface StateView {
  pending: StateChange | undefined;
  readonly feed: Feed<StateChange>;
}

/**
 * A device on the platform: one MQTT connection that restores itself. Made by {@link connect} and
 * {@link open}.
 *
 * A connected device keeps the process alive, like a socket; {@link Device.unref} changes that.
 */
export class Device {
  /** Version reports, upgrades and progress. */
  readonly ota: Ota;
  /** Remote configuration. */
  readonly config: RemoteConfig;
  /** The key of its product, as given. */
  readonly productKey: string;
  /** Its name within the product, as given. */
  readonly deviceName: string;
  /**
   * Resolves when the device is closed: with undefined after {@link Device.close}, or with why the
   * connection was given up for good, which only happens when the machine has no means left. Never
   * rejects.
   */
  readonly closed: Promise<IotkitError | undefined>;

  /** @internal */
  readonly listeners = new Listeners<DeviceEventMap & RunEventMap>();

  readonly #native: NativeDevice;
  readonly #time: TimeRequests;
  readonly #clock = new ClockWatch((wrong) => this.listeners.emit('clock', wrong));
  readonly #setCertificateTime: ((reading: NativeReading) => void) | undefined;
  #connects = 0;
  readonly #messaging: Messaging;
  readonly #views = new Set<StateView>();
  readonly #gone: Promise<void>;
  #resolveGone: () => void = () => {};
  #ended: Promise<void> = Promise.resolve();
  /** Why the client gave up; undefined: it did not. */
  #reason: IotkitError | undefined;
  #change: StateChange = { state: 'connecting', error: undefined, needsOperator: false };
  #referenced = true;
  #operations = 0;

  /**
   * @internal `openNative` opens the connection; it throws what its options cause.
   * `setCertificateTime`: the platform's time is asked for after each connect, and goes there.
   */
  constructor(
    { productKey, deviceName }: Pick<Device, 'productKey' | 'deviceName'>,
    { verify, messages }: DeviceRules,
    openNative: (listener: DeviceListener) => NativeDevice,
    setCertificateTime?: (reading: NativeReading) => void,
  ) {
    this.productKey = productKey;
    this.deviceName = deviceName;
    this.#gone = new Promise((resolve) => {
      this.#resolveGone = resolve;
    });
    this.closed = this.#gone.then(() => this.#ended).then(() => this.#reason);
    this.#native = openNative(inThisContext(this.#listener()));
    this.ota = new Ota(this, this.#native, verify);
    this.config = new RemoteConfig(this, this.#native);
    this.#setCertificateTime = setCertificateTime;
    this.#time = new TimeRequests(this, this.#native, (reading) => {
      setCertificateTime?.(reading);
      this.#clock.measured(reading);
    });
    this.listeners.add('runEnd', ({ failure }) => this.#clock.failed(failure?.reason));
    this.#messaging = new Messaging(this, this.#native, messages, {
      asksForBlocks: () => this.ota.asksForBlocks(),
      takeTurn: () => this.ota.takeTurn(),
    });
  }

  /** The present state of the connection. */
  get state(): DeviceState {
    return this.#change.state;
  }

  /** Why it is in this state: see {@link StateChange}. */
  get error(): IotkitError | undefined {
    return this.#change.error;
  }

  /**
   * The present state and each change after it, until `closed`, which is the last. A slow consumer
   * sees only the latest.
   *
   * @throws InvalidArgument
   */
  states(options?: StatesOptions): Iteration<StateChange> {
    const { signal } = checkOptions('options', options, ['signal']);
    const view: StateView = {
      pending: this.#change,
      feed: new Feed<StateChange>({
        take: () => {
          const change = view.pending;
          view.pending = undefined;
          return change;
        },
        detach: () => this.#views.delete(view),
        signal: abortSignal('signal', signal),
      }),
    };
    this.#views.add(view);
    if (this.state === 'closed') view.feed.end();
    return view.feed;
  }

  /**
   * Asks the platform what time it is, as NTP does, by several messages over this connection, of
   * which the one with the shortest way counts. Nothing is set: what to do with it is the program's.
   * Without a connection it waits for one. If this machine's clock is wrong by more than a minute,
   * the event `clock` says so.
   *
   * @throws {@link InvalidArgument}; {@link IotkitError} `ERR_TIMEOUT` (no answer, or no connection),
   *   `ERR_NOTICE_JSON` and `ERR_NOTICE_FIELD` (no answer that could be read), `ERR_CLOSED`; the
   *   signal's reason.
   *
   * @example
   * const { time, offset, uncertainty } = await device.time();
   * console.log(new Date(time).toISOString(), `${offset} ms ahead, ±${uncertainty}`);
   */
  async time(options?: TimeOptions): Promise<PlatformTime> {
    return this.#time.ask(checkTimeOptions(options));
  }

  /**
   * Calls `listener` for each event until the subscription is ended: by its `off()`, by `using`, or
   * by closing the device.
   *
   * - `upgrade`: an upgrade is offered, those first that wait already. Several listeners all get it,
   *   and so does whoever iterates over {@link Ota.upgrades}: it is one object, which one of them
   *   consumes.
   * - `state`: each change of the connection
   * - `refused`: an error that nobody awaits, see {@link DeviceEventMap}
   * - `clock`: this machine's clock is wrong by more than a minute, as {@link Device.time} has found,
   *   or a certificate is not valid yet; once for each connection
   *
   * What a listener throws is an uncaught exception; it disturbs nothing else.
   *
   * @throws {@link InvalidArgument}
   *
   * @example
   * device.on('refused', (error) => console.warn(error.message));
   */
  on<E extends keyof DeviceEventMap>(
    event: E,
    listener: (value: DeviceEventMap[E]) => void,
  ): Subscription {
    oneOf('event', event, eventNames);
    let call: typeof listener | undefined = callback('listener', listener);
    const { off } = this.listeners.add(event, (value) => call?.(value));
    const replay = (upgrade: DeviceEventMap[E]): void => callBack((it) => call?.(it), upgrade);
    if (event === 'upgrade') {
      const waiting = this.ota.waiting() as ReadonlyArray<DeviceEventMap[E]>;
      queueMicrotask(() => waiting.forEach(replay));
    }
    const end = (): void => {
      call = undefined;
      off();
    };
    return { off: end, [Symbol.dispose]: end };
  }

  /**
   * The full name of a topic under the device's own prefix: `topic('user/get')` is
   * `/{productKey}/{deviceName}/user/get`. Wildcards are allowed, for filters.
   *
   * @throws {@link InvalidArgument}; {@link IotkitError} `ERR_MQTT_TOPIC`.
   */
  topic(suffix: string): string {
    return this.#messaging.topic(suffix);
  }

  /**
   * Publishes a message. With QoS 0 it resolves when the message has been handed to the connection,
   * with QoS 1 and 2 when the broker has acknowledged it, even if the connection was lost meanwhile.
   * Without a connection, or while it is too slow, messages wait in order (those of QoS 0 and the
   * others each by themselves): see {@link MessagesOptions}.
   *
   * With QoS 2 it arrives exactly once however often the connection drops, as long as the broker keeps
   * the session: `cleanSession: false`.
   *
   * @throws {@link InvalidArgument}; {@link IotkitError} `ERR_MQTT_TOPIC`, `ERR_UNSUPPORTED` (QoS 2 or
   *   `retain` with the platform), `ERR_NOT_CONNECTED` (only with `offline: 'refuse'`),
   *   `ERR_QUEUE_FULL`, `ERR_MQTT_PACKET_TOO_LARGE` (over 257 KiB with its topic), `ERR_CLOSED`; the
   *   signal's reason.
   *
   * @example
   * await device.publish(device.topic('user/update'), JSON.stringify({ on: true }), { qos: 1 });
   */
  publish(topic: string, payload: Payload, options?: PublishOptions): Promise<void> {
    return this.#messaging.publish(topic, payload, options);
  }

  /**
   * Subscribes a topic filter, and resolves when the broker has granted it: at once, or after the next
   * connect. Each subscription gets its own messages, also where filters are the same or overlap.
   * What the device's OTA subscribes can be subscribed as well; neither disturbs the other.
   *
   * @throws {@link InvalidArgument}; {@link IotkitError} `ERR_MQTT_TOPIC`, `ERR_MQTT_SUBSCRIBE` (the
   *   broker refuses it; where it does so after another connect, the iteration throws it),
   *   `ERR_TIMEOUT`, `ERR_UNSUPPORTED` (QoS 2 with the platform), `ERR_QUEUE_FULL`, `ERR_CLOSED`; the
   *   signal's reason.
   *
   * @example
   * await using commands = await device.subscribe(device.topic('user/get'), { qos: 1 });
   * for await (const message of commands) console.log(message.topic, message.json());
   */
  subscribe(filter: string, options?: SubscribeOptions): Promise<TopicSubscription> {
    return this.#messaging.subscribe(filter, options);
  }

  /**
   * Sends a request of the platform's envelope, and resolves with its reply: `{"id", "version": "1.0"}` and
   * what `body` says (`params`, `method`) is published with QoS 0 to `topic`; the reply is the message on
   * `topic` and `_reply` with the same id, whose code is 200. That topic stays subscribed until the
   * device closes.
   *
   * @throws {@link InvalidArgument}; {@link IotkitError} `ERR_NOTICE_CODE` (the reply has another code;
   *   the detail is code and message), `ERR_TIMEOUT`, `ERR_CLOSED`, the errors of
   *   {@link Device.publish} and {@link Device.subscribe}; the signal's reason.
   *
   * @example
   * const topic = `/sys/${device.productKey}/${device.deviceName}/thing/event/property/post`;
   * await device.request(topic, { method: 'thing.event.property.post', params: { on: true } });
   */
  request(topic: string, body: RequestBody, options?: RequestOptions): Promise<Reply> {
    return this.#messaging.request(topic, body, options);
  }

  /**
   * Answers calls of the platform (RRPC), each with what `handler` returns: calls to the device itself,
   * or with `topic` to that topic. Resolves when they are subscribed. The platform waits at most 8 s for
   * an answer. What the handler throws is an uncaught exception, and that call gets no answer.
   *
   * @throws {@link InvalidArgument}; {@link IotkitError} `ERR_UNSUPPORTED` (a `topic` without
   *   `customRpc`), the errors of {@link Device.subscribe}.
   *
   * @example
   * await device.onRpc((call) => JSON.stringify({ uptime: process.uptime(), asked: call.json() }));
   */
  onRpc(handler: RpcHandler, options?: RpcOptions): Promise<Subscription> {
    return this.#messaging.onRpc(handler, options);
  }

  /** @internal A version report has been handed to the connection. */
  onReportSent(): void {
    this.#messaging.onReportSent();
  }

  /** @internal An error that nobody awaits. */
  onLostError(error: IotkitError): void {
    this.ota.onRefused(error, '');
  }

  /** Lets the connection keep the process alive (the default). Returns the device. */
  ref(): this {
    this.#referenced = true;
    this.#hold();
    return this;
  }

  /**
   * The connection alone no longer keeps the process alive; running operations do. Returns the
   * device.
   */
  unref(): this {
    this.#referenced = false;
    this.#hold();
    return this;
  }

  /**
   * Sends what is queued, awaits its acknowledgements, then sends DISCONNECT and waits for the
   * broker to end the connection. Running downloads are cancelled and everything that waits is
   * rejected with `ERR_CLOSED`. Resolves when the connection is gone, at most 2 s later. May be
   * called again.
   */
  async close(): Promise<void> {
    if (this.state !== 'closing' && this.state !== 'closed') {
      this.#enter('closing');
      const reason = new IotkitError('ERR_CLOSED', 'the device was closed');
      this.#messaging.close(reason);
      this.#time.close(reason);
      const ended = [this.ota.shutdown(reason), this.config.shutdown(reason)];
      this.#ended = Promise.all(ended).then(() => {});
      this.#native.close();
    }
    await this.closed;
  }

  /** As {@link Device.close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** @internal Not declared, so that users need no types of Node's. */
  [inspect.custom](): string {
    return `Device { ${this.productKey}/${this.deviceName}, ${this.state} }`;
  }

  /** @internal Keeps the process alive until `operation` has settled. */
  async holdWhile<T>(operation: Promise<T>): Promise<T> {
    this.#operations += 1;
    this.#hold();
    try {
      return await operation;
    } finally {
      this.#operations -= 1;
      this.#hold();
    }
  }

  #hold(): void {
    if (this.state === 'closing' || this.state === 'closed') return;
    if (this.#referenced || this.#operations > 0) this.#native.ref();
    else this.#native.unref();
  }

  /** What the addon calls; without `this`. */
  #listener(): DeviceListener {
    return {
      onState: (state, errno, detail, connects) => this.#onState(state, errno, detail, connects),
      onPublished: (...answer) => {
        if (!this.#messaging.onPublished(...answer)) this.ota.onPublished(...answer);
      },
      onSubscribed: (packetId, qos, errno, detail) => {
        const error = errno === 0 ? undefined : IotkitError.fromErrno(errno, detail);
        if (this.#messaging.onSubscribed(packetId, qos, error) || error === undefined) return;
        this.#onRefused(error, '');
      },
      onMessages: (...batch) => this.#messaging.onMessages(...batch),
      onUpgrade: (job) => this.ota.onUpgrade(job),
      onRefused: (errno, detail, requestId) =>
        this.#onRefused(IotkitError.fromErrno(errno, detail), requestId),
      onNothing: (requestId) => this.ota.onNothing(requestId),
      onConfig: (job, config) => this.config.onConfig(job, config),
      onConfigRefused: (errno, detail, requestId) =>
        this.config.onRefused(IotkitError.fromErrno(errno, detail), requestId),
      onConfigNothing: (requestId) => this.config.onNothing(requestId),
      onTime: (reading, requestId) => this.#time.onTime(reading, requestId),
      onTimeRefused: (errno, detail, requestId) => {
        const error = IotkitError.fromErrno(errno, detail);
        if (!this.#time.onRefused(error, requestId)) this.#refused(error);
      },
      onClosed: () => {
        this.#messaging.onClosed();
        this.#enter('closed', this.#reason);
        this.#resolveGone();
      },
    };
  }

  #onRefused(error: IotkitError, requestId: string): void {
    if (this.state === 'connected' && subscriptionErrors.has(error.code)) {
      this.#enter('connected', error);
    }
    this.ota.onRefused(error, requestId);
  }

  #onState(index: number, errno: number, detail: string, connects: number): void {
    if (this.state === 'closing' || this.state === 'closed') return;
    const state = stateNames[index] ?? 'connecting';
    // The addon says each error once; while it tries again, the last one still is the reason.
    const last = state === 'connected' ? undefined : this.error;
    const error = errno === 0 ? last : IotkitError.fromErrno(errno, detail);
    // The client has given up and is no longer needed; close() reports the end.
    if (state === 'closed') {
      this.#reason = error;
      void this.close();
      return;
    }
    this.#enter(state, error);
    if (error !== undefined) this.#clock.failed(error);
    if (state === 'connected') {
      this.ota.onConnected(connects);
      this.config.onConnected(connects);
      this.#messaging.onConnected();
      this.#askForTime(connects);
    } else {
      this.#messaging.onDisconnected();
      this.config.onDisconnected();
    }
  }

  /** There is a connection, maybe still the same. */
  #askForTime(connects: number): void {
    if (connects === this.#connects) return;
    this.#connects = connects;
    this.#clock.connected();
    this.#time.onConnected();
    if (this.#setCertificateTime === undefined) return;
    this.#time.askByItself().catch((error: unknown) => {
      if (this.state !== 'closing' && IotkitError.is(error)) this.#refused(error);
    });
  }

  #refused(error: IotkitError): void {
    publish('refused', { device: this, error });
    this.listeners.emit('refused', error);
  }

  #enter(state: DeviceState, error?: IotkitError): void {
    const change = { state, error, needsOperator: error?.retryable === false };
    this.#change = change;
    for (const view of this.#views) {
      view.pending = change;
      if (state === 'closed') {
        view.feed.end();
      } else {
        view.feed.wake();
      }
    }
    publish('state', { device: this, ...change });
    this.listeners.emit('state', change);
  }
}
