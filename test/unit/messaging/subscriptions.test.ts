import { IotkitError } from '../../../lib/base/errors';
import { Subscriptions, type TopicSubscription } from '../../../lib/messaging/subscriptions';
import { FakeDevice } from '../support';

const closed = new IotkitError('ERR_CLOSED', 'the device was closed');
const refused = (filter: string) => new IotkitError('ERR_MQTT_SUBSCRIBE', filter);

function subscriptionsOf({ persistent = false } = {}) {
  const native = new FakeDevice();
  const subscriptions = new Subscriptions(native, persistent);
  subscriptions.connected();
  /** Of one subscription, by its id: the first has 1. */
  const deliver = (id: number, topic: string, ...texts: string[]): void => {
    const payloads = texts.map((text) => Buffer.from(text));
    const heads = payloads.flatMap((payload) => [id, 0, 0, payload.length]);
    const bytes = new Uint8Array(Buffer.concat(payloads));
    subscriptions.onMessages(Uint32Array.from(heads).buffer, [topic], bytes.buffer);
  };
  const add = async (filter: string, mark = 1_000): Promise<TopicSubscription> => {
    const adding = subscriptions.add(filter, 0, mark, undefined);
    subscriptions.onSubscribed(++packets, 0, undefined);
    return adding;
  };
  let packets = 0;
  return { native, subscriptions, deliver, add };
}

async function texts(messages: TopicSubscription, count: number): Promise<string[]> {
  const all: string[] = [];
  for (let i = 0; i < count; i++) all.push((await messages.next()).value?.text() ?? 'the end');
  return all;
}

test('a batch is taken apart: words and payloads', async () => {
  const { subscriptions, add } = subscriptionsOf();
  const messages = await add('t');
  const heads = Uint32Array.of(1, 1 + 4 + 8, 0, 2, 9, 0, 1, 3, 1, 0, 1, 0);
  subscriptions.onMessages(heads.buffer, ['t', 'u'], Uint8Array.of(1, 2, 7, 7, 7).buffer);
  expect((await messages.next()).value).toMatchObject({
    topic: 't',
    payload: Uint8Array.of(1, 2),
    qos: 1,
    retain: true,
    dup: true,
  });
  const second = (await messages.next()).value;
  expect(second).toMatchObject({ topic: 'u', payload: new Uint8Array(0), qos: 0, retain: false });
  expect(second?.payload.buffer.byteLength).toBe(0);
});

test('reading is held from the mark on, until half of it is taken', async () => {
  const { native, deliver, add } = subscriptionsOf();
  const messages = await add('t', 4);
  deliver(1, 't', '1', '2', '3');
  expect(native.holds).toEqual([]);
  deliver(1, 't', '4', '5');
  expect([native.holds, messages.waiting]).toEqual([[true], 5]);
  await texts(messages, 2);
  expect(native.holds).toEqual([true]);
  await texts(messages, 1);
  expect(native.holds).toEqual([true, false]);
});

test('reading is held until the last that is full has room', async () => {
  const { native, deliver, add } = subscriptionsOf();
  const first = await add('t', 1);
  const second = await add('t', 1);
  deliver(1, 't', 'x');
  deliver(2, 't', 'x');
  await first.return();
  expect(native.holds).toEqual([true]);
  await texts(second, 1);
  expect(native.holds).toEqual([true, false]);
});

test('reading is not held while an answer of the broker is awaited', async () => {
  const { native, subscriptions, deliver, add } = subscriptionsOf();
  await add('t', 1);
  subscriptions.await(1);
  deliver(1, 't', 'x');
  expect(native.holds).toEqual([]);
  subscriptions.await(-1);
  expect(native.holds).toEqual([true]);
  subscriptions.await(1);
  expect(native.holds).toEqual([true, false]);
});

test('a subscription is given up that nobody takes from while reading goes on', async () => {
  const { native, subscriptions, deliver, add } = subscriptionsOf();
  const messages = await add('t', 1);
  subscriptions.await(1);
  const many = Array.from({ length: 65_536 }, () => '');
  deliver(1, 't', ...many);
  await expect(messages.next()).rejects.toMatchObject({ code: 'ERR_QUEUE_FULL' });
  expect([messages.waiting, native.subscribed.size]).toEqual([0, 0]);
});

test('one answer is for all that asked with it', async () => {
  const { native, subscriptions } = subscriptionsOf();
  native.subscribe = () => 7;
  const all = [1, 2].map(() => subscriptions.add('t', 1, 10, undefined));
  expect(subscriptions.onSubscribed(7, 0, undefined)).toBe(true);
  for (const { qos } of await Promise.all(all)) expect(qos).toBe(0);
});

test('a refusal rejects, and is taken back', async () => {
  const { native, subscriptions } = subscriptionsOf();
  const adding = subscriptions.add('t', 0, 10, undefined);
  expect(subscriptions.onSubscribed(1, 0, refused('t'))).toBe(true);
  await expect(adding).rejects.toMatchObject({ code: 'ERR_MQTT_SUBSCRIBE' });
  expect(native.subscribed.size).toBe(0);
});

test('a refusal after another connect ends those of its filter alone', async () => {
  const { subscriptions, deliver, add } = subscriptionsOf();
  const ours = await add('t');
  const other = await add('u');
  expect(subscriptions.onSubscribed(99, 0, refused('somebody/else'))).toBe(false);
  expect(subscriptions.onSubscribed(99, 0, undefined)).toBe(false);
  expect(subscriptions.onSubscribed(99, 0, refused('t'))).toBe(true);
  await expect(ours.next()).rejects.toMatchObject({ code: 'ERR_MQTT_SUBSCRIBE', detail: 't' });
  deliver(2, 'u', 'x');
  expect(await texts(other, 1)).toEqual(['x']);
});

test('what is asked for as the connection goes is asked for with the next one', async () => {
  const { native, subscriptions } = subscriptionsOf();
  native.isConnected = false;
  const adding = subscriptions.add('t', 0, 10, undefined);
  expect(native.subscribed.size).toBe(0);
  subscriptions.disconnected();
  native.isConnected = true;
  subscriptions.connected();
  subscriptions.onSubscribed(1, 0, undefined);
  expect((await adding).filter).toBe('t');
});

test('one that was left before it was asked for is not asked for', async () => {
  const { native, subscriptions } = subscriptionsOf();
  subscriptions.disconnected();
  const controller = new AbortController();
  const adding = subscriptions.add('t', 0, 10, controller.signal);
  controller.abort(new Error('enough'));
  await expect(adding).rejects.toThrow('enough');
  subscriptions.connected();
  expect(native.subscribed.size).toBe(0);
});

test('what a session has kept waits for its subscription, the newest of it', async () => {
  const { deliver, add } = subscriptionsOf({ persistent: true });
  deliver(0, 'a/b', ...Array.from({ length: 1_001 }, (_, i) => String(i)));
  deliver(0, 'c', 'other');
  const messages = await add('a/+');
  expect(messages.waiting).toBe(999);
  expect(await texts(messages, 1)).toEqual(['2']);
  expect((await add('a/b')).waiting).toBe(0);
  expect(await texts(await add('c'), 1)).toEqual(['other']);
});

test('what nobody has subscribed is dropped where no session is kept', async () => {
  const { deliver, add } = subscriptionsOf();
  deliver(0, 'a', 'x');
  expect((await add('a')).waiting).toBe(0);
});

test('closing rejects those that wait; the others end after what has come', async () => {
  const { native, subscriptions, deliver, add } = subscriptionsOf();
  const messages = await add('t');
  deliver(1, 't', 'x');
  const adding = subscriptions.add('u', 0, 10, undefined);
  subscriptions.close(closed);
  await expect(adding).rejects.toBe(closed);
  expect(await texts(messages, 2)).toEqual(['x', 'the end']);
  // The connection forgets them by itself, and a session of the broker keeps them.
  expect([...native.subscribed.values()]).toEqual(['t', 'u']);
});
