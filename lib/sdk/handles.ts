// Tested by test/sdk/lifecycle.test.ts
/** The opaque handles of the published API. */

import { published } from '../addon/load';
import type { NativeClient, NativeOta } from '../addon/sdk-binding';
import { wrongType } from '../base/arguments';
import {
  IOTX_MQTT_EVENT_BUFFER_OVERFLOW,
  IOTX_MQTT_EVENT_DISCONNECT,
  IOTX_MQTT_EVENT_PUBLISH_RECEIVED,
  IOTX_MQTT_EVENT_RECONNECT,
} from './constants';
import type { iotx_mqtt_event_msg_t } from './types';

/** The addon's event type of a pushed upgrade. */
const PUSHED = -1;
const HANDLE_EVENT = 0;

const textEvents: ReadonlySet<number> = new Set([
  IOTX_MQTT_EVENT_DISCONNECT,
  IOTX_MQTT_EVENT_RECONNECT,
  IOTX_MQTT_EVENT_BUFFER_OVERFLOW,
]);

/** Only this module makes handles. */
const maker = Symbol('maker');

function checkMaker(token: symbol): void {
  if (token !== maker)
    throw new TypeError('handles are made by IOT_MQTT_Construct and IOT_OTA_Init');
}

function foreign(name: string, from: string, value: unknown): Error {
  return wrongType(name, `a handle that ${from} made in this thread, or null`, value);
}

/**
 * A callback of the MQTT functions. It runs on the thread that made the handle, in the order of the
 * events, after the C callback has returned and before the call in which it happened
 * (`IOT_MQTT_Yield`, for one) resolves. Every function may be called in it. What it throws is an
 * uncaught exception.
 */
export type TopicHandler<Context = unknown> = (
  pcontext: Context,
  pclient: MqttHandle,
  msg: iotx_mqtt_event_msg_t,
) => void;

interface Subscription {
  readonly filter: string;
  readonly handler: TopicHandler;
  readonly context: unknown;
}

interface PushedCallback {
  readonly handle: WeakRef<OtaHandle>;
  readonly onPushed: (handle: OtaHandle) => unknown;
}

/**
 * A handle of {@link IOT_MQTT_Construct}; opaque. It belongs to the thread and realm that made it.
 * A destroyed handle acts like null, which means the only open handle of this thread while there is
 * exactly one (but not for {@link IOT_MQTT_Destroy} and {@link IOT_OTA_Init}). A handle that is
 * dropped without being destroyed is destroyed when it has been collected.
 */
export class MqttHandle {
  readonly #native: NativeClient;
  readonly #subscriptions = new Map<number, Subscription>();
  readonly #pushed = new Map<number, PushedCallback>();
  #last = HANDLE_EVENT;
  #destroyed = false;

  /** Those that were constructed and are not destroyed. Being open keeps none of them alive. */
  static readonly #open = new Set<WeakRef<MqttHandle>>();

  /** @internal */
  constructor(token: symbol, handler: TopicHandler | null, context: unknown) {
    checkMaker(token);
    // The addon keeps this function for ever, so the function must not keep the handle alive.
    const self = new WeakRef(this);
    this.#native = published.mqttNew(
      (callback, type, packetId, text, payload, qos, dup, retain) => {
        const handle = self.deref();
        if (handle === undefined) return;
        if (type === PUSHED) {
          handle.#notifyPushed(callback);
          return;
        }
        const subscription = handle.#subscriptions.get(callback);
        const event = eventOf(type, packetId, text, payload, { qos, dup, retain });
        if (callback === HANDLE_EVENT) handler?.(context, handle, event);
        else subscription?.handler(subscription.context, handle, event);
      },
    );
    Object.freeze(this);
  }

  #notifyPushed(callback: number): void {
    const pushed = this.#pushed.get(callback);
    const handle = pushed?.handle.deref();
    if (handle !== undefined) pushed?.onPushed(handle);
  }

  /** @internal */
  static make(handler: TopicHandler | null, context: unknown): MqttHandle {
    return new MqttHandle(maker, handler, context);
  }

  /** @internal */
  static native(name: string, value: unknown): NativeClient | null {
    const handle = MqttHandle.check(name, value);
    return handle === null ? null : handle.#native;
  }

  /** @internal */
  static check(name: string, value: unknown): MqttHandle | null {
    if (value === null) return null;
    if (typeof value === 'object' && value !== undefined && #native in value) return value;
    throw foreign(name, 'IOT_MQTT_Construct', value);
  }

  /** @internal */
  static opened(handle: MqttHandle): void {
    MqttHandle.#open.add(new WeakRef(handle));
  }

  /** @internal */
  static destroyed(handle: MqttHandle): void {
    handle.#destroyed = true;
  }

  /**
   * The handle that a program means: null and a destroyed one mean the only one that is open.
   *
   * @internal
   */
  static meant(name: string, value: unknown): MqttHandle | null {
    const given = MqttHandle.check(name, value);
    return given === null || given.#destroyed ? MqttHandle.#only() : given;
  }

  static #only(): MqttHandle | null {
    const found: MqttHandle[] = [];
    for (const reference of MqttHandle.#open) {
      const handle = reference.deref();
      if (handle === undefined || handle.#destroyed) MqttHandle.#open.delete(reference);
      else found.push(handle);
    }
    return found.length === 1 ? (found[0] as MqttHandle) : null;
  }

  /**
   * The number of a subscription, and whether it is new; the same function, context and filter are
   * one.
   *
   * @internal
   */
  static enter(
    handle: MqttHandle,
    filter: string,
    handler: TopicHandler,
    context: unknown,
  ): { readonly callback: number; readonly isNew: boolean } {
    for (const [callback, known] of handle.#subscriptions) {
      if (known.filter === filter && known.handler === handler && known.context === context) {
        return { callback, isNew: false };
      }
    }
    const callback = ++handle.#last;
    handle.#subscriptions.set(callback, { filter, handler, context });
    return { callback, isNew: true };
  }

  /** @internal */
  static forget(handle: MqttHandle, callback: number): void {
    handle.#subscriptions.delete(callback);
  }

  /** @internal */
  static forgetFilter(handle: MqttHandle, filter: string): void {
    for (const [callback, known] of handle.#subscriptions) {
      if (known.filter === filter) handle.#subscriptions.delete(callback);
    }
  }

  /** @internal */
  static enterPushed(
    handle: MqttHandle,
    ota: OtaHandle,
    before: number,
    onPushed: ((handle: OtaHandle) => unknown) | null,
  ): number {
    handle.#pushed.delete(before);
    if (onPushed === null) return 0;
    const callback = ++handle.#last;
    handle.#pushed.set(callback, { handle: new WeakRef(ota), onPushed });
    return callback;
  }
}

function eventOf(
  type: number,
  packetId: number,
  text: string,
  payload: Buffer | undefined,
  flags: { readonly qos: number; readonly dup: number; readonly retain: number },
): iotx_mqtt_event_msg_t {
  if (type === IOTX_MQTT_EVENT_PUBLISH_RECEIVED && payload !== undefined) {
    const msg = {
      packet_id: packetId,
      ...flags,
      topic_len: Buffer.byteLength(text),
      payload_len: payload.length,
      ptopic: text,
      payload,
    };
    return { event_type: type, msg };
  }
  return { event_type: type, msg: textEvents.has(type) ? text : packetId } as iotx_mqtt_event_msg_t;
}

/** A handle of {@link IOT_OTA_Init}; opaque. The rules of {@link MqttHandle} hold for it too. */
export class OtaHandle {
  readonly #native: NativeOta;
  /** Kept so that its client is not collected before it. */
  readonly #client: MqttHandle;
  #pushed = 0;

  /** @internal */
  constructor(token: symbol, made: NativeOta, client: MqttHandle) {
    checkMaker(token);
    this.#native = made;
    this.#client = client;
    Object.freeze(this);
  }

  /** @internal */
  static make(made: NativeOta, client: MqttHandle): OtaHandle {
    return new OtaHandle(maker, made, client);
  }

  /** @internal */
  static native(name: string, value: unknown): NativeOta | null {
    const handle = OtaHandle.check(name, value);
    return handle === null ? null : handle.#native;
  }

  /** @internal */
  static check(name: string, value: unknown): OtaHandle | null {
    if (value === null) return null;
    if (typeof value === 'object' && value !== undefined && #native in value) return value;
    throw foreign(name, 'IOT_OTA_Init', value);
  }

  /** @internal */
  static setOnPushed(handle: OtaHandle, onPushed: ((handle: OtaHandle) => unknown) | null): number {
    handle.#pushed = MqttHandle.enterPushed(handle.#client, handle, handle.#pushed, onPushed);
    return handle.#pushed;
  }
}
