/** The platform's limits on what a device sends. */
export const MAX_TOPIC_BYTES = 128;
export const MAX_TOPIC_LEVELS = 7;
export const MAX_MESSAGE_BYTES = 256 * 1024;

/** Of a call on a topic of its own; the platform puts it before that topic. */
const CALL_PREFIX = /^\/ext\/rrpc\/[^/]{1,32}(?=\/)/;

/** Why a topic or filter is not within the limits; undefined when it is. */
export function topicFlaw(full: string): string | undefined {
  const topic = full.replace(CALL_PREFIX, '');
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
