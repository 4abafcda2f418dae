import { type Device, ManualClock, type Platform } from '../../src/index';
import { PRODUCT, TestDevice } from '../support/device';
import { startPlatform } from '../support/start';

const NOW = 1_700_000_000_000;
let platform: Platform;
let device: Device;
let lamp: TestDevice;

beforeEach(async () => {
  platform = await startPlatform({ clock: new ManualClock(NOW) });
  device = await platform.devices.add({ productKey: PRODUCT, deviceName: 'lamp' });
  lamp = await TestDevice.connect(platform, device, { parameters: '_ss=1' });
});

const method = 'thing.event.property.post';

async function post(payload: string): Promise<void> {
  await lamp.client.publishAsync(`/sys/${lamp.names}/thing/event/property/post`, payload);
}

async function reply(): Promise<unknown> {
  const { topic, payload } = await lamp.next();
  expect(topic).toBe(`/sys/${lamp.names}/thing/event/property/post_reply`);
  return JSON.parse(payload.toString());
}

test('a post is answered, told and kept until the next one', async () => {
  const posted = platform.waitFor('properties-posted');
  const params = { Power: { value: 1, time: 5 }, Colour: { r: 1 }, 'lock:Open': false };
  await post(JSON.stringify({ id: '7', version: '1.0', params, method }));
  const success = { id: '7', version: '1.0', code: 200, message: 'success', data: {}, method };
  expect(await reply()).toEqual(success);
  const properties = {
    Power: { value: 1, time: 5 },
    Colour: { value: { r: 1 }, time: NOW },
    'lock:Open': { value: false, time: NOW },
  };
  expect(await posted).toMatchObject({ deviceName: 'lamp', properties });
  await post('{"id":8,"params":{"Power":0}}');
  expect(await reply()).toMatchObject({ id: '8', code: 200 });
  const now = { ...properties, Power: { value: 0, time: NOW } };
  expect(platform.messages.properties.of(device)).toEqual(now);
  await platform.devices.remove(device);
  expect(platform.messages.properties.of(device)).toEqual({});
});

test('one that wants no answer gets none', async () => {
  const posted = platform.waitFor('properties-posted');
  await post('{"id":"1","sys":{"ack":0},"params":{"Power":1}}');
  await posted;
  await lamp.settle();
  expect(lamp.unread).toBe(0);
});

test.each([
  ['without a property', {}, 460],
  ['of a name that is none', { '1st': 1 }, 460],
  ['with a time that is none', { Power: { value: 1, time: 'now' } }, 460],
  ['of too many', Object.fromEntries([...Array(201).keys()].map((i) => [`P${i}`, i])), 6106],
])('a post %s is refused, and nothing is kept', async (_, params, code) => {
  const complaint = platform.waitFor('bad-message');
  await post(JSON.stringify({ id: '9', params }));
  expect(await reply()).toMatchObject({ id: '9', code });
  expect((await complaint).topic).toMatch(/property\/post$/);
  expect(platform.messages.properties.of(device)).toEqual({});
});

test('what is no message is not answered', async () => {
  for (const text of ['', '[]', '{"params":{"Power":1}}']) {
    const complaint = platform.waitFor('bad-message');
    await post(text);
    await complaint;
  }
  await lamp.settle();
  expect(lamp.unread).toBe(0);
});

test('of a device that posts ever new names, the oldest are forgotten', async () => {
  for (let i = 0; i < 6; i++) {
    const names = [...Array(200).keys()].map((each) => [`P${i * 200 + each}`, i]);
    await post(JSON.stringify({ id: '1', params: Object.fromEntries(names) }));
    expect(await reply()).toMatchObject({ code: 200 });
  }
  const kept = Object.keys(platform.messages.properties.of(device));
  expect([kept.length, kept[0], kept.at(-1)]).toEqual([1000, 'P200', 'P1199']);
});
