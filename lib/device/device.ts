// Tested by test/integration/device.test.ts
/**
 * This room makes and holds a device: connect-options.ts checks, connect.ts opens, device.ts is the
 * connection and hands native events to its parts; states.ts and events.ts type what is told,
 * process.ts holds what concerns the whole process. It may import every room but sdk.
 */
import { inspect } from 'node:util';
import type { NativeDevice } from '../addon/binding';
import { callback, oneOf } from '../base/arguments';
import { publish } from '../base/diagnostics';
import { IotkitError } from '../base/errors';
import type { Iteration } from '../base/feed';
import { callBack, Listeners, type Subscription } from '../base/listeners';
import type { RemoteConfig } from '../config/remote-config';
import type { Gateway } from '../gateway/gateway';
import { DeviceLogs } from '../logs/device-logs';
import type { Payload } from '../messaging/arguments';
import type {
  PublishOptions,
  RequestOptions,
  RpcOptions,
  SubscribeOptions,
} from '../messaging/messaging';
import type { Reply, RequestBody } from '../messaging/requests';
import type { RpcHandler } from '../messaging/rpc';
import type { TopicSubscription } from '../messaging/subscription-feed';
import type { RunEventMap, UpgradeEventMap } from '../ota/events';
import type { Ota } from '../ota/ota';
import type { WrongClock } from '../time/clock-watch';
import { checkTimeOptions, type PlatformTime, type TimeOptions } from '../time/platform-time';
import {
  type DeviceNames,
  type DeviceRules,
  type OpenNative,
  Parts,
  type PartsExtras,
  withoutUse,
} from './parts';
import {
  type DeviceState,
  type StateChange,
  States,
  type StatesOptions,
  stateNames,
} from './states';

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

/** What not every device has. */
interface DeviceExtras extends PartsExtras {
  /** Hears of each sub-device that the program logs in. */
  readonly onSubDevice?: ((device: Device) => void) | undefined;
}

/**
 * A device on the platform: one MQTT connection that restores itself. Made by {@link connect} and
 * {@link open}.
 *
 * A connected device keeps the process alive, like a socket; {@link Device.unref} changes that.
 */
export class Device {
  /** The key of its product, as given. */
  readonly productKey: string;
  /** Its name within the product, as given. */
  readonly deviceName: string;
  /** @internal */
  readonly listeners = new Listeners<DeviceEventMap & RunEventMap>();

  readonly #native: NativeDevice;
  readonly #rules: DeviceRules;
  #extras: DeviceExtras;
  readonly #states = new States();
  readonly #parts: Parts<SubDevice>;
  #logs: DeviceLogs | undefined;
  #subExtras: DeviceExtras | undefined;
  #closed: Promise<IotkitError | undefined> | undefined;
  #isGone = false;
  #onGone: (() => void) | undefined;
  #ended: Promise<unknown> | undefined;
  /** Why the client gave up; undefined: it did not. */
  #reason: IotkitError | undefined;
  #referenced = true;
  #operations = 0;

  /** @internal `openNative` opens the connection; it throws what its options cause. */
  constructor(
    { productKey, deviceName }: DeviceNames,
    rules: DeviceRules,
    openNative: OpenNative,
    extras: DeviceExtras = {},
  ) {
    this.productKey = productKey;
    this.deviceName = deviceName;
    this.#rules = rules;
    this.#extras = extras;
    this.#parts = new Parts(this, rules, extras);
    this.#native = openNative(this.#parts);
    this.#parts.open(this.#native);
  }

  /** Version reports, upgrades and progress. */
  get ota(): Ota {
    return this.#parts.ota;
  }

  /** Remote configuration. */
  get config(): RemoteConfig {
    return this.#parts.config;
  }

  /** Its log on the platform. */
  get logs(): DeviceLogs {
    this.#logs ??= new DeviceLogs(this);
    return this.#logs;
  }

  /**
   * The sub-devices of this device, which is their gateway: their topology, and logging them in. Its
   * topics are subscribed with the first use.
   *
   * @throws {@link IotkitError} `ERR_UNSUPPORTED`: this is a sub-device, or the connection is the program's
   *   ({@link attach}).
   */
  get gateway(): Gateway<SubDevice> {
    return this.#parts.gateway;
  }

  /**
   * Resolves when the device is closed: with undefined after {@link Device.close}, or with why the
   * connection was given up for good, which only happens when the machine has no means left. Never
   * rejects.
   */
  get closed(): Promise<IotkitError | undefined> {
    this.#closed ??= this.#whenClosed();
    return this.#closed;
  }

  /** The present state of the connection. */
  get state(): DeviceState {
    return this.#states.current.state;
  }

  /** Why it is in this state: see {@link StateChange}. */
  get error(): IotkitError | undefined {
    return this.#states.current.error;
  }

  /**
   * The present state and each change after it, until `closed`, which is the last. A slow consumer
   * sees only the latest.
   *
   * @throws InvalidArgument
   */
  states(options?: StatesOptions): Iteration<StateChange> {
    return this.#states.open(options);
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
    return this.#parts.time.ask(checkTimeOptions(options));
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
    return this.#parts.messaging.topic(suffix);
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
    return this.#parts.messaging.publish(topic, payload, options);
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
    return this.#parts.messaging.subscribe(filter, options);
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
    return this.#parts.messaging.request(topic, body, options);
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
    return this.#parts.messaging.onRpc(handler, options);
  }

  /** @internal A version report has been handed to the connection. */
  onReportSent(): void {
    // Of those of sub-devices the gateway sends every other one with QoS 0.
    this.#parts.line.messages.pacer.noteReport(this.#extras.line === undefined ? 1 : 0.5);
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
      this.#ended = this.#parts.shutdown(reason);
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

  /** @internal Something of a sub-device keeps the process alive, or no longer does. */
  holdFor(count: 1 | -1): void {
    this.#operations += count;
    this.#hold();
  }

  #hold(): void {
    if (this.state === 'closing' || this.state === 'closed') return;
    if (this.#referenced || this.#operations > 0) this.#native.ref();
    else this.#native.unref();
  }

  async #whenClosed(): Promise<IotkitError | undefined> {
    if (!this.#isGone) {
      await new Promise<void>((resolve) => {
        this.#onGone = resolve;
      });
    }
    await this.#ended;
    return this.#reason;
  }

  /* ---- what the addon and its parts call ---- */

  /** @internal */
  onState(index: number, errno: number, detail: string, connects: number): void {
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
    if (error !== undefined) this.#parts.failed(error);
    if (state === 'connected') this.#parts.connected(connects);
    else this.#parts.disconnected();
  }

  /** @internal */
  onClosed(): void {
    this.#enter('closed', this.#reason);
    this.#isGone = true;
    this.#extras = withoutUse(this.#extras);
    this.#onGone?.();
  }

  /** @internal The platform or the broker has refused what the device's own parts have asked for. */
  onRefused(error: IotkitError): void {
    if (this.state !== 'connected' || !subscriptionErrors.has(error.code)) return;
    this.#enter('connected', error);
  }

  /** @internal As the event `refused` says. */
  emitRefused(error: IotkitError): void {
    publish('refused', { device: this, error });
    this.listeners.emit('refused', error);
  }

  /** @internal A device over this one's connection. */
  openSub(names: DeviceNames, openNative: OpenNative): SubDevice {
    this.#subExtras ??= { line: this.#parts.line };
    const device = new Device(names, this.#rules, openNative, this.#subExtras);
    device.#referenced = false;
    this.#extras.onSubDevice?.(device);
    return device;
  }

  #enter(state: DeviceState, error?: IotkitError): void {
    const change = this.#states.enter(state, error);
    publish('state', { device: this, ...change });
    this.listeners.emit('state', change);
  }
}

/**
 * A sub-device of a gateway, as {@link Gateway.login} gives it: a {@link Device} over the gateway's
 * connection. Its state is `connected` while it is logged in, and it logs in again by itself. Otherwise:
 *
 * - It has the gateway's rates, bandwidth limit, rules and options of downloads.
 * - It does not keep the process alive, which the gateway does; running operations do.
 * - `close()` logs it out.
 * - `closed` resolves with `ERR_SUBDEVICE_UNKNOWN` if it was deleted.
 */
export type SubDevice = Omit<Device, 'gateway'>;
