import { type Device, type Platform, signIn } from '../../src/index';
import { PRODUCT, TestDevice } from '../support/device';
import { rawDevice } from '../support/raw';
import { startPlatform } from '../support/start';

// One connection for each identity: which of two stays, and how the other ends.

const CONNACK = Buffer.from([0x20, 2, 0, 0]);
let platform: Platform;
let device: Device;

beforeEach(async () => {
  platform = await startPlatform();
  device = await platform.devices.add({ productKey: PRODUCT, deviceName: 'lamp' });
});

function closeOf({ client }: TestDevice): Promise<void> {
  return new Promise((resolve) => client.once('close', () => resolve()));
}

test.each([
  ['another connection of the device', () => TestDevice.connect(platform, device)],
  [
    'one with another client id',
    () => TestDevice.connect(platform, device, signIn(device, { clientId: 'b', timestamp: '1' })),
  ],
  ['its removal', () => platform.devices.remove(device)],
  ['its being disabled', () => platform.devices.disable(device)],
  ['the operator', async () => platform.devices.disconnect(device)],
])('a connection is cut without a packet by %s', async (_, cut) => {
  const came = platform.waitFor('device-connected');
  const raw = await rawDevice(platform, device);
  await came;
  await cut();
  await raw.closed;
  expect(raw.received()).toEqual(CONNACK);
});

test('a connection stays when another fails to sign in', async () => {
  const lamp = await TestDevice.connect(platform, device);
  const stranger = { ...device, deviceSecret: 'wrong' };
  await expect(TestDevice.connect(platform, stranger)).rejects.toMatchObject({ code: 4 });
  await lamp.settle();
  expect([lamp.client.connected, platform.devices.get(device)?.online]).toEqual([true, true]);
});

test.each([true, false])(
  'events tell the old one goes, then the new one comes; clean: %p',
  async (clean) => {
    const order: string[] = [];
    platform.on('device-connected', () => order.push('comes'));
    platform.on('device-disconnected', () => order.push('goes'));
    const first = await TestDevice.connect(platform, device, { clean });
    await first.subscribe();
    const closed = closeOf(first);
    const second = await TestDevice.connect(platform, device, { clean });
    await closed;
    await second.subscribe();
    await second.settle();
    expect(order).toEqual(['comes', 'goes', 'comes']);
    expect(platform.devices.get(device)?.online).toBe(true);

    const firmware = await platform.firmware.add({
      productKey: PRODUCT,
      version: '2',
      data: Buffer.from('x'),
    });
    await second.inform('1');
    await platform.upgrades.start({ firmwareId: firmware.id, devices: ['lamp'] });
    expect((await second.notice()).data.version).toBe('2');
  },
);

test('of many that come at once, one stays', async () => {
  const clients = await Promise.all(
    Array.from({ length: 8 }, () => TestDevice.connect(platform, device).catch(() => undefined)),
  );
  const last = await TestDevice.connect(platform, device);
  for (const each of clients) {
    if (each?.client.connected) await closeOf(each);
  }
  await last.settle();
  expect(last.client.connected).toBe(true);
  expect(platform.devices.get(device)?.online).toBe(true);
});
