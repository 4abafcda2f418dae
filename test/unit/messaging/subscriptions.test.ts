import { IotkitError } from '../../../lib/base/errors';
import { Inbox } from '../../../lib/messaging/inbox';
import { SubscriptionFeed, type TopicSubscription } from '../../../lib/messaging/subscription-feed';
import { Subscriptions } from '../../../lib/messaging/subscriptions';
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

test.each([0, 1, 64, 65, 10_000])('a payload of %i bytes keeps no other memory', async (size) => {
  const { subscriptions, add } = subscriptionsOf();
  const messages = await add('t');
  const payloads = Uint8Array.from({ length: 2 * size }, (_, i) => (i < size ? 1 : 2));
  const heads = Uint32Array.of(1, 0, 0, size, 1, 0, 0, size);
  subscriptions.onMessages(heads.buffer, ['t'], payloads.buffer);
  for (const byte of [1, 2]) {
    const payload = (await messages.next()).value?.payload;
    expect(payload).toEqual(new Uint8Array(size).fill(byte));
    expect(payload?.buffer.byteLength).toBe(size);
  }
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

test('what cannot be asked for once more waits for the next connection', async () => {
  const { native, subscriptions } = subscriptionsOf();
  subscriptions.disconnected();
  const all = ['t', 'u'].map((filter) => subscriptions.add(filter, 0, 10, undefined));
  const asked: string[] = [];
  native.subscribe = (_, filter) => {
    if (asked.push(filter) > 10) throw new Error('asked without end');
    return native.isConnected ? asked.length : 0;
  };
  native.isConnected = false; // which the addon knows first
  subscriptions.connected();
  expect(asked).toEqual(['t', 'u']);
  native.isConnected = true;
  subscriptions.connected();
  expect(asked).toEqual(['t', 'u', 't', 'u']);
  for (const packet of [3, 4]) subscriptions.onSubscribed(packet, 0, undefined);
  expect(await Promise.all(all)).toMatchObject([{ filter: 't' }, { filter: 'u' }]);
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

test('one that was left before the answer is not kept', async () => {
  const { subscriptions } = subscriptionsOf();
  const controller = new AbortController();
  const adding = subscriptions.add('t', 0, 10, controller.signal);
  controller.abort(new Error('enough'));
  await expect(adding).rejects.toThrow('enough');
  expect(subscriptions.onSubscribed(1, 0, undefined)).toBe(true);
  const ended = jest.spyOn(SubscriptionFeed.prototype, 'end');
  subscriptions.close(closed);
  expect(ended).not.toHaveBeenCalled();
  ended.mockRestore();
});

test('what the connection does not restore is asked for again after each connect', async () => {
  const native = Object.assign(new FakeDevice(), { restores: false });
  const asked: string[] = [];
  native.subscribe = (_, filter) => asked.push(filter);
  const subscriptions = new Subscriptions(native, false);
  subscriptions.connected();
  const adding = subscriptions.add('t', 0, 10, undefined);
  subscriptions.onSubscribed(1, 0, undefined);
  const granted = await adding;
  // This one is lost with the connection, and asked for again with the first.
  const unanswered = subscriptions.add('u', 0, 10, undefined);
  subscriptions.disconnected();
  expect(subscriptions.onSubscribed(2, 0, undefined)).toBe(false);
  subscriptions.connected();
  expect(asked).toEqual(['t', 'u', 't', 'u']);
  subscriptions.onSubscribed(4, 0, undefined);
  expect((await unanswered).filter).toBe('u');
  // Refused in this connection: its iteration ends.
  subscriptions.onSubscribed(3, 0, new IotkitError('ERR_MQTT_SUBSCRIBE', 't'));
  await expect(granted.next()).rejects.toMatchObject({ code: 'ERR_MQTT_SUBSCRIBE' });
  subscriptions.disconnected();
  subscriptions.connected();
  expect(asked).toEqual(['t', 'u', 't', 'u', 'u']);
});

test('what the broker had kept goes to a subscription that was added before it came here', async () => {
  const { deliver, add } = subscriptionsOf({ persistent: true });
  const [messages, others] = [await add('while/+'), await add('other')];
  deliver(0, 'while/away', 'kept');
  expect(await texts(messages, 1)).toEqual(['kept']);
  const again = await add('while/away');
  deliver(3, 'while/away', 'later');
  deliver(2, 'other', 'last');
  expect([await texts(again, 1), await texts(others, 1)]).toEqual([['later'], ['last']]);
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

test('one that is full does not hold reading beyond the end of its device', async () => {
  const { native, subscriptions, deliver, add } = subscriptionsOf();
  const messages = await add('t', 2);
  deliver(1, 't', '1', '2');
  subscriptions.close(closed);
  expect(native.holds).toEqual([true, false]);
  // What comes until the connection is gone holds nothing either.
  deliver(1, 't', '3');
  expect(native.holds).toEqual([true, false]);
  expect(await texts(messages, 4)).toEqual(['1', '2', '3', 'the end']);
});

test('the end of one device leaves those that share its connection as they are', async () => {
  const native = Object.assign(new FakeDevice(), { restores: false });
  const inbox = new Inbox((held) => native.holdReading(held), false);
  const [one, other] = [1, 2].map(() => new Subscriptions(native, false, inbox));
  const deliver = (...ids: number[]): void => {
    const heads = Uint32Array.from(ids.flatMap((id) => [id, 0, 0, 0]));
    inbox.onMessages(heads.buffer, ['t'], new ArrayBuffer(0));
  };
  const adding = [one, other].map((it) => {
    it?.connected();
    return it?.add('t', 0, 2, undefined);
  });
  for (const packet of [1, 2]) inbox.onSubscribed(packet, 0, undefined);
  const [left, kept] = (await Promise.all(adding)) as [TopicSubscription, TopicSubscription];
  deliver(1, 1, 2);
  one?.close(closed);
  deliver(1, 2);
  expect([native.holds, left.waiting, kept.waiting]).toEqual([[true, false, true], 2, 2]);
});
