import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { connect, type Device } from 'iotkit-ota';
import { type MessageBroker, reconnected, take, testMessages } from '../support/message-cases';
import { type Mosquitto, startOpenMosquitto } from '../support/mosquitto';
import { type Relay, startRelay } from '../support/relay';
import type { MoreOptions } from '../support/world';

// A mosquitto: every topic, and QoS 0 to 2.

let directory: string;
let mosquitto: Mosquitto;
let relay: Relay;
let count = 0;

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'iotkit-ota-messages-'));
  mosquitto = await startOpenMosquitto(directory);
  relay = await startRelay(mosquitto.port);
});

afterAll(async () => {
  await relay?.[Symbol.asyncDispose]();
  await mosquitto?.stop();
  await rm(directory, { recursive: true, force: true });
});

/** A device over the relay, or with `direct` beside it. */
async function connectDevice(options: MoreOptions = {}, direct = false): Promise<Device> {
  count += 1;
  const port = direct ? mosquitto.port : relay.port;
  return connect({
    productKey: 'a1Messages',
    deviceName: `device-${count}`,
    deviceSecret: 'any',
    url: `mqtt://127.0.0.1:${port}`,
    reconnect: { min: 1, max: 10 },
    ...options,
  } as Parameters<typeof connect>[0]);
}

async function openMosquitto(): Promise<MessageBroker> {
  return {
    relay,
    highest: 2,
    connect: (options) => connectDevice(options),
    [Symbol.asyncDispose]: async () => {},
  };
}

describe('at a mosquitto', () => testMessages(openMosquitto));

test('with QoS 2 each message arrives once, wherever the connection drops', async () => {
  const session = { cleanSession: false };
  await using sender = await connectDevice(session);
  await using receiver = await connectDevice(session);
  await using messages = await receiver.subscribe('exactly/once', { qos: 2 });
  const sent: Promise<void>[] = [];
  const texts: string[] = [];
  // A step of the exchange is 4 to 30 bytes: each cut falls into another one, on either connection.
  for (let bytes = 1; bytes <= 60; bytes++) {
    const backs = Promise.all([reconnected(sender), reconnected(receiver)]);
    const cut = relay.cutAfter(bytes % 2 === 0 ? 'up' : 'down', bytes);
    for (let i = 0; i < 5; i++) {
      const text = `${bytes}.${i}`;
      texts.push(text);
      sent.push(sender.publish('exactly/once', text, { qos: 2 }));
    }
    await cut;
    await backs;
  }
  await Promise.all(sent);
  await sender.publish('exactly/once', 'end', { qos: 2 });
  const came: string[] = [];
  for await (const message of messages) {
    if (message.text() === 'end') break;
    came.push(message.text());
  }
  expect(came).toEqual(texts);
});

test('a slow consumer pushes the broker back, and loses nothing', async () => {
  await using sender = await connectDevice({}, true);
  await using receiver = await connectDevice({}, true);
  await using messages = await receiver.subscribe('slow', { qos: 1, highWaterMark: 10 });
  const total = 20_000;
  const payload = new Uint8Array(1_000);
  for (let i = 0; i < total; i += 1_000) {
    const some = Array.from({ length: 1_000 }, () => sender.publish('slow', payload, { qos: 1 }));
    await Promise.all(some);
  }
  let most = 0;
  let came = 0;
  for await (const _ of messages) {
    most = Math.max(most, messages.waiting);
    came += 1;
    if (came === total) break;
  }
  // The mark, a batch, and what one step takes in besides; not 20,000.
  expect(most).toBeGreaterThan(9);
  expect(most).toBeLessThan(1_000);
});

test('a retained message comes to those who subscribe later, until it is taken back', async () => {
  await using device = await connectDevice();
  await device.publish('kept', 'still here', { retain: true, qos: 1 });
  await using messages = await device.subscribe('kept');
  const { value } = await messages.next();
  expect([value?.text(), value?.retain]).toEqual(['still here', true]);
  await device.publish('kept', '', { retain: true, qos: 1 });
});

test('the will is published when the connection is cut, not when the device closes', async () => {
  await using watcher = await connectDevice({}, true);
  await using wills = await watcher.subscribe('wills/#', { qos: 1 });
  const willOf = (name: string) => ({
    will: { topic: `wills/${name}`, payload: Uint8Array.of(0, 1, 255), qos: 1 as const },
  });
  const closed = await connectDevice(willOf('closed'));
  await closed.close();
  await using dropped = await connectDevice({ ...willOf('cut'), reconnect: { min: 60_000 } });
  relay.cut();
  const { value } = await wills.next();
  expect([value?.topic, [...(value?.payload ?? [])], value?.qos]).toEqual([
    'wills/cut',
    [0, 1, 255],
    1,
  ]);
  expect(dropped.productKey).toBe('a1Messages');
});

test('messages that waited in a persistent session come after the reconnect', async () => {
  // The timestamp is part of the client id, by which a mosquitto knows the session again.
  const session = { cleanSession: false, deviceName: 'sleeper', timestamp: 1 };
  const before = await connectDevice(session, true);
  await before.subscribe('while/away', { qos: 1 });
  await before.close();
  await using sender = await connectDevice({}, true);
  await sender.publish('while/away', 'you were away', { qos: 1 });
  await using after = await connectDevice(session, true);
  await using messages = await after.subscribe('while/away', { qos: 1 });
  expect(await take(messages, 1)).toEqual(['you were away']);
});

test('requests are answered by their ids, whatever the order of the replies', async () => {
  await using platform = await connectDevice({}, true);
  await using device = await connectDevice();
  const topic = device.topic('thing/post');
  await using requests = await platform.subscribe(topic);
  const replies = ['a', 'b'].map((name) =>
    device.request(topic, { method: 'm', params: { name } }),
  );
  const asked: { id: string; version: string; method: string; params: { name: string } }[] = [];
  while (asked.length < 2) asked.push((await requests.next()).value?.json() ?? fail());
  expect(asked[0]).toMatchObject({ version: '1.0', method: 'm' });
  for (const { id, params } of asked.reverse()) {
    const reply = { id, code: '200', message: 'success', data: params };
    await platform.publish(`${topic}_reply`, JSON.stringify(reply));
  }
  expect(await Promise.all(replies)).toMatchObject([
    { code: 200, message: 'success', data: { name: 'a' } },
    { code: 200, message: 'success', data: { name: 'b' } },
  ]);

  const refused = device.request(topic, { params: {} });
  const { id }: { id: string } = (await requests.next()).value?.json() ?? fail();
  const reply = { id, code: 460, message: 'parameter error', data: {} };
  await platform.publish(`${topic}_reply`, JSON.stringify(reply));
  await expect(refused).rejects.toMatchObject({
    code: 'ERR_NOTICE_CODE',
    detail: '460 parameter error',
  });
});

test('calls to the device and to a topic are answered once each', async () => {
  await using platform = await connectDevice({}, true);
  await using device = await connectDevice({ messages: { customRpc: true } });
  const { productKey, deviceName } = device;
  const base = `/sys/${productKey}/${deviceName}/rrpc`;
  await using answers = await platform.subscribe(`${base}/response/+`, { qos: 1 });
  await using custom = await platform.subscribe('/ext/rrpc/+/topic/of/its/own', { qos: 1 });
  using system = await device.onRpc((call) => `${call.id} ${call.text()}`);
  using own = await device.onRpc(async (call) => Buffer.from(`${call.id} of its own`), {
    topic: '/topic/of/its/own',
  });
  await platform.publish(`${base}/request/17`, 'hello', { qos: 1 });
  const answer = (await answers.next()).value;
  expect([answer?.topic, answer?.text()]).toEqual([`${base}/response/17`, '17 hello']);

  // The answer goes where the call came, so it comes back to the device as well.
  const called = '/ext/rrpc/18/topic/of/its/own';
  await platform.publish(called, 'hello', { qos: 1 });
  expect(await take(custom, 2)).toEqual(['hello', '18 of its own']);
  await platform.publish('/ext/rrpc/19/topic/of/its/own', 'again', { qos: 1 });
  expect(await take(custom, 2)).toEqual(['again', '19 of its own']);
  system.off();
  own.off();
});

/** Where there must have been a message. */
function fail(): never {
  throw new Error('the subscription has ended');
}
