import { imageOf } from '../support/image';
import { nextUpgrade, World } from '../support/world';

const quick = { reconnect: { min: 1, max: 10 } };

test('a dropped device comes back with its subscriptions', async () => {
  await using world = await World.open();
  const { platform } = world;
  const device = await world.connect(await world.register(), quick);
  await world.report(device, '1.0.0');

  const dropped = platform.waitFor('device-disconnected');
  const back = platform.waitFor('device-connected');
  platform.faults.set({ kind: 'mqtt-drop', on: 'publish', times: 1 });
  const report = device.ota.reportVersion('1.0.1');
  await dropped;
  await back;
  await report;

  const upgrade = nextUpgrade(device);
  const firmware = await world.store(imageOf(1000));
  await platform.upgrades.start({ firmwareId: firmware.id, devices: ['lamp'] });
  expect((await upgrade).version).toBe('2.0.0');
});

test('a report whose acknowledgement got lost is sent again after the reconnect', async () => {
  await using world = await World.open();
  const { platform } = world;
  const key = await world.register();
  const device = await world.connect(key, quick);
  platform.faults.set({ kind: 'mqtt-no-puback', times: 1 });
  const first = platform.waitFor('version-reported');
  const report = device.ota.reportVersion('1.0.0');
  await first;
  platform.faults.set({ kind: 'mqtt-drop', on: 'publish', times: 1 });
  const second = platform.waitFor('version-reported', (event) => event.module === undefined);
  const module = platform.waitFor('version-reported', (event) => event.module === 'MCU');
  const other = device.ota.reportVersion('1.0.0', { module: 'MCU' });
  await second;
  await Promise.all([report, other]);
  await module;
  expect(platform.devices.get(key)?.versions).toEqual({ default: '1.0.0', MCU: '1.0.0' });
});

test('a device with a persistent session gets the notice it has missed', async () => {
  await using world = await World.open();
  const key = await world.register();
  const before = await world.connect(key, { cleanSession: false });
  await world.report(before, '1.0.0');
  // The device has ended its connection before the platform knows.
  const gone = world.platform.waitFor('device-disconnected');
  await before.close();
  await gone;

  const firmware = await world.store(imageOf(1000));
  const { id } = await world.platform.upgrades.start({
    firmwareId: firmware.id,
    devices: ['lamp'],
  });
  expect(world.platform.upgrades.get(id)?.tasks[0]?.state).toBe('pending');
  const after = await world.connect(key, { cleanSession: false });
  const upgrade = await nextUpgrade(after);
  await upgrade.download(world.path('firmware.bin'));
  await world.report(after, '2.0.0');
  expect((await world.outcome(id)).state).toBe('succeeded');
});
