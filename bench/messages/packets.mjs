// MQTT packets of the peers that have no client of their own, and the times that messages bring along.
import { payload, topic } from './clients.mjs';

const head = Buffer.of(0x30, 2 + topic.length + payload.length, 0, topic.length);

/** A PUBLISH of QoS 0. */
export const publish = Buffer.concat([head, Buffer.from(topic), payload]);
/** Where its payload begins. */
export const PAYLOAD_AT = head.length + topic.length;
/** So many of them are written at once. */
export const BLOCK = 512;
export const block = Buffer.concat(Array.from({ length: BLOCK }, () => publish));
export const disconnect = Buffer.of(0xe0, 0);

/** A CONNECT with a clean session and no keep-alive. */
export function connect(clientId) {
  const id = Buffer.from(clientId);
  const fixed = Buffer.of(0x10, 12 + id.length, 0, 4, 0x4d, 0x51, 0x54, 0x54, 4, 2, 0, 0);
  return Buffer.concat([fixed, Buffer.of(0, id.length), id]);
}

/** Microseconds, on a clock that all processes of this machine share. */
export function stamp() {
  return Number(process.hrtime.bigint() / 1_000n);
}

/** When a stamped payload was sent. */
export function sentAt(data) {
  return new DataView(data.buffer, data.byteOffset).getFloat64(0);
}

/** What has been added to the numbers of `before`. */
export function countFrom(before, after) {
  return Object.fromEntries(Object.keys(before).map((key) => [key, after[key] - before[key]]));
}
