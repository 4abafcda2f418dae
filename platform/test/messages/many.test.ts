import type { Device, Platform } from '../../src/index';
import { PRODUCT, TestDevice } from '../support/device';
import { startPlatform } from '../support/start';

let platform: Platform;
let lamp: Device;
let fan: Device;

beforeEach(async () => {
  platform = await startPlatform();
  [lamp, fan] = (await platform.devices.addAll([
    { productKey: PRODUCT, deviceName: 'lamp' },
    { productKey: PRODUCT, deviceName: 'fan' },
    { productKey: 'other', deviceName: 'lamp' },
  ])) as [Device, Device, Device];
});

async function connect(device: Device): Promise<TestDevice> {
  const came = platform.waitFor('device-connected');
  const connected = await TestDevice.connect(platform, device);
  await came;
  return connected;
}

test('devices are registered together, or none of them', async () => {
  const all = ['a', 'b', 'lamp'].map((deviceName) => ({ productKey: PRODUCT, deviceName }));
  const refused = platform.devices.addAll(all);
  await expect(refused).rejects.toMatchObject({ code: 'ERR_DEVICE_EXISTS' });
  expect(platform.devices.list()).toHaveLength(3);
  for (const list of [[], [all[0], all[0]], Array(1001).fill(all[0])]) {
    const wrong = platform.devices.addAll(list as never);
    await expect(wrong).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' });
  }
  const added = await platform.devices.addAll(all.slice(0, 2));
  expect(new Set(added.map(({ deviceSecret }) => deviceSecret)).size).toBe(2);
});

test('one message goes to many devices, on the topic of each', async () => {
  const one = await connect(lamp);
  await one.client.subscribeAsync(`/${one.names}/user/get`);
  const options = { productKey: PRODUCT, topic: 'user/get', payload: 'on' };
  const sent = await platform.messages.publishAll({ ...options, deviceNames: ['lamp', 'fan'] });
  expect(sent.map(({ deviceName, state }) => [deviceName, state])).toEqual([
    ['lamp', 'sent'],
    ['fan', 'offline'],
  ]);
  expect((await one.next()).payload.toString()).toBe('on');
  for (const wrong of [
    { ...options, deviceNames: [] },
    { ...options, deviceNames: Array(101).fill('lamp') },
    { ...options, deviceNames: ['lamp'], topic: '/sys/x' },
    { ...options, deviceNames: ['lamp'], qos: 2 as never },
  ]) {
    const refused = platform.messages.publishAll(wrong);
    await expect(refused).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' });
  }
  // Nothing is sent where one of them is not there.
  const unknown = platform.messages.publishAll({ ...options, deviceNames: ['lamp', 'x'] });
  await expect(unknown).rejects.toMatchObject({ code: 'ERR_DEVICE_UNKNOWN' });
  await one.settle();
  expect(one.unread).toBe(0);
});

test('a broadcast reaches all of a product that are connected, unsubscribed, and once', async () => {
  const one = await connect(lamp);
  const other = platform.devices.get({ productKey: 'other', deviceName: 'lamp' });
  const stranger = await connect(other as Device);
  const { id, devices } = await platform.messages.broadcast({ productKey: PRODUCT, payload: 'hi' });
  expect(devices).toBe(1);
  const { topic, payload } = await one.next();
  expect([topic, payload.toString()]).toEqual([`/sys/${one.names}/broadcast/request/${id}`, 'hi']);
  await one.client.subscribeAsync(`/sys/${one.names}/broadcast/request/+`);
  const second = await platform.messages.broadcast({ productKey: PRODUCT, payload: '2' });
  expect(second.id).not.toBe(id);
  expect((await one.next()).payload.toString()).toBe('2');
  for (const each of [one, stranger]) {
    await each.settle();
    expect(each.unread).toBe(0);
  }
});

test('a broadcast on a topic reaches those that have subscribed to it', async () => {
  const [one, two] = [await connect(lamp), await connect(fan)];
  await one.client.subscribeAsync(`/broadcast/${PRODUCT}/+`);
  const topic = `/broadcast/${PRODUCT}/news`;
  const said = await platform.messages.broadcast({ productKey: PRODUCT, topic, payload: 'x' });
  expect(said).toEqual({ productKey: PRODUCT, topic, devices: 1 });
  expect((await one.next()).topic).toBe(topic);
  await two.settle();
  expect(two.unread).toBe(0);
  // Another product's is not to be heard, and no device says anything there.
  await expect(two.client.subscribeAsync('/broadcast/other/news')).rejects.toThrow();
  const ended = new Promise<void>((resolve) => two.client.once('close', () => resolve()));
  two.client.publish(topic, 'x');
  await ended;
});

test.each([
  ['of another product', { topic: '/broadcast/other/x' }],
  ['that is none', { topic: `/sys/${PRODUCT}/lamp/x` }],
  ['with a wildcard', { topic: `/broadcast/${PRODUCT}/+` }],
  ['over 64 KiB', { payload: Buffer.alloc(65_537) }],
])('a broadcast %s is refused', async (_, change) => {
  const refused = platform.messages.broadcast({ productKey: PRODUCT, payload: 'x', ...change });
  await expect(refused).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' });
});
