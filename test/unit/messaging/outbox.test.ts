import { IotkitError } from '../../../lib/base/errors';
import { errorCodes } from '../../../lib/generated/error-codes';
import type { Qos } from '../../../lib/messaging/arguments';
import { Flights } from '../../../lib/messaging/flights';
import {
  Outbox,
  type OutboxOptions,
  type Publication,
  type TakeTurn,
} from '../../../lib/messaging/outbox';
import { FakeDevice } from '../support';

const full = errorCodes.ERR_QUEUE_FULL.errno;
const closed = new IotkitError('ERR_CLOSED', 'the device was closed');

function outboxOf(options: Partial<OutboxOptions> = {}, turn?: TakeTurn) {
  const native = new FakeDevice();
  const outbox = new Outbox(
    ({ topic, payload, qos }) => native.publish(topic, payload, qos),
    { offline: 'keep', maxWaiting: 1_000, ...options },
    turn,
  );
  const publish = (payload: string | Uint8Array, qos: Qos = 0, signal?: AbortSignal) =>
    outbox.publish({ topic: 't', payload, qos, retain: false }, signal);
  const sent = (): unknown[] => native.published.map(([, payload]) => payload);
  return { native, outbox, publish, sent };
}

beforeEach(() => jest.useFakeTimers());
afterEach(() => jest.useRealTimers());

test('what can go goes at once, and with QoS 0 there is nothing to wait for', () => {
  const { outbox, publish, sent } = outboxOf();
  outbox.connected();
  expect(publish('a')).toBeUndefined();
  expect(sent()).toEqual(['a']);
});

test('awaiting each message of QoS 0 does not keep the event loop from turning', async () => {
  jest.useRealTimers();
  const { outbox, publish, sent } = outboxOf();
  outbox.connected();
  let turned = false;
  setImmediate(() => {
    turned = true;
  });
  while (!turned) await publish('a');
  expect(sent().length).toBeLessThan(1_000);
});

test('QoS 1 resolves with its acknowledgement, and rejects when it is given up', async () => {
  const { outbox, publish } = outboxOf();
  outbox.connected();
  const first = publish('a', 1);
  const second = publish('b', 1);
  expect([
    outbox.settle(1, undefined),
    outbox.settle(2, closed),
    outbox.settle(3, undefined),
  ]).toEqual([true, true, false]);
  await first;
  await expect(second).rejects.toBe(closed);
});

test('what waits keeps its order, and its bytes as they were', async () => {
  const { outbox, publish, sent } = outboxOf();
  const bytes = Uint8Array.of(1);
  const all = [publish('a'), publish(bytes), publish('c')];
  bytes[0] = 2;
  outbox.connected();
  await Promise.all(all);
  expect(sent()).toEqual(['a', Uint8Array.of(1), 'c']);
});

test('a full connection is tried again, and what is published meanwhile does not overtake', async () => {
  const { native, outbox, publish, sent } = outboxOf();
  outbox.connected();
  native.publishResults.push(full, full);
  const first = publish('a');
  const second = publish('b');
  expect(sent()).toEqual([]);
  jest.runAllTimers();
  await Promise.all([first, second]);
  expect(sent()).toEqual(['a', 'b']);
});

test('a message that the connection refuses does not hold up the others', async () => {
  const { native, outbox, publish, sent } = outboxOf();
  const first = publish('a');
  const second = publish('b');
  native.publishResults.push(errorCodes.ERR_MQTT_PACKET_TOO_LARGE.errno);
  outbox.connected();
  await expect(first).rejects.toMatchObject({ code: 'ERR_MQTT_PACKET_TOO_LARGE' });
  await second;
  expect(sent()).toEqual(['b']);
});

test.each([
  { qos: 1, most: 90 },
  { qos: 2, most: 20 },
] as const)('of QoS $qos at most $most are on their way', ({ qos, most }) => {
  const { outbox, publish, sent } = outboxOf();
  outbox.connected();
  for (let i = 0; i < 100; i++) void publish(String(i), qos);
  expect(sent()).toHaveLength(most);
  outbox.settle(1, undefined);
  expect(sent()).toHaveLength(most + 1);
});

test.each([
  { name: 'messages', options: { maxWaiting: 2 }, payload: '' },
  { name: 'bytes', options: {}, payload: new Uint8Array(6 * 1024 * 1024) },
])('there is a limit of $name that wait', async ({ options, payload }) => {
  const { outbox, publish } = outboxOf(options);
  const all = [publish(payload), publish(payload)];
  await expect(publish(payload)).rejects.toMatchObject({ code: 'ERR_QUEUE_FULL' });
  outbox.connected();
  await Promise.all(all);
});

test('an aborted message makes room, and is not sent', async () => {
  const { outbox, publish, sent } = outboxOf({ maxWaiting: 1 });
  const controller = new AbortController();
  const aborted = publish('a', 1, controller.signal);
  controller.abort(new Error('enough'));
  await expect(aborted).rejects.toThrow('enough');
  const next = publish('b');
  outbox.connected();
  await next;
  expect(sent()).toEqual(['b']);
});

test('a message that was handed over stays so when its wait is aborted', async () => {
  const { outbox, publish } = outboxOf();
  outbox.connected();
  const controller = new AbortController();
  const aborted = publish('a', 1, controller.signal);
  controller.abort(new Error('enough'));
  await expect(aborted).rejects.toThrow('enough');
  expect(outbox.settle(1, undefined)).toBe(true);
});

test("with 'refuse' nothing waits for a connection", async () => {
  const { native, outbox, publish } = outboxOf({ offline: 'refuse' });
  await expect(publish('a')).rejects.toMatchObject({ code: 'ERR_NOT_CONNECTED' });
  outbox.connected();
  native.publishResults.push(full);
  const waiting = publish('b');
  outbox.disconnected();
  await expect(waiting).rejects.toMatchObject({ code: 'ERR_NOT_CONNECTED' });
  outbox.connected();
  native.isConnected = false; // which the addon knows first
  await expect(publish('c')).rejects.toMatchObject({ code: 'ERR_NOT_CONNECTED' });
});

test('a rate is kept, and each QoS waits for its own', () => {
  let wait = 100;
  const { outbox, publish, sent } = outboxOf({}, (qos) => (qos === 0 ? wait : 0));
  outbox.connected();
  void publish('slow');
  void publish('fast', 1);
  expect(sent()).toEqual(['fast']);
  wait = 0;
  jest.advanceTimersByTime(99);
  expect(sent()).toEqual(['fast']);
  jest.advanceTimersByTime(1);
  expect(sent()).toEqual(['fast', 'slow']);
});

test('closing rejects what waits; what is on its way is given up with the connection', async () => {
  const { outbox, publish } = outboxOf();
  outbox.connected();
  const acknowledged = publish('a', 1);
  const lost = publish('b', 1);
  outbox.disconnected();
  const waiting = publish('c');
  outbox.close(closed);
  await expect(waiting).rejects.toBe(closed);
  await expect(publish('d')).rejects.toBe(closed);
  outbox.settle(1, undefined);
  await acknowledged;
  outbox.end();
  await expect(lost).rejects.toBe(closed);
});

test('several on one connection share what it carries unacknowledged', async () => {
  const flights = new Flights();
  const native = new FakeDevice();
  const open = (): Outbox => {
    const send = ({ topic, payload, qos }: Publication) => native.publish(topic, payload, qos);
    return new Outbox(send, { offline: 'keep', maxWaiting: 1_000 }, undefined, flights);
  };
  const [one, other] = [open(), open()] as const;
  one.connected();
  other.connected();
  const message = { topic: 't', payload: 'x', qos: 1, retain: false } as const;
  const first = Array.from({ length: 90 }, () => one.publish(message, undefined));
  const waiting = other.publish(message, undefined);
  expect(native.published).toHaveLength(90);
  one.settle(7, undefined);
  await first[6];
  expect(native.published).toHaveLength(91);
  other.settle(91, undefined);
  await waiting;
  // The end of one is not the end of the other.
  const kept = other.publish(message, undefined);
  one.close(closed);
  one.end();
  const ends = await Promise.allSettled(first);
  expect(ends.filter(({ status }) => status === 'rejected')).toHaveLength(89);
  other.settle(92, undefined);
  await kept;
});

test('the end of one makes room for what waits of the others', async () => {
  const flights = new Flights();
  const native = new FakeDevice();
  const open = (): Outbox => {
    const send = ({ topic, payload, qos }: Publication) => native.publish(topic, payload, qos);
    const outbox = new Outbox(send, { offline: 'keep', maxWaiting: 1_000 }, undefined, flights);
    outbox.connected();
    return outbox;
  };
  const [one, other] = [open(), open()] as const;
  const message = { topic: 't', payload: 'x', qos: 1, retain: false } as const;
  const lost = Array.from({ length: 90 }, () => one.publish(message, undefined));
  const waiting = other.publish(message, undefined);
  expect(native.published).toHaveLength(90);
  one.close(closed);
  one.end();
  for (const publication of lost) await expect(publication).rejects.toBe(closed);
  expect(native.published).toHaveLength(91);
  other.settle(91, undefined);
  await waiting;
});
