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
    switched: ({ deviceName }, isDisabled) =>
      calls.push(`${isDisabled ? 'dis' : 'en'}abled ${deviceName}`),
    reset: ({ deviceName }) => calls.push(`reset ${deviceName}`),
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
    disabled: false,
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

test('a device is disabled and enabled, once each, and a restart finds it so', async () => {
  await devices.add(key);
  await devices.disable(key);
  await devices.disable(key);
  const again = make();
  await again.load();
  expect(again.get(key)?.disabled).toBe(true);
  await again.enable(key);
  expect([again.get(key)?.disabled, calls]).toEqual([false, ['disabled lamp', 'enabled lamp']]);
  await expect(devices.disable({ ...key, deviceName: 'x' })).rejects.toMatchObject({
    code: 'ERR_DEVICE_UNKNOWN',
  });
});

test('a device is activated once, until it is reset', async () => {
  await devices.add(key);
  devices.activated(key);
  const first = clock.now();
  clock.advance(1);
  devices.activated(key);
  devices.activated({ ...key, deviceName: 'nobody' });
  expect(devices.get(key)?.activatedAt).toBe(first);
  await devices.reset(key);
  expect([devices.get(key)?.activatedAt, calls]).toEqual([undefined, ['reset lamp']]);
});

test('what a device reports while a change is committed is kept', async () => {
  await devices.add(key);
  const changing = devices.renewSecret(key);
  devices.setVersion(key, undefined, '1.0.0');
  const { deviceSecret } = await changing;
  const again = make();
  await again.load();
  expect(again.get(key)).toMatchObject({ deviceSecret, versions: { default: '1.0.0' } });
  expect(devices.get(key)).toMatchObject({ deviceSecret, versions: { default: '1.0.0' } });
});

test('a device that is removed while a change is committed stays removed', async () => {
  await devices.add(key);
  const changing = devices.disable(key);
  await Promise.all([devices.remove(key), changing]);
  const again = make();
  await again.load();
  expect([devices.list(), again.list()]).toEqual([[], []]);
});

test('records of earlier versions, which know of neither, are read', async () => {
  const record = { ...key, deviceSecret: 's', createdAt: 1, versions: { default: '1' } };
  store.put('device', 'lamp&a1', record);
  await devices.load();
  expect(devices.get(key)).toEqual({ ...record, disabled: false, presence: 'yes', online: true });
});
