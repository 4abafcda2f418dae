import { readFile } from 'node:fs/promises';
import type { Upgrade } from 'iotkit-ota';
import { imageOf } from '../support/image';
import { nextUpgrade, World } from '../support/world';

const image = imageOf(100_003);
const gone = { code: 'ERR_INVALID_STATE' };

test('a deferred upgrade comes again with the next connection', async () => {
  await using world = await World.open();
  const key = await world.register();
  const device = await world.connect(key, { reconnect: { min: 1, max: 1 } });
  await world.report(device, '1.0.0');
  const firmware = await world.store(image);
  const first = nextUpgrade(device);
  const { id } = await world.platform.upgrades.start({
    firmwareId: firmware.id,
    devices: ['lamp'],
  });
  const deferred = await first;
  await deferred.defer();
  await expect(deferred.download(world.path('a.bin'))).rejects.toMatchObject(gone);
  await expect(deferred.reject()).rejects.toMatchObject(gone);
  await expect(deferred.defer()).rejects.toMatchObject(gone);

  const again = nextUpgrade(device);
  world.platform.devices.disconnect(key);
  const upgrade = await again;
  expect(upgrade).not.toBe(deferred);
  expect(upgrade).toMatchObject({ version: '2.0.0', digest: firmware.sha256 });
  // Nothing was reported of it: the platform has only ever sent it.
  expect(world.platform.upgrades.get(id)?.tasks[0]?.state).toBe('pushed');
  await upgrade.download(world.path('a.bin'));
  await world.report(device, '2.0.0');
  expect((await world.outcome(id)).state).toBe('succeeded');
});

test('a deferred upgrade is had at once by check()', async () => {
  await using world = await World.open();
  const { device, upgrade, upgradeId } = await world.announce(image);
  await upgrade.defer();
  const asked = await device.ota.check();
  await asked?.download(world.path('a.bin'));
  expect(image.equals(await readFile(world.path('a.bin')))).toBe(true);
  await world.report(device, '2.0.0');
  expect((await world.outcome(upgradeId)).state).toBe('succeeded');
});

test('what check() has handed out is not offered again after a drop, and stays the same', async () => {
  await using world = await World.open();
  const key = await world.register();
  const device = await world.connect(key, { reconnect: { min: 1, max: 1 } });
  await world.report(device, '1.0.0');
  const firmware = await world.store(image);
  const { id } = await world.platform.upgrades.start({
    firmwareId: firmware.id,
    devices: ['lamp'],
    delivery: 'push',
  });
  const asked = (await device.ota.check()) as Upgrade;
  const back = world.platform.waitFor('device-connected');
  world.platform.devices.disconnect(key);
  await back;
  // Now at the latest the platform repeats its notice.
  await world.report(device, '1.0.0');
  // The answer to a question comes after the notice on the same connection.
  expect(await device.ota.check({ module: 'MCU' })).toBeUndefined();
  const none = new AbortController();
  const next = device.ota.nextUpgrade({ signal: none.signal });
  none.abort('nothing has come');
  await expect(next).rejects.toBe('nothing has come');
  expect(await device.ota.check()).toBe(asked);
  await asked.download(world.path('a.bin'));
  await world.report(device, '2.0.0');
  expect((await world.outcome(id)).state).toBe('succeeded');
});

test('a rejected upgrade has failed, with the reason', async () => {
  await using world = await World.open();
  const { device, upgrade, upgradeId, firmware } = await world.announce(image);
  await upgrade.reject('not while the lamp is on');
  expect(await world.outcome(upgradeId)).toMatchObject({
    state: 'failed',
    step: -1,
    desc: 'not while the lamp is on',
  });
  await expect(upgrade.download(world.path('a.bin'))).rejects.toMatchObject(gone);
  await expect(upgrade.chunks().next()).rejects.toMatchObject(gone);
  expect(await device.ota.check()).toBeUndefined();

  // The operator may start it once more: that is another notice.
  const again = nextUpgrade(device);
  await world.platform.upgrades.start({ firmwareId: firmware.id, devices: ['lamp'] });
  expect((await again).version).toBe('2.0.0');
});

test('a rejected upgrade is reported though there is no connection at that moment', async () => {
  await using world = await World.open();
  const key = await world.register();
  const device = await world.connect(key, { reconnect: { min: 1, max: 10 } });
  await world.report(device, '1.0.0');
  const firmware = await world.store(image);
  const announced = nextUpgrade(device);
  const { id } = await world.platform.upgrades.start({
    firmwareId: firmware.id,
    devices: ['lamp'],
  });
  const upgrade = await announced;
  const away = world.platform.faults.set({ kind: 'mqtt-refuse', returnCode: 3 });
  world.platform.devices.disconnect(key);
  for await (const { state } of device.states()) if (state === 'waiting') break;
  await upgrade.reject('no');
  world.platform.faults.remove(away);
  expect(await world.outcome(id)).toMatchObject({ state: 'failed', step: -1, desc: 'no' });
});

test('each module asks for its own upgrade where the platform does not push', async () => {
  await using world = await World.open();
  const device = await world.connect(await world.register());
  const modules = ['MCU', 'BMS'];
  const ids: string[] = [];
  for (const [i, module] of modules.entries()) {
    await world.report(device, '1.0.0', { module });
    expect(await device.ota.check({ module })).toBeUndefined();
    const firmware = await world.store(image, { module, version: `2.0.${i}` });
    const { id } = await world.platform.upgrades.start({
      firmwareId: firmware.id,
      devices: ['lamp'],
      delivery: 'pull',
      multiModule: true,
    });
    ids.push(id);
  }
  const asked = await Promise.all(modules.map((module) => device.ota.check({ module })));
  expect(asked).toMatchObject([
    { module: 'MCU', version: '2.0.0' },
    { module: 'BMS', version: '2.0.1' },
  ]);
  for (const [i, upgrade] of asked.entries()) {
    await upgrade?.download(world.path(`${i}.bin`));
    await world.report(device, `2.0.${i}`, { module: modules[i] as string });
    expect((await world.outcome(ids[i] as string)).state).toBe('succeeded');
  }
});

test('two modules are upgraded at once, each with progress of its own', async () => {
  await using world = await World.open();
  const device = await world.connect(await world.register());
  const modules = ['MCU', 'BMS'];
  const images = modules.map((_, i) => imageOf(1_000_003, i + 1));
  const reported: Record<string, number[]> = { MCU: [], BMS: [] };
  world.platform.on('progress', ({ module = '', step }) => reported[module]?.push(step));
  const upgrades = modules.map(async (module, i) => {
    await world.report(device, '1.0.0', { module });
    const data = images[i] as Buffer;
    const firmware = await world.store(data, { module, version: '2.0.0' });
    const next = device.ota.upgrades({ module }).next();
    const { id } = await world.platform.upgrades.start({
      firmwareId: firmware.id,
      devices: ['lamp'],
      multiModule: true,
    });
    return { id, module, upgrade: (await next).value, file: world.path(`${module}.bin`) };
  });
  const announced = await Promise.all(upgrades);
  await Promise.all(announced.map(({ upgrade, file }) => upgrade?.download(file)));
  for (const [i, { id, module, file }] of announced.entries()) {
    expect((images[i] as Buffer).equals(await readFile(file))).toBe(true);
    await world.report(device, '2.0.0', { module });
    expect((await world.outcome(id)).state).toBe('succeeded');
    const steps = reported[module] as number[];
    expect(steps).toEqual([...steps].sort((a, b) => a - b));
    expect([steps[0], steps.at(-1)]).toEqual([0, 100]);
  }
});
