import { ManualClock } from '../../src/base/clock';
import { Devices } from '../../src/devices/devices';
import { MemoryStore } from '../support/memory-store';

const key = { productKey: 'a1', deviceName: 'lamp' };
const clock = new ManualClock();
let store: MemoryStore;
let calls: string[];
let devices: Devices;

function make(): Devices {
  return new Devices(store, clock, {
    presence: ({ deviceName }) => (deviceName === 'lamp' ? 'yes' : 'unknown'),
    disconnect: ({ deviceName }) => calls.push(`disconnect ${deviceName}`),
    removed: ({ deviceName }) => calls.push(`removed ${deviceName}`),
  });
}

beforeEach(() => {
  store = new MemoryStore();
  calls = [];
  devices = make();
});

test('a device is registered with a secret of its own or of the caller', async () => {
  const lamp = await devices.add(key);
  expect(lamp).toEqual({
    ...key,
    deviceSecret: expect.stringMatching(/^[0-9a-f]{32}$/),
    createdAt: clock.now(),
    versions: {},
    presence: 'yes',
    online: true,
  });
  const fan = await devices.add({ ...key, deviceName: 'fan', deviceSecret: 'given' });
  expect(fan).toMatchObject({ deviceSecret: 'given', presence: 'unknown', online: false });
  expect(devices.list()).toEqual([lamp, fan]);
});

test('a device is registered once, and with a secret that can be typed', async () => {
  await devices.add(key);
  await expect(devices.add(key)).rejects.toMatchObject({ code: 'ERR_DEVICE_EXISTS' });
  const bad = devices.add({ ...key, deviceName: 'fan', deviceSecret: 'a b' });
  await expect(bad).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' });
});

test('a restart finds the devices and what they reported', async () => {
  await devices.add(key);
  devices.setVersion(key, undefined, '1.0.0');
  devices.setVersion(key, 'mcu', '7');
  devices.setVersion(key, 'mcu', '7');
  const before = devices.get(key);
  devices = make();
  await devices.load();
  expect(devices.get(key)).toEqual(before);
  expect(before?.versions).toEqual({ default: '1.0.0', mcu: '7' });
});

test('a device that reports while it is removed does not come back with a restart', async () => {
  await devices.add(key);
  const removed = devices.remove(key);
  devices.setVersion(key, undefined, '2.0.0');
  await removed;
  devices = make();
  await devices.load();
  expect(devices.list()).toEqual([]);
});

test('a device that is removed is gone, after its upgrades and its connection', async () => {
  await devices.add(key);
  await devices.remove(key);
  expect(calls).toEqual(['removed lamp']);
  expect([devices.get(key), await store.load('device')]).toEqual([undefined, []]);
  await expect(devices.remove(key)).rejects.toMatchObject({ code: 'ERR_DEVICE_UNKNOWN' });
});

test('a device can be disconnected, if it exists', async () => {
  await devices.add(key);
  devices.disconnect(key);
  expect(calls).toEqual(['disconnect lamp']);
  expect(() => devices.disconnect({ ...key, deviceName: 'x' })).toThrow(
    expect.objectContaining({ code: 'ERR_DEVICE_UNKNOWN' }),
  );
});
