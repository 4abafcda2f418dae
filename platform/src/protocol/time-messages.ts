import { BadMessage, isObject, parseJson } from './messages';

/** When a device asked for the time, by its own clock: milliseconds, a number or their digits. */
export type DeviceTime = number | string;

const DIGITS = /^[0-9]{1,20}$/;

/** Throws a {@link BadMessage} when it cannot be read. */
export function parseTimeRequest(payload: Buffer): DeviceTime {
  const request = parseJson(payload);
  if (!isObject(request)) throw new BadMessage('the payload is not an object');
  const { deviceSendTime } = request;
  if (typeof deviceSendTime === 'string' && DIGITS.test(deviceSendTime)) return deviceSendTime;
  if (Number.isSafeInteger(deviceSendTime) && (deviceSendTime as number) >= 0) {
    return deviceSendTime as number;
  }
  throw new BadMessage('deviceSendTime must be milliseconds, a whole number or its digits');
}

/** The answer; its times are of the type that the device sent. */
export function timeReplyPayload(
  deviceSendTime: DeviceTime,
  receivedAt: number,
  sentAt: number,
): string {
  const like = (time: number): DeviceTime =>
    typeof deviceSendTime === 'string' ? String(time) : time;
  return JSON.stringify({
    deviceSendTime,
    serverRecvTime: like(receivedAt),
    serverSendTime: like(sentAt),
  });
}
