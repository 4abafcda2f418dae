import { checkFilter, checkTopic, filterMatches } from '../../../lib/messaging/arguments';
import {
  Messaging,
  type PublishOptions,
  type SubscribeOptions,
} from '../../../lib/messaging/messaging';
import { checkMessages, checkWill } from '../../../lib/messaging/options';
import { FakeDevice, refusalOf } from '../support';

function messagingOf({ isPlatform = false } = {}) {
  const native = new FakeDevice();
  const host = {
    productKey: 'pk',
    deviceName: 'dn',
    holdWhile: <T>(it: Promise<T>) => it,
    onLostError: () => {},
  };
  const options = checkMessages(undefined, { isPlatform, isPersistent: false });
  const messaging = new Messaging(host, native, options);
  messaging.onConnected();
  return { native, messaging };
}

test.each([
  { filter: 'a/b', topic: 'a/b', fits: true },
  { filter: 'a/b', topic: 'a/b/c', fits: false },
  { filter: 'a/b/c', topic: 'a/b', fits: false },
  { filter: 'a/+', topic: 'a/b', fits: true },
  { filter: 'a/+', topic: 'a/', fits: true },
  { filter: 'a/+', topic: 'a', fits: false },
  { filter: '+/+', topic: '/a', fits: true },
  { filter: 'a/#', topic: 'a', fits: true },
  { filter: 'a/#', topic: 'a/b/c', fits: true },
  { filter: '#', topic: 'a/b', fits: true },
  { filter: '#', topic: '$SYS/a', fits: false },
  { filter: '$SYS/#', topic: '$SYS/a', fits: true },
])('$filter and $topic: $fits', ({ filter, topic, fits }) => {
  expect(filterMatches(filter, topic)).toBe(fits);
});

test.each([
  ['', 'it is empty'],
  ['a\0', 'it has a NUL'],
  ['a+/b', '+ must be a whole level, # the whole last level'],
  ['a/#/b', '+ must be a whole level, # the whole last level'],
  ['ä'.repeat(32_768), 'it has more than 65535 bytes'],
])('the filter %j is refused', (filter, why) => {
  expect(() => checkFilter('filter', filter)).toThrow(
    expect.objectContaining({ code: 'ERR_MQTT_TOPIC', message: expect.stringContaining(why) }),
  );
});

test('a topic has no wildcards', () => {
  expect(checkTopic('topic', '/a/b')).toBe('/a/b');
  for (const topic of ['a/+', '#']) {
    expect(() => checkTopic('topic', topic)).toThrow(
      expect.objectContaining({ code: 'ERR_MQTT_TOPIC' }),
    );
  }
  expect(refusalOf(() => checkTopic('topic', 7)).message).toBe('topic must be a string, got 7');
  expect(checkTopic('topic', '/a/b')).toBe('/a/b');
  expect(() => checkTopic('topic', '')).toThrow(
    expect.objectContaining({ code: 'ERR_MQTT_TOPIC', detail: 'topic "": it is empty' }),
  );
  const absent = refusalOf(() => checkTopic('topic', undefined)).message;
  expect(absent).toBe('topic must be a string, got undefined');
});

test('what is handed over at once resolves in the same turn, and throws nothing', async () => {
  const { native, messaging } = messagingOf();
  let isDone = false;
  messaging.publish('t', 'x').then(() => {
    isDone = true;
  });
  await Promise.resolve();
  expect([isDone, native.published]).toEqual([true, [['t', 'x', 0]]]);
  const refused = messaging.publish('#', 'x');
  await expect(refused).rejects.toMatchObject({ code: 'ERR_MQTT_TOPIC' });
});

test('a topic of the device is its own', () => {
  const { messaging } = messagingOf();
  expect(messaging.topic('user/get')).toBe('/pk/dn/user/get');
  expect(messaging.topic('user/#')).toBe('/pk/dn/user/#');
  for (const suffix of ['/user/get', 'user//get', 'user/']) {
    expect(refusalOf(() => messaging.topic(suffix)).message).toContain('none of them empty');
  }
});

test.each([
  [{ qos: 3 }, 'qos must be a whole number from 0 to 2, got 3'],
  [{ retain: 1 }, 'retain must be a boolean, got 1'],
  [{ signal: {} }, 'signal must be an AbortSignal, got a value of type object'],
  [{ QoS: 1 }, 'options has no option QoS; its options are qos, retain, signal'],
])('publish() refuses %j', async (options, message) => {
  const { native, messaging } = messagingOf();
  const refused = messaging.publish('t', '', options as PublishOptions);
  await expect(refused).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT', message });
  expect(native.published).toEqual([]);
});

test.each([[undefined], [null], [7], [[1]], [{}], [true]])(
  'publish() refuses the payload %j',
  async (payload) => {
    const { messaging } = messagingOf();
    const refused = messaging.publish('t', payload as never);
    await expect(refused).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' });
  },
);

test.each([
  [{ qos: -1 }, 'qos must be a whole number from 0 to 2, got -1'],
  [{ highWaterMark: 0 }, 'highWaterMark must be a whole number from 1 to 100000, got 0'],
])('subscribe() refuses %j', async (options, message) => {
  const { messaging } = messagingOf();
  const refused = messaging.subscribe('t', options as SubscribeOptions);
  await expect(refused).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT', message });
});

test('what the platform has not is refused at once, and named', async () => {
  const { native, messaging } = messagingOf({ isPlatform: true });
  const unsupported = (what: string) => ({
    code: 'ERR_UNSUPPORTED',
    retryable: false,
    detail: `${what}: the platform has none on MQTT 3.1.1`,
  });
  await expect(messaging.publish('t', '', { qos: 2 })).rejects.toMatchObject(unsupported('QoS 2'));
  const retained = messaging.publish('t', '', { retain: true });
  await expect(retained).rejects.toMatchObject(unsupported('retained messages'));
  await expect(messaging.subscribe('t', { qos: 2 })).rejects.toMatchObject(unsupported('QoS 2'));
  expect(() => checkWill({ topic: 't', payload: '' }, true)).toThrow(
    expect.objectContaining(unsupported('will')),
  );
  expect([native.published, native.subscribed.size]).toEqual([[], 0]);
});

test('a will is checked, and copied', () => {
  const payload = Uint8Array.of(1);
  const will = checkWill({ topic: 't', payload, qos: 2, retain: true }, false);
  payload[0] = 2;
  expect(will).toEqual({
    willTopic: 't',
    willPayload: Uint8Array.of(1),
    willQos: 2,
    willRetain: true,
  });
  expect(checkWill(undefined, true).willTopic).toBe('');
  const large = { topic: 't', payload: new Uint8Array(65_536) };
  expect(refusalOf(() => checkWill(large, false)).message).toBe(
    'will.payload.length must be at most 65535, got 65536',
  );
});

test.each([
  [{ offline: 'drop' }, 'messages.offline must be one of keep, refuse, got "drop"'],
  [{ rate: { qos0: 1 } }, 'messages.rate.qos0 must be a whole number from 2 to 1000000, got 1'],
  [{ rate: { qos2: 1 } }, 'messages.rate has no option qos2; its options are qos0, qos1'],
  [{ maxWaiting: 0 }, 'messages.maxWaiting must be a whole number from 1 to 1000000, got 0'],
])('messages: %j is refused', (given, message) => {
  const other = { isPlatform: false, isPersistent: false };
  expect(refusalOf(() => checkMessages(given as never, other)).message).toBe(message);
});

test('the rates are those of the platform with the platform alone', () => {
  const rateOf = (isPlatform: boolean, rate?: false | { readonly qos0: number }) =>
    checkMessages({ rate }, { isPlatform, isPersistent: false }).rate;
  expect([rateOf(true), rateOf(false)]).toEqual([
    { qos0: 30, qos1: 10 },
    { qos0: 0, qos1: 0 },
  ]);
  expect(rateOf(true, false)).toEqual({ qos0: 0, qos1: 0 });
  expect(rateOf(false, { qos0: 5 })).toEqual({ qos0: 5, qos1: 10 });
});
