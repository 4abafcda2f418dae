import { readFile } from 'node:fs/promises';
import { FirmwareRequests } from '../support/firmware-requests';
import { imageOf, sha256 } from '../support/image';
import { nextUpgrade, World } from '../support/world';

const image = imageOf(200_003);

test('a device that is offline at the start of the job gets the notice when it connects', async () => {
  await using world = await World.open();
  const key = await world.register();
  const firmware = await world.store(image);
  const { id } = await world.platform.upgrades.start({
    firmwareId: firmware.id,
    devices: ['lamp'],
  });
  expect(world.platform.upgrades.get(id)?.tasks[0]?.state).toBe('pending');

  const device = await world.connect(key);
  const upgrade = nextUpgrade(device);
  await world.report(device, '1.0.0');
  await (await upgrade).download(world.path('firmware.bin'));
  await world.report(device, '2.0.0');

  expect((await world.outcome(id)).state).toBe('succeeded');
  expect(image.equals(await readFile(world.path('firmware.bin')))).toBe(true);
});

test('two devices have two upgrades at a time, each its own', async () => {
  await using world = await World.open();
  const names = ['left', 'right'];
  const images = names.map((_, i) => imageOf(2_000_003, i + 1));

  const announced = await Promise.all(
    names.map((deviceName, i) =>
      world.announce(images[i] as Buffer, {
        deviceName,
        firmware: { version: `2.0.${i}` },
      }),
    ),
  );
  await Promise.all(
    announced.map(({ upgrade }, i) => upgrade.download(world.path(names[i] as string))),
  );

  for (const [i, name] of names.entries()) {
    expect(announced[i]?.upgrade.version).toBe(`2.0.${i}`);
    expect((images[i] as Buffer).equals(await readFile(world.path(name)))).toBe(true);
    await announced[i]?.device.ota.reportVersion(`2.0.${i}`);
    expect((await world.outcome(announced[i]?.upgradeId as string)).state).toBe('succeeded');
  }
});

test('a module is upgraded besides the default one', async () => {
  await using world = await World.open();
  const key = await world.register();
  const device = await world.connect(key);
  await world.report(device, '1.0.0');
  await world.report(device, '0.9.0', { module: 'MCU' });
  expect(world.platform.devices.get(key)?.versions).toEqual({ default: '1.0.0', MCU: '0.9.0' });

  const announced = nextUpgrade(device);
  const firmware = await world.store(image, { module: 'MCU', version: '1.1.0' });
  const { id } = await world.platform.upgrades.start({
    firmwareId: firmware.id,
    devices: ['lamp'],
  });
  const upgrade = await announced;
  expect(upgrade).toMatchObject({ module: 'MCU', version: '1.1.0' });

  await upgrade.download(world.path('mcu.bin'));
  // Another module's version says nothing about this upgrade.
  await world.report(device, '1.1.0');
  expect(world.platform.upgrades.get(id)?.settled).toBe(false);
  await world.report(device, '1.1.0', { module: 'MCU' });
  expect((await world.outcome(id)).state).toBe('succeeded');
});

test('a redirect is followed', async () => {
  await using world = await World.open({ faults: [{ kind: 'http-redirect', hops: 3 }] });
  const { upgrade } = await world.announce(image);
  await upgrade.download(world.path('firmware.bin'));
  expect(image.equals(await readFile(world.path('firmware.bin')))).toBe(true);
});

test('a body in chunks without a length arrives whole', async () => {
  await using world = await World.open({ faults: [{ kind: 'http-chunked', chunkBytes: 1001 }] });
  const { upgrade } = await world.announce(image);
  await upgrade.download(world.path('firmware.bin'));
  expect(image.equals(await readFile(world.path('firmware.bin')))).toBe(true);
});

test('a download goes on where the connection broke', async () => {
  await using world = await World.open({
    faults: [{ kind: 'http-drop', afterBytes: 70_000, times: 2 }],
  });
  const requests = new FirmwareRequests(world);
  const { upgrade } = await world.announce(image, {
    connect: { fetch: { maxRetries: 1, retry: { min: 1, max: 1 } } },
  });
  await upgrade.download(world.path('firmware.bin'));

  expect(image.equals(await readFile(world.path('firmware.bin')))).toBe(true);
  const ranges = (await requests.told(3)).map(({ range }) => range);
  expect(ranges).toHaveLength(3);
  expect(ranges[0]).toBeUndefined();
  expect(ranges[1]).toMatch(/^bytes=\d+-/);
  expect(ranges[2]).toMatch(/^bytes=\d+-/);
});

test('a device asks for its upgrade where the platform does not push', async () => {
  await using world = await World.open();
  const device = await world.connect(await world.register());
  await world.report(device, '1.0.0');
  expect(await device.ota.check()).toBeUndefined();

  const firmware = await world.store(image);
  const { id } = await world.platform.upgrades.start({
    firmwareId: firmware.id,
    devices: ['lamp'],
    delivery: 'pull',
  });
  const upgrade = await device.ota.check();
  await upgrade?.download(world.path('firmware.bin'));
  await world.report(device, '2.0.0');
  expect((await world.outcome(id)).state).toBe('succeeded');
});

test('every spelling of a notice is understood', async () => {
  const data = {
    size: String(image.length),
    signMethod: 'Sha256',
    sign: sha256(image).toUpperCase(),
  };
  await using world = await World.open({ faults: [{ kind: 'notice-patch', data }] });
  const { upgrade } = await world.announce(image, { firmware: { extData: { key1: 'ä "1"' } } });
  expect(upgrade).toMatchObject({ size: image.length, extData: { key1: 'ä "1"' } });
  await upgrade.download(world.path('firmware.bin'));
  expect(image.equals(await readFile(world.path('firmware.bin')))).toBe(true);
});

test('an address of 4,000 characters is fetched', async () => {
  await using world = await World.open({ urlMinLength: 4000 });
  const { upgrade } = await world.announce(image);
  expect(upgrade.url.length).toBeGreaterThanOrEqual(4000);
  await upgrade.download(world.path('firmware.bin'));
  expect(image.equals(await readFile(world.path('firmware.bin')))).toBe(true);
});

test('plain connections serve where TLS is not wanted', async () => {
  await using world = await World.open({ firmwareScheme: 'http' });
  const { upgrade, device } = await world.announce(image, {
    connect: { url: world.platform.mqttUrl, tls: false },
  });
  await upgrade.download(world.path('firmware.bin'));
  await world.report(device, '2.0.0');
  expect(image.equals(await readFile(world.path('firmware.bin')))).toBe(true);
});
