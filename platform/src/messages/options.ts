import { invalid } from '../base/errors';
import { deviceId } from '../devices/names';
import { MAX_MESSAGE_BYTES, topicFlaw } from '../protocol/topic-rules';
import { isCustomCall, ownerOf } from '../protocol/topics';
import type { DeviceKey } from '../types/device';

/** The platform's own bound of a call. */
const MAX_TIMEOUT_MS = 8000;

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
