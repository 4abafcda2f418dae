import { readFile } from 'node:fs/promises';
import { ManualClock } from 'iotkit-ota-platform';
import { FirmwareRequests } from '../support/firmware-requests';
import { imageOf } from '../support/image';
import { World } from '../support/world';

const image = imageOf(400_009);
const quick = { fetch: { retry: { min: 1, max: 1 } } };

test('an address that has expired is renewed, and the download begins', async () => {
  const clock = new ManualClock();
  await using world = await World.open({ clock, urlLifetimeSeconds: 60 });
  const { device, upgrade, upgradeId } = await world.announce(image, { connect: quick });
  const requests = new FirmwareRequests(world);
  const renewed = world.platform.waitFor('notice-sent', ({ topic }) => topic.endsWith('get_reply'));
  clock.advance(61_000);
  await upgrade.download(world.path('a.bin'));
  expect(image.equals(await readFile(world.path('a.bin')))).toBe(true);
  await renewed;
  expect((await requests.told(1)).map(({ status }) => status)).toEqual([200]);
  await world.report(device, '2.0.0');
  expect((await world.outcome(upgradeId)).state).toBe('succeeded');
});

test('one that expires half way is renewed, and the same bytes go on', async () => {
  await using world = await World.open({
    faults: [
      { kind: 'http-drop', afterBytes: 200_000, times: 1 },
      { kind: 'http-expired', skip: 1, times: 1 },
    ],
  });
  const { upgrade } = await world.announce(image, { connect: quick });
  const requests = new FirmwareRequests(world);
  const renewed = world.platform.waitFor('notice-sent', ({ topic }) => topic.endsWith('get_reply'));
  await upgrade.download(world.path('a.bin'));
  await renewed;
  expect(image.equals(await readFile(world.path('a.bin')))).toBe(true);
  // The one that was dropped may be told after the next.
  const all = await requests.told(3);
  expect(all.map(({ status }) => status).sort()).toEqual([200, 206, 403]);
  const last = all.find(({ status }) => status === 206);
  const from = Number(/^bytes=(\d+)-/.exec(last?.range ?? '')?.[1]);
  expect(from).toBeGreaterThan(0);
  expect(last?.bytes).toBe(image.length - from);
});

test('the renewed notice is for the download alone: nobody is offered it', async () => {
  await using world = await World.open({ faults: [{ kind: 'http-expired', times: 1 }] });
  const { device, upgrade } = await world.announce(image, { connect: quick });
  const stop = new AbortController();
  const next = device.ota.upgrades({ signal: stop.signal }).next();
  await upgrade.download(world.path('a.bin'));
  await world.report(device, '1.0.0', { module: 'MCU' });
  stop.abort();
  await expect(next).rejects.toMatchObject({ name: 'AbortError' });
});

test('the upgrade of a module asks for that of the module', async () => {
  await using world = await World.open({ faults: [{ kind: 'http-expired', times: 1 }] });
  const device = await world.connect(await world.register(), quick);
  await world.report(device, '1.0.0', { module: 'MCU' });
  const next = device.ota.upgrades().next();
  const firmware = await world.store(image, { module: 'MCU' });
  await world.platform.upgrades.start({ firmwareId: firmware.id, devices: ['lamp'] });
  await (await next).value?.download(world.path('a.bin'));
  expect(image.equals(await readFile(world.path('a.bin')))).toBe(true);
});

test('without a connection the download waits for it, and goes on', async () => {
  await using world = await World.open({ faults: [{ kind: 'http-expired', times: 1 }] });
  const { device, upgrade } = await world.announce(image, {
    connect: { ...quick, reconnect: { min: 1, max: 10 } },
  });
  const away = world.platform.faults.set({ kind: 'mqtt-refuse', returnCode: 3 });
  world.platform.devices.disconnect(device);
  for await (const { state } of device.states()) if (state === 'waiting') break;
  const refused = world.platform.waitFor('download', ({ status }) => status === 403);
  const download = upgrade.download(world.path('a.bin'));
  await refused;
  world.platform.faults.remove(away);
  await download;
  expect(image.equals(await readFile(world.path('a.bin')))).toBe(true);
});

test('and not for ever', async () => {
  await using world = await World.open({ faults: [{ kind: 'http-expired' }] });
  const { device, upgrade } = await world.announce(image, {
    connect: { fetch: { ...quick.fetch, renewTimeout: 1 }, reconnect: { min: 1, max: 10 } },
  });
  world.platform.faults.set({ kind: 'mqtt-refuse', returnCode: 3 });
  world.platform.devices.disconnect(device);
  for await (const { state } of device.states()) if (state === 'waiting') break;
  await expect(upgrade.download(world.path('a.bin'))).rejects.toMatchObject({
    code: 'ERR_URL_EXPIRED',
  });
});

test('a server that refuses every address ends the download', async () => {
  await using world = await World.open({ faults: [{ kind: 'http-expired' }] });
  const { upgrade, upgradeId } = await world.announce(image, {
    connect: { fetch: { ...quick.fetch, maxRetries: 3 } },
  });
  await expect(upgrade.download(world.path('a.bin'))).rejects.toMatchObject({
    code: 'ERR_URL_EXPIRED',
  });
  expect(await world.outcome(upgradeId)).toMatchObject({ state: 'failed', step: -2 });
});

test('renewTimeout false: nobody is asked', async () => {
  await using world = await World.open({ faults: [{ kind: 'http-expired' }] });
  const { upgrade } = await world.announce(image, { connect: { fetch: { renewTimeout: false } } });
  const requests = new FirmwareRequests(world);
  await expect(upgrade.download(world.path('a.bin'))).rejects.toMatchObject({
    code: 'ERR_URL_EXPIRED',
  });
  expect((await requests.told(1)).map(({ status }) => status)).toEqual([403]);
});

test('a platform that has no such upgrade any more ends the download', async () => {
  await using world = await World.open({ faults: [{ kind: 'http-expired' }] });
  const { upgrade, upgradeId } = await world.announce(image, { connect: quick });
  await world.platform.upgrades.cancel(upgradeId);
  await expect(upgrade.download(world.path('a.bin'))).rejects.toMatchObject({
    code: 'ERR_URL_EXPIRED',
  });
});
