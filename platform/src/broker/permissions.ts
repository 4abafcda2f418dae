import type { DeviceKey } from '../types/device';

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
      // Calls are delivered to the device that is called alone, and answers to the platform alone.
      if (second === 'rrpc') return third === '#' || Boolean(third && fourth);
      if (third !== productKey || fourth !== deviceName) return false;
      if (second === 'error') return rest.length === 0;
      return ['session', 'ntp', '+'].includes(second ?? '') && rest.length > 0;
    default:
      return first === productKey && second === deviceName && third !== undefined;
  }
}

/** Whether a filter is for what is said to the subscribers of the device's product. */
export function isBroadcastFilter({ productKey }: DeviceKey, filter: string): boolean {
  const [empty, first, second, third] = filter.split('/');
  return empty === '' && first === 'broadcast' && second === productKey && Boolean(third);
}
