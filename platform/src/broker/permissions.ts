import type { DeviceKey } from '../types/device';

/** The platform's limits on what a device sends. */
export const MAX_TOPIC_BYTES = 128;
export const MAX_TOPIC_LEVELS = 7;
export const MAX_MESSAGE_BYTES = 256 * 1024;

/**
 * Whether a device may publish to a topic, or subscribe to a filter: its own branches only. A
 * wildcard may stand where every topic it matches is the device's own.
 */
export function isOwnTopic({ productKey, deviceName }: DeviceKey, topic: string): boolean {
  const [empty, first, second, third, fourth, ...rest] = topic.split('/');
  if (empty !== '') return false;
  switch (first) {
    case 'ota':
      return (
        second === 'device' &&
        third !== '#' &&
        fourth === productKey &&
        rest[0] === deviceName &&
        rest.length === 1
      );
    case 'ext':
      return (
        third === productKey &&
        fourth === deviceName &&
        (second === 'error' ? rest.length === 0 : second === 'session' && rest.length > 0)
      );
    case 'sys':
      return second === productKey && third === deviceName && fourth !== undefined;
    default:
      return first === productKey && second === deviceName && third !== undefined;
  }
}

/** The device whose branch a topic or filter is in, going by where the names stand. */
export function branchOf(topic: string): DeviceKey | undefined {
  const [, first, second, third, fourth, fifth] = topic.split('/');
  const [productKey, deviceName] =
    first === 'ota'
      ? [fourth, fifth]
      : first === 'ext'
        ? [third, fourth]
        : first === 'sys'
          ? [second, third]
          : [first, second];
  return productKey && deviceName ? { productKey, deviceName } : undefined;
}

/** Why a topic or filter is not within the limits; undefined when it is. */
export function topicFlaw(topic: string): string | undefined {
  if (Buffer.byteLength(topic) > MAX_TOPIC_BYTES)
    return `the topic is over ${MAX_TOPIC_BYTES} bytes`;
  if (!topic.startsWith('/')) return 'the topic must start with "/"';
  const levels = topic.split('/').length - 1;
  return levels > MAX_TOPIC_LEVELS
    ? `the topic has more than ${MAX_TOPIC_LEVELS} levels`
    : undefined;
}

/** Whether a message to `topic` is for a subscription to `filter`. */
export function filterMatches(filter: string, topic: string): boolean {
  const levels = topic.split('/');
  const wanted = filter.split('/');
  for (const [index, level] of wanted.entries()) {
    if (level === '#') return true;
    if (index >= levels.length || (level !== '+' && level !== levels[index])) return false;
  }
  return wanted.length === levels.length;
}
