import { readFile } from 'node:fs/promises';
import { setMaxDownloads, stats } from 'iotkit-ota';
import { serve, status } from '../support/fault-replies';
import { FaultServer, type Reply } from '../support/fault-server';
import { imageOf } from '../support/image';
import { announceServed } from '../support/served';
import { World } from '../support/world';

// Downloads that receive nothing leave their place to others, and get another when bytes come.

const image = imageOf(2_000_003);
/** All devices want the same image. */
const alone = { share: false };
const patient = { retry: { min: 1, max: 1 } };
/** Takes the request and never answers. */
const silent: Reply = (exchange) => exchange.gone;
const away = status('503 Service Unavailable', {
  fields: { 'Retry-After': 3600, 'Content-Length': 0 },
});

let devices = 0;

/** An upgrade of a device of its own, from a server of its own. */
async function upgradeFrom(world: World, server: FaultServer) {
  devices += 1;
  const { upgrade } = await announceServed(world, server, image, {
    deviceName: `device${devices}`,
    version: `2.0.${devices}`,
    fetch: patient,
  });
  return upgrade;
}

/** Begins a download that is to end by an abort alone. */
async function begin(world: World, server: FaultServer) {
  const upgrade = await upgradeFrom(world, server);
  const ended = upgrade
    .download(world.path(`${upgrade.version}.bin`), alone)
    .catch((error) => error);
  return { upgrade, ended };
}

async function downloadsWell(world: World): Promise<void> {
  await using server = await FaultServer.start({ image, schedule: [serve()] });
  const upgrade = await upgradeFrom(world, server);
  const target = world.path('good.bin');
  await upgrade.download(target, alone);
  expect(image.equals(await readFile(target))).toBe(true);
}

afterEach(() => setMaxDownloads(2));

test.each<[string, number, Reply]>([
  ['that do not answer', 2, silent],
  ['that send little at a time', 2, serve({ bytesPerSecond: 1_000, step: 100 })],
  ['that stop in the middle', 2, serve({ after: 300_000, ending: 'stall' })],
  ['that are away', 2, away],
  ['that do not answer, many of them,', 7, silent],
])('servers %s do not stop the download of another', async (_, count, reply) => {
  await using world = await World.open();
  await using server = await FaultServer.start({ image, schedule: [reply] });
  setMaxDownloads(Math.min(count, 2));
  const stalled = await Promise.all(Array.from({ length: count }, () => begin(world, server)));
  await downloadsWell(world);
  await downloadsWell(world);
  for (const { upgrade } of stalled) upgrade.abort();
  for (const { ended } of stalled) expect(await ended).toMatchObject({ code: 'ERR_ABORTED' });
  expect(stats()).toMatchObject({ waiting: 0 });
});

test('a paused download does not stop another, and goes on when its turn comes', async () => {
  await using world = await World.open();
  await using server = await FaultServer.start({
    image,
    schedule: [serve({ bytesPerSecond: 4_000_000 })],
  });
  setMaxDownloads(1);
  const upgrade = await upgradeFrom(world, server);
  const target = world.path('paused.bin');
  const download = upgrade.download(target, alone);
  for await (const { received } of upgrade.progress()) if (received > 0) break;
  upgrade.pause();
  await downloadsWell(world);
  const other = downloadsWell(world);
  upgrade.resume();
  await Promise.all([download, other]);
  expect(image.equals(await readFile(target))).toBe(true);
});

test('a consumer that takes its time does not stop another download', async () => {
  await using world = await World.open();
  await using server = await FaultServer.start({ image, schedule: [serve()] });
  setMaxDownloads(1);
  const upgrade = await upgradeFrom(world, server);
  const parts: Uint8Array[] = [];
  for await (const chunk of upgrade.chunks({ chunkSize: 65_536 })) {
    parts.push(chunk);
    if (parts.length === 2 || parts.length === 9) await downloadsWell(world);
  }
  expect(image.equals(Buffer.concat(parts))).toBe(true);
  expect(server.requests).toHaveLength(1);
});

test('a writer that takes its time with its last chunk does not stop another download', async () => {
  await using world = await World.open();
  await using server = await FaultServer.start({ image, schedule: [serve()] });
  setMaxDownloads(1);
  const upgrade = await upgradeFrom(world, server);
  await upgrade.download({
    write: async (chunk, offset) => {
      if (offset + chunk.length === image.length) await downloadsWell(world);
    },
  });
});

test('an abort, and the end of the device, reach a download that waits for another turn', async () => {
  await using world = await World.open();
  await using server = await FaultServer.start({
    image,
    schedule: [serve({ bytesPerSecond: 1_000_000 })],
  });
  setMaxDownloads(1);
  const first = await begin(world, server);
  for await (const { received } of first.upgrade.progress()) if (received > 0) break;
  first.upgrade.pause();
  const second = await begin(world, server);
  for await (const { received } of second.upgrade.progress()) if (received > 0) break;
  first.upgrade.resume();
  first.upgrade.abort();
  expect(await first.ended).toMatchObject({ code: 'ERR_ABORTED' });
  second.upgrade.abort();
  expect(await second.ended).toMatchObject({ code: 'ERR_ABORTED' });
});
