/** What messages must do at every broker: a table that is run against each. */
import type { Device, Payload, Qos, TopicSubscription } from 'iotkit-ota';
import type { Relay } from './relay';
import type { MoreOptions } from './world';

/** A broker, and the way to it that the test cuts. */
export interface MessageBroker extends AsyncDisposable {
  readonly relay: Relay;
  /** The highest that it takes. */
  readonly highest: Qos;
  /** A device of its own, over the relay. */
  readonly connect: (options?: MoreOptions) => Promise<Device>;
}

/** The next messages of a subscription, as texts. */
export async function take(messages: TopicSubscription, count: number): Promise<string[]> {
  const texts: string[] = [];
  while (texts.length < count) {
    const { value } = await messages.next();
    if (value === undefined) break;
    texts.push(value.text());
  }
  return texts;
}

/**
 * Resolves when a device has been connected again after this call. Of states that follow each other fast
 * only the last is told: between two connections there may be none.
 */
export function reconnected(device: Device): Promise<void> {
  return new Promise((resolve) => {
    const subscription = device.on('state', ({ state }) => {
      if (state !== 'connected') return;
      subscription.off();
      resolve();
    });
  });
}

const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
const long = new Uint8Array(100_000).fill(7);

interface PayloadCase {
  readonly name: string;
  readonly payload: Payload;
  readonly arrives: Uint8Array;
}

const payloads: readonly PayloadCase[] = [
  { name: 'nothing', payload: '', arrives: new Uint8Array(0) },
  { name: 'ASCII', payload: 'on', arrives: new TextEncoder().encode('on') },
  { name: 'other text', payload: 'ä€😀\0', arrives: new TextEncoder().encode('ä€😀\0') },
  { name: 'every byte', payload: bytes, arrives: bytes },
  { name: 'a Buffer', payload: Buffer.from(bytes), arrives: bytes },
  { name: 'an ArrayBuffer', payload: bytes.slice().buffer, arrives: bytes },
  {
    name: 'a view of a part',
    payload: new DataView(bytes.buffer, 10, 3),
    arrives: bytes.slice(10, 13),
  },
  {
    name: '16-bit words',
    payload: new Uint16Array(bytes.buffer, 0, 2),
    arrives: bytes.slice(0, 4),
  },
  { name: '100,000 bytes', payload: long, arrives: long },
];

const qualities: readonly Qos[] = [0, 1, 2];

/** Runs the table. */
export function testMessages(open: () => Promise<MessageBroker>): void {
  let broker: MessageBroker;
  const devices: Device[] = [];
  beforeAll(async () => {
    broker = await open();
  });
  afterEach(async () => {
    broker.relay.refuse(false);
    await Promise.all(devices.splice(0).map((device) => device.close()));
  });
  afterAll(() => broker?.[Symbol.asyncDispose]());

  const connect = async (options: MoreOptions = {}): Promise<Device> => {
    const device = await broker.connect({ reconnect: { min: 1, max: 10 }, ...options });
    devices.push(device);
    return device;
  };

  test.each(payloads)('$name arrives as it was sent', async ({ payload, arrives }) => {
    const device = await connect();
    await using messages = await device.subscribe(device.topic('user/get'));
    await device.publish(device.topic('user/get'), payload);
    const { value } = await messages.next();
    expect(value).toMatchObject({
      topic: device.topic('user/get'),
      qos: 0,
      retain: false,
      dup: false,
    });
    expect(Buffer.compare(value?.payload ?? bytes, arrives)).toBe(0);
  });

  const pairs = qualities.flatMap((sent) => qualities.map((wanted) => ({ sent, wanted })));
  test.each(pairs)('QoS $sent to a subscription of QoS $wanted', async ({ sent, wanted }) => {
    if (Math.max(sent, wanted) > broker.highest) return;
    const device = await connect();
    await using messages = await device.subscribe(device.topic('user/get'), { qos: wanted });
    expect(messages).toMatchObject({ qos: wanted, filter: device.topic('user/get') });
    await device.publish(device.topic('user/get'), 'x', { qos: sent });
    expect((await messages.next()).value?.qos).toBe(Math.min(sent, wanted));
  });

  test('messages come in the order in which they were published', async () => {
    const device = await connect();
    await using messages = await device.subscribe(device.topic('user/get'));
    const sent = Array.from({ length: 2_000 }, (_, i) => String(i));
    for (const text of sent) void device.publish(device.topic('user/get'), text);
    expect(await take(messages, sent.length)).toEqual(sent);
  });

  test('JSON is read back', async () => {
    const device = await connect();
    await using messages = await device.subscribe(device.topic('user/get'));
    await device.publish(device.topic('user/get'), JSON.stringify({ on: true }));
    const { value } = await messages.next();
    expect(value?.json()).toEqual({ on: true });
  });

  test('each subscription gets its own, filters that are the same or overlap included', async () => {
    const device = await connect();
    const filters = ['user/a', 'user/a', 'user/+', 'user/#', 'user/b'];
    const all = await Promise.all(filters.map((filter) => device.subscribe(device.topic(filter))));
    await device.publish(device.topic('user/a'), 'first');
    await device.publish(device.topic('user/b'), 'last');
    const [same, again, plus, rest, other] = all as [
      TopicSubscription,
      TopicSubscription,
      TopicSubscription,
      TopicSubscription,
      TopicSubscription,
    ];
    expect(await take(same, 1)).toEqual(['first']);
    expect(await take(again, 1)).toEqual(['first']);
    expect(await take(plus, 1)).toEqual(['first']);
    expect(await take(rest, 1)).toEqual(['first']);
    expect(await take(other, 1)).toEqual(['last']);
  });

  test('a subscription that is left gets nothing more, another of its filter does', async () => {
    const device = await connect();
    const left = await device.subscribe(device.topic('user/a'));
    await using other = await device.subscribe(device.topic('user/a'));
    await left.return();
    await device.publish(device.topic('user/a'), 'x');
    expect(await take(other, 1)).toEqual(['x']);
    expect(await left.next()).toEqual({ done: true, value: undefined });
    expect(left.waiting).toBe(0);
  });

  test('a subscription is restored after a drop', async () => {
    const device = await connect();
    await using messages = await device.subscribe(device.topic('user/a'), { qos: 1 });
    const back = reconnected(device);
    broker.relay.cut();
    await back;
    await device.publish(device.topic('user/a'), 'after', { qos: 1 });
    expect(await take(messages, 1)).toEqual(['after']);
  });

  test('what is published without a connection is sent with the next one, in order', async () => {
    const device = await connect();
    await using messages = await device.subscribe(device.topic('user/a'), { qos: 1 });
    await offline(device, broker.relay);
    const sent = ['1', '2', '3'].map((text) => device.publish(device.topic('user/a'), text));
    const second = device.subscribe(device.topic('user/a'));
    broker.relay.refuse(false);
    await Promise.all(sent);
    await using late = await second;
    // The filter is subscribed once, with the most that is asked for.
    expect(late.qos).toBe(1);
    expect(await take(messages, 3)).toEqual(['1', '2', '3']);
  });

  test('beyond the limit it is refused', async () => {
    const device = await connect({ messages: { maxWaiting: 2 } });
    await offline(device, broker.relay);
    const kept = [1, 2].map(() => device.publish(device.topic('user/a'), 'x', { qos: 1 }));
    const refused = device.publish(device.topic('user/a'), 'x', { qos: 1 });
    await expect(refused).rejects.toMatchObject({ code: 'ERR_QUEUE_FULL' });
    broker.relay.refuse(false);
    await Promise.all(kept);
  });

  test("with offline: 'refuse' it is refused at once", async () => {
    const device = await connect({ messages: { offline: 'refuse' } });
    await offline(device, broker.relay);
    for (const qos of [0, 1] as const) {
      const refused = device.publish(device.topic('user/a'), 'x', { qos });
      await expect(refused).rejects.toMatchObject({ code: 'ERR_NOT_CONNECTED', retryable: true });
    }
    const back = reconnected(device);
    broker.relay.refuse(false);
    await back;
    await device.publish(device.topic('user/a'), 'x', { qos: 1 });
  });

  test.each([true, false])(
    'a message of QoS 1 outlives drops that come in the middle of it; a clean session: %s',
    async (cleanSession) => {
      const device = await connect({ cleanSession });
      await using messages = await device.subscribe(device.topic('user/a'), { qos: 1 });
      // Of PUBLISH a part; of PUBLISH all, and of its acknowledgement nothing.
      for (const [way, left] of [
        ['up', 5],
        ['down', 1],
      ] as const) {
        const back = reconnected(device);
        const cut = broker.relay.cutAfter(way, left);
        const acknowledged = device.publish(device.topic('user/a'), way, { qos: 1 });
        await cut;
        await back;
        await acknowledged;
      }
      const texts = new Set<string>();
      for await (const message of messages) {
        if (texts.add(message.text()).size === 2) break;
      }
      expect([...texts]).toEqual(['up', 'down']);
    },
  );

  test('a message that waits is taken back by its signal', async () => {
    const device = await connect();
    await using messages = await device.subscribe(device.topic('user/a'), { qos: 1 });
    await offline(device, broker.relay);
    const controller = new AbortController();
    const aborted = device.publish(device.topic('user/a'), 'aborted', {
      signal: controller.signal,
    });
    const sent = device.publish(device.topic('user/a'), 'sent');
    controller.abort(new Error('enough'));
    await expect(aborted).rejects.toThrow('enough');
    broker.relay.refuse(false);
    await sent;
    expect(await take(messages, 1)).toEqual(['sent']);
  });

  test('a signal ends the wait for a subscription, and an iteration', async () => {
    const device = await connect();
    const during = new AbortController();
    const messages = await device.subscribe(device.topic('user/a'), { signal: during.signal });
    const next = messages.next();
    during.abort(new Error('enough'));
    await expect(next).rejects.toThrow('enough');

    await offline(device, broker.relay);
    const before = new AbortController();
    const waiting = device.subscribe(device.topic('user/a'), { signal: before.signal });
    before.abort(new Error('too late'));
    await expect(waiting).rejects.toThrow('too late');
    const already = device.subscribe(device.topic('user/a'), { signal: before.signal });
    await expect(already).rejects.toThrow('too late');
  });

  test('a consumer may await acknowledgements, however low its mark is', async () => {
    const device = await connect();
    const options = { qos: 1, highWaterMark: 1 } as const;
    await using requests = await device.subscribe(device.topic('user/request'), options);
    await using answers = await device.subscribe(device.topic('user/answer'));
    for (let i = 0; i < 100; i++) void device.publish(device.topic('user/request'), String(i));
    let count = 0;
    for await (const request of requests) {
      await device.publish(device.topic('user/answer'), request.payload, { qos: 1 });
      count += 1;
      if (count === 50) break;
    }
    expect((await take(answers, 50)).at(-1)).toBe('49');
  });

  test('close() rejects what waits, and ends iterations with what has come', async () => {
    const device = await connect();
    const messages = await device.subscribe(device.topic('user/a'));
    await device.publish(device.topic('user/a'), 'come', { qos: 1 });
    const first = await messages.next();
    expect(first.value?.text()).toBe('come');
    const next = messages.next();
    await offline(device, broker.relay);
    const settled = Promise.allSettled([
      device.publish(device.topic('user/a'), 'x'),
      device.publish(device.topic('user/a'), 'x', { qos: 1 }),
      device.subscribe(device.topic('user/b')),
    ]);
    await device.close();
    for (const outcome of await settled) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'ERR_CLOSED' } });
    }
    expect(await next).toEqual({ done: true, value: undefined });
    const closed = { code: 'ERR_CLOSED' };
    await expect(device.publish(device.topic('user/a'), 'x')).rejects.toMatchObject(closed);
    await expect(device.subscribe(device.topic('user/a'))).rejects.toMatchObject(closed);
  });

  test('close() awaits the acknowledgements of what is on its way', async () => {
    const device = await connect();
    const sent = Array.from({ length: 50 }, () =>
      device.publish(device.topic('user/a'), 'x', { qos: 1 }),
    );
    await device.close();
    await Promise.all(sent);
  });
}

/** Takes the connection away until the relay lets it through again. */
export async function offline(device: Device, relay: Relay): Promise<void> {
  relay.refuse(true);
  const left = new Promise<void>((resolve) => {
    const subscription = device.on('state', ({ state }) => {
      if (state === 'connected') return;
      subscription.off();
      resolve();
    });
  });
  relay.cut();
  await left;
}
