// Tested by test/unit/messaging/messaging.test.ts
/** Checks of what messages are made of. */
import { integer, oneOf, outOfRange, wrongType } from '../base/arguments';
import { IotkitError } from '../base/errors';

/** How surely a message arrives: at most once, at least once, exactly once. */
export type Qos = 0 | 1 | 2;

/** What a message carries: text, sent as UTF-8, or bytes. */
export type Payload = string | ArrayBuffer | ArrayBufferView;

const qualities = [0, 1, 2] as const;

/** QoS 0, 1 or 2. */
export function checkQos(name: string, value: unknown): Qos {
  integer(name, value, { min: 0, max: 2 });
  return qualities[value as Qos];
}

/** Of MQTT: two bytes of length. */
const TOPIC_MAX_BYTES = 65_535;

/**
 * The name of a topic that a message is published to. An `IotkitError` `ERR_MQTT_TOPIC` says what is
 * wrong with one that MQTT does not allow.
 */
export function checkTopic(name: string, value: unknown): string {
  // A device publishes to few topics, mostly to the same one again.
  if (typeof value === 'string' && value === lastTopic) return value;
  const topic = checkText(name, value);
  if (/[+#]/.test(topic)) throw topicError(name, topic, 'a topic has no wildcards, + and #');
  lastTopic = topic;
  return topic;
}

/** The last one that was found right. */
let lastTopic: string | undefined;

/** A topic that calls are made to; it begins with a slash. */
export function checkCalledTopic(name: string, value: unknown): string {
  const topic = checkTopic(name, value);
  if (topic.startsWith('/')) return topic;
  throw outOfRange(name, 'a whole topic, which begins with a slash', value);
}

/** A filter of topics, with the wildcards `+` and `#` where MQTT allows them. */
export function checkFilter(name: string, value: unknown): string {
  const filter = checkText(name, value);
  const levels = filter.split('/');
  const isValid = levels.every(
    (level, i) =>
      level === '+' ||
      (level === '#' && i === levels.length - 1) ||
      !(level.includes('+') || level.includes('#')),
  );
  if (isValid) return filter;
  throw topicError(name, filter, '+ must be a whole level, # the whole last level');
}

/** Whether a topic fits a filter, both of them valid. */
export function filterMatches(filter: string, topic: string): boolean {
  // Topics that begin with $ are the broker's own: a wildcard in the first place leaves them out.
  if (topic.startsWith('$') && /^[+#]/.test(filter)) return false;
  const wanted = filter.split('/');
  const levels = topic.split('/');
  const isRest = wanted.at(-1) === '#';
  if (isRest) wanted.pop();
  const fits = wanted.every(
    (level, i) => levels[i] !== undefined && (level === '+' || level === levels[i]),
  );
  return fits && (isRest || wanted.length === levels.length);
}

function checkText(name: string, value: unknown): string {
  if (typeof value !== 'string') throw wrongType(name, 'a string', value);
  if (value === '') throw topicError(name, value, 'it is empty');
  if (value.includes('\0')) throw topicError(name, value, 'it has a NUL');
  // A character takes three bytes at most.
  if (value.length > TOPIC_MAX_BYTES / 3 && Buffer.byteLength(value) > TOPIC_MAX_BYTES) {
    throw topicError(name, value, `it has more than ${TOPIC_MAX_BYTES} bytes`);
  }
  return value;
}

function topicError(name: string, topic: string, why: string): IotkitError {
  return new IotkitError(
    'ERR_MQTT_TOPIC',
    `${name} ${JSON.stringify(topic.slice(0, 128))}: ${why}`,
  );
}

/**
 * What follows a device's own prefix: levels of at least one character each, without a slash before
 * the first.
 */
export function checkSuffix(name: string, value: unknown): string {
  const suffix = checkFilter(name, value);
  if (!suffix.split('/').includes('')) return suffix;
  throw outOfRange(
    name,
    'levels with a slash between them, such as user/get, none of them empty',
    value,
  );
}

/** The payload as the addon takes it: the same memory, no copy. */
export function checkPayload(name: string, value: unknown): string | Uint8Array {
  if (typeof value === 'string' || value instanceof Uint8Array) return value;
  if (ArrayBuffer.isView(value)) {
    return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  }
  // Of any realm.
  if (Object.prototype.toString.call(value) === '[object ArrayBuffer]') {
    return new Uint8Array(value as ArrayBuffer);
  }
  throw wrongType(name, 'a string, a Uint8Array, an ArrayBuffer or a view of one', value);
}

/** What becomes of messages that are published while there is no connection. */
export type OfflinePolicy = 'keep' | 'refuse';

/** `keep` or `refuse`. */
export function checkOffline(name: string, value: unknown): OfflinePolicy {
  return oneOf(name, value, ['keep', 'refuse'] as const);
}
