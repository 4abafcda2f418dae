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
    case 'sys':
      return second === productKey && third === deviceName && fourth !== undefined;
    case 'ext':
      return second !== '#' && third === productKey && fourth === deviceName;
    default:
      return first === productKey && second === deviceName && third !== undefined;
  }
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
