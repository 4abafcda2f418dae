// Tested by test/sdk/mqtt.test.ts
/** IOT_MQTT_*: `exports/iot_export_mqtt.h`, function by function. */

import { published } from '../addon/load';
import type { NativeParams } from '../addon/sdk-binding';
import { wrongType } from '../base/arguments';
import { cBytes, cFunction, cInt, cText, cUint8, cUint16, cUint32 } from './arguments';
import {
  FAIL_RETURN,
  type iotx_mqtt_qos_t,
  MQTT_TOPIC_FORMAT_ERROR,
  NULL_VALUE_ERROR,
} from './constants';
import { MqttHandle, type TopicHandler } from './handles';
import type { iotx_mqtt_param_t } from './params';
import type { PublishMessage } from './types';

function object<T extends object>(name: string, value: T | null): T | null {
  if (value === null || (typeof value === 'object' && !Array.isArray(value))) return value;
  throw wrongType(name, 'an object, or null', value);
}

/** Keeps `handle` alive until the call has ended: its events go through the handle. */
async function during(handle: MqttHandle | null, call: Promise<number> | number): Promise<number> {
  const result = await call;
  return handle === undefined ? FAIL_RETURN : result;
}

/** The handle that is meant (see MqttHandle), and what the addon has for it. */
function target(handle: MqttHandle | null) {
  const meant = MqttHandle.meant('handle', handle);
  return { meant, client: MqttHandle.native('handle', meant) };
}

function paramsOf(param: iotx_mqtt_param_t, handler: boolean): NativeParams {
  const number = (check: typeof cUint32, key: keyof iotx_mqtt_param_t): number =>
    check(`pInitParams.${key}`, param[key] ?? 0);
  const text = (key: keyof iotx_mqtt_param_t, secret = false): string | null =>
    cText(`pInitParams.${key}`, param[key] ?? null, { secret });
  return {
    handler,
    port: number(cUint16, 'port'),
    host: text('host'),
    client_id: text('client_id'),
    username: text('username'),
    password: text('password', true),
    pub_key: text('pub_key'),
    clean_session: number(cUint8, 'clean_session'),
    request_timeout_ms: number(cUint32, 'request_timeout_ms'),
    keepalive_interval_ms: number(cUint32, 'keepalive_interval_ms'),
    write_buf_size: number(cUint32, 'write_buf_size'),
    read_buf_size: number(cUint32, 'read_buf_size'),
  };
}

/**
 * Connects. Resolves to the handle when the broker has accepted, else to null: a parameter is not
 * valid, there is no connection within 10 s, no answer within `request_timeout_ms`, or a refusal.
 *
 * @param pInitParams null: use the identity of the process, which only a C program can set, so the
 *   result is null.
 * @throws TypeError with code `ERR_INVALID_ARGUMENT`, as every function here for a value of another
 *   type than C's.
 */
export async function IOT_MQTT_Construct<Context = unknown>(
  pInitParams: iotx_mqtt_param_t<Context> | null,
): Promise<MqttHandle | null> {
  const param = object('pInitParams', pInitParams);
  const events = object('pInitParams.handle_event', param?.handle_event ?? null);
  const handler = cFunction('pInitParams.handle_event.h_fp', events?.h_fp ?? null);
  const params = param && paramsOf(param as iotx_mqtt_param_t, handler !== null);
  const handle = MqttHandle.make(handler as TopicHandler | null, events?.pcontext);
  const connected = await published.mqttConstruct(
    MqttHandle.native('handle', handle) as NonNullable<ReturnType<typeof MqttHandle.native>>,
    params,
  );
  if (!connected) return null;
  MqttHandle.opened(handle);
  return handle;
}

/**
 * Disconnects and closes the handle, its OTA handles first; running calls on it end. Resolves to 0
 * within about 2 s, to NULL_VALUE_ERROR for null.
 */
export async function IOT_MQTT_Destroy(handle: MqttHandle | null): Promise<number> {
  const client = MqttHandle.native('handle', handle);
  if (handle !== null) MqttHandle.destroyed(handle);
  return during(handle, published.mqttDestroy(client));
}

/**
 * Sends and receives, and calls back, on the handle's own thread. Resolves to 0 when something was
 * handled or after at most `timeout_ms`; immediately while an upgrade of this client is being
 * fetched.
 */
export async function IOT_MQTT_Yield(
  handle: MqttHandle | null,
  timeout_ms: number,
): Promise<number> {
  const { meant, client } = target(handle);
  return during(meant, published.mqttYield(client, cInt('timeout_ms', timeout_ms)));
}

/** 1: connected, 0: not. */
export function IOT_MQTT_CheckStateNormal(handle: MqttHandle | null): number {
  return published.mqttCheckStateNormal(target(handle).client);
}

interface Entered {
  readonly callback: number;
  /** Returns the result, after forgetting a subscription that was not made. */
  readonly settle: (result: number) => number;
}

function enter<Context>(
  handle: MqttHandle | null,
  filter: string | null,
  handler: TopicHandler<Context> | null,
  pcontext: Context | undefined,
): Entered {
  if (handle === null || filter === null || handler === null) {
    return { callback: 0, settle: (result) => result };
  }
  const { callback, isNew } = MqttHandle.enter(handle, filter, handler as TopicHandler, pcontext);
  const settle = (result: number): number => {
    // FAIL_RETURN: the answer did not come in time. Such a subscription remains.
    if (isNew && result < FAIL_RETURN) MqttHandle.forget(handle, callback);
    return result;
  };
  return { callback, settle };
}

/**
 * Calls `topic_handle_func` for each message that matches. Returns the packet id, for
 * SUBCRIBE_SUCCESS; 0: it is sent with the next connect; MQTT_TOPIC_FORMAT_ERROR, NULL_VALUE_ERROR,
 * FAIL_RETURN.
 */
export function IOT_MQTT_Subscribe<Context = undefined>(
  handle: MqttHandle | null,
  topic_filter: string | null,
  qos: iotx_mqtt_qos_t,
  topic_handle_func: TopicHandler<Context> | null,
  pcontext?: Context,
): number {
  const { meant, client } = target(handle);
  const filter = cText('topic_filter', topic_filter);
  const level = cInt('qos', qos);
  const handler = cFunction('topic_handle_func', topic_handle_func);
  const { callback, settle } = enter(meant, filter, handler, pcontext);
  return settle(published.mqttSubscribe(client, filter, level, callback));
}

/**
 * As {@link IOT_MQTT_Subscribe}, and waits for the answer. Resolves to the packet id; FAIL_RETURN:
 * refused, or none in time.
 */
export async function IOT_MQTT_Subscribe_Sync<Context = undefined>(
  handle: MqttHandle | null,
  topic_filter: string | null,
  qos: iotx_mqtt_qos_t,
  topic_handle_func: TopicHandler<Context> | null,
  pcontext: Context,
  timeout_ms: number,
): Promise<number> {
  const { meant, client } = target(handle);
  const filter = cText('topic_filter', topic_filter);
  const level = cInt('qos', qos);
  const handler = cFunction('topic_handle_func', topic_handle_func);
  const timeout = cInt('timeout_ms', timeout_ms);
  const { callback, settle } = enter(meant, filter, handler, pcontext);
  const call = published.mqttSubscribeSync(client, filter, level, callback, timeout);
  return settle(await during(meant, call));
}

/**
 * Removes all functions of that filter; none is called any more. Returns the packet id, 0: nothing
 * is sent now.
 */
export function IOT_MQTT_Unsubscribe(
  handle: MqttHandle | null,
  topic_filter: string | null,
): number {
  const { meant, client } = target(handle);
  const filter = cText('topic_filter', topic_filter);
  const result = published.mqttUnsubscribe(client, filter);
  const untouched = result === NULL_VALUE_ERROR || result === MQTT_TOPIC_FORMAT_ERROR;
  if (meant !== null && filter !== null && !untouched) MqttHandle.forgetFilter(meant, filter);
  return result;
}

/**
 * QoS 0: 0. QoS 1: the packet id, which `topic_msg.packet_id` becomes too; PUBLISH_SUCCESS follows.
 * Errors: MQTT_TOPIC_FORMAT_ERROR, MQTT_PUBLISH_QOS_ERROR, MQTT_PUBLISH_PACKET_ERROR,
 * MQTT_STATE_ERROR, MQTT_PUSH_TO_LIST_ERROR, NULL_VALUE_ERROR.
 */
export function IOT_MQTT_Publish(
  handle: MqttHandle | null,
  topic_name: string | null,
  topic_msg: PublishMessage | null,
): number {
  const { client } = target(handle);
  const topic = cText('topic_name', topic_name);
  const message = object('topic_msg', topic_msg);
  const payload = cBytes('topic_msg.payload', message?.payload ?? null);
  const qos = cUint8('topic_msg.qos', message?.qos ?? 0);
  const retain = cUint8('topic_msg.retain', message?.retain ?? 0);
  const result = published.mqttPublish(client, topic, message !== null, payload, qos, retain);
  if (message !== null && result > 0) Reflect.set(message, 'packet_id', result);
  return result;
}

/** As {@link IOT_MQTT_Publish}; every error is FAIL_RETURN. The length is that of `data`. */
export function IOT_MQTT_Publish_Simple(
  handle: MqttHandle | null,
  topic_name: string | null,
  qos: number,
  data: string | Uint8Array | null,
): number {
  const { client } = target(handle);
  const topic = cText('topic_name', topic_name);
  return published.mqttPublishSimple(client, topic, cInt('qos', qos), cBytes('data', data));
}
