import { invalid } from '../base/errors';
import { checkProductKey, deviceId } from '../devices/names';
import { MAX_MESSAGE_BYTES, topicFlaw } from '../protocol/topic-rules';
import { isCustomCall, ownerOf } from '../protocol/topics';
import type { DeviceKey } from '../types/device';

/** The platform's own bound of a call. */
const MAX_TIMEOUT_MS = 8000;
const MAX_BATCH = 100;
const MAX_BROADCAST_BYTES = 64 * 1024;

/** What `messages.publish` takes. */
export interface PublishOptions extends DeviceKey {
  /** A topic of the device: `/{productKey}/{deviceName}/user/…`, `/sys/…`. */
  readonly topic: string;
  /** At most 256 KiB. */
  readonly payload: Uint8Array | string;
  /** Default 0. */
  readonly qos?: 0 | 1;
}

/**
 * What became of a message: `sent` to the device; `offline`: it is not connected or has not subscribed,
 * and gets it later if it keeps a session and `qos` is 1; `unknown` behind an external broker.
 */
export type PublicationState = 'sent' | 'offline' | 'unknown';

/** A message that was published to a device. */
export interface Publication extends DeviceKey {
  readonly topic: string;
  readonly state: PublicationState;
}

/** What `messages.publishAll` takes. */
export interface BatchPublishOptions extends Omit<PublishOptions, 'deviceName' | 'topic'> {
  /** 1-100 names. */
  readonly deviceNames: readonly string[];
  /** What follows `/{productKey}/{deviceName}/`: `user/get` for example. */
  readonly topic: string;
}

/** What `messages.broadcast` takes. */
export interface BroadcastOptions {
  readonly productKey: string;
  /** `/broadcast/{productKey}/…`. Default: to all that are connected, without a subscription. */
  readonly topic?: string;
  /** At most 64 KiB. */
  readonly payload: Uint8Array | string;
}

/** What was said to the devices of a product. */
export interface Broadcast {
  readonly productKey: string;
  /** Of one to all: the last level of the topic at each device. */
  readonly id?: string;
  /** Of one to subscribers. */
  readonly topic?: string;
  /** How many it was for; 0 also behind an external broker, where subscriptions are not seen. */
  readonly devices: number;
}

/** What `messages.call` takes. */
export interface CallOptions extends DeviceKey {
  /** At most 256 KiB. */
  readonly payload: Uint8Array | string;
  /** The device's own topic for calls (`/ext/rrpc/{id}{topic}`). Default: the system's. */
  readonly topic?: string;
  /** How long the answer is awaited, milliseconds, 1-8000. Default 8000. */
  readonly timeoutMs?: number;
}

/** A device's answer to a call. */
export interface CallAnswer extends DeviceKey {
  /** Of the call; decimal digits. */
  readonly id: string;
  readonly payload: Buffer;
  /** From the call to its answer. */
  readonly ms: number;
}

/** Throws ERR_INVALID_ARGUMENT. */
export function checkPublish({ topic, payload, qos, ...key }: PublishOptions): Buffer {
  checkTopic(topic);
  const owner = ownerOf(topic);
  if (isCustomCall(topic) || owner === undefined || deviceId(owner) !== deviceId(key)) {
    throw invalid(
      `topic must be one of the device: /${key.productKey}/${key.deviceName}/user/… for example`,
    );
  }
  if (qos !== undefined && qos !== 0 && qos !== 1) throw invalid('qos must be 0 or 1');
  return checkPayload(payload);
}

/** One publication a device. Throws ERR_INVALID_ARGUMENT. */
export function checkBatchPublish({
  deviceNames,
  topic,
  ...options
}: BatchPublishOptions): PublishOptions[] {
  if (!Array.isArray(deviceNames) || deviceNames.length < 1 || deviceNames.length > MAX_BATCH) {
    throw invalid(`deviceNames must be a list of 1-${MAX_BATCH} names`);
  }
  if (typeof topic !== 'string' || topic === '' || topic.startsWith('/')) {
    throw invalid('topic must be what follows the names of a device: user/get for example');
  }
  const { productKey } = options;
  return deviceNames.map((deviceName) => ({
    ...options,
    deviceName,
    topic: `/${productKey}/${deviceName}/${topic}`,
  }));
}

/** Throws ERR_INVALID_ARGUMENT. */
export function checkBroadcast({ productKey, topic, payload }: BroadcastOptions): Buffer {
  checkProductKey(productKey);
  if (topic !== undefined) checkTopic(topic);
  if (topic !== undefined && !/^\/broadcast\/[^/]+\/[^/]/.test(topic)) {
    throw invalid(`topic must be /broadcast/${productKey}/…`);
  }
  if (topic !== undefined && topic.split('/')[2] !== productKey) {
    throw invalid(`topic must be of the product: /broadcast/${productKey}/…`);
  }
  const bytes = checkPayload(payload);
  if (bytes.length <= MAX_BROADCAST_BYTES) return bytes;
  throw invalid(`payload must be at most ${MAX_BROADCAST_BYTES} bytes`);
}

/** Throws ERR_INVALID_ARGUMENT. */
export function checkCall({ topic, payload, timeoutMs }: CallOptions): {
  readonly bytes: Buffer;
  readonly timeout: number;
} {
  if (topic !== undefined) checkTopic(topic);
  const timeout = timeoutMs ?? MAX_TIMEOUT_MS;
  if (!Number.isInteger(timeout) || timeout < 1 || timeout > MAX_TIMEOUT_MS) {
    throw invalid(`timeoutMs must be a whole number 1-${MAX_TIMEOUT_MS}`);
  }
  return { bytes: checkPayload(payload), timeout };
}

/** Throws ERR_INVALID_ARGUMENT for what cannot be a topic. */
function checkTopic(topic: unknown): void {
  if (typeof topic !== 'string') throw invalid('topic must be a string');
  const flaw = topicFlaw(topic) ?? (/[+#\0]/.test(topic) ? 'the topic has a wildcard' : undefined);
  if (flaw !== undefined) throw invalid(`topic: ${flaw}`);
  if (topic === '/') throw invalid('topic: the topic has no name');
}

function checkPayload(payload: unknown): Buffer {
  if (typeof payload !== 'string' && !(payload instanceof Uint8Array)) {
    throw invalid('payload must be bytes or a text');
  }
  const bytes = Buffer.from(payload as Uint8Array);
  if (bytes.length <= MAX_MESSAGE_BYTES) return bytes;
  throw invalid(`payload must be at most ${MAX_MESSAGE_BYTES} bytes`);
}
