import { readFile } from 'node:fs/promises';
import { setImmediate } from 'node:timers/promises';
import { setMaxDownloads, stats, type Upgrade } from 'iotkit-ota';
import { serve } from '../support/fault-replies';
import { FaultServer } from '../support/fault-server';
import { imageOf } from '../support/image';
import { startOrigin } from '../support/origin';
import { announceServed, quick } from '../support/served';
import { downloadThreads } from '../support/threads';
import { World } from '../support/world';

// A download that waits because it is told to.

const image = imageOf(4_000_037);
let others = 0;
const slow = serve({ bytesPerSecond: 8_000_000 });

/** Passes half a second: another device downloads, which a paused download does not keep from it. */
async function meanwhile(world: World): Promise<void> {
  others += 1;
  await using server = await FaultServer.start({ image, schedule: [slow] });
  const { upgrade } = await announceServed(world, server, image, {
    deviceName: `other${others}`,
    version: `2.0.${others}`,
  });
  await upgrade.download(world.path('other.bin'));
}

/** Pauses an upgrade when the first bytes of it have come. */
async function pauseInTheMiddle(upgrade: Upgrade): Promise<void> {
  for await (const { received } of upgrade.progress()) if (received > 0) break;
  upgrade.pause();
  expect(upgrade.paused).toBe(true);
}

test('a paused download receives nothing, and goes on where it was', async () => {
  const big = imageOf(64 * 1024 * 1024);
  // What two kernels and the transfer's buffers hold; far below the image.
  const inFlight = 24 * 1024 * 1024;
  const origin = await startOrigin(big);
  await using world = await World.open();
  try {
    const { upgrade } = await announceServed(world, origin, big);
    const target = world.path('firmware.bin');
    let latest = 0;
    const download = upgrade.download(target, {
      onProgress: ({ received }) => {
        if (received === 0) upgrade.pause();
        latest = received;
      },
    });
    for await (const _ of upgrade.progress()) if (upgrade.paused) break;
    const sending = await origin.next();
    await meanwhile(world);
    const taken = sending.taken();
    expect(taken - latest).toBeLessThan(inFlight);
    expect(taken).toBeLessThan(big.length);
    await meanwhile(world);
    expect(sending.taken()).toBe(taken);

    upgrade.resume();
    expect(upgrade.paused).toBe(false);
    await download;
    expect(sending.taken()).toBe(big.length);
    expect(big.equals(await readFile(target))).toBe(true);
  } finally {
    await origin.close();
  }
});

test('a download that is paused before its turn comes begins paused', async () => {
  await using world = await World.open();
  await using server = await FaultServer.start({ image, schedule: [serve()] });
  const { upgrade } = await announceServed(world, server, image);
  setMaxDownloads(1);
  try {
    const other = meanwhile(world);
    while (downloadThreads().length === 0) await setImmediate();
    const download = upgrade.download(world.path('firmware.bin'), { share: false });
    upgrade.pause();
    upgrade.pause();
    expect(stats().waiting).toBe(1);
    const [{ value }] = await Promise.all([upgrade.progress().next(), other]);
    expect(value).toMatchObject({ received: 0 });
    setMaxDownloads(2);
    await meanwhile(world);
    expect(server.requests.length).toBe(0);
    upgrade.resume();
    await download;
    expect(server.requests.length).toBe(1);
  } finally {
    setMaxDownloads(2);
  }
});

test('the idle time-out does not run while a download is paused', async () => {
  await using world = await World.open();
  await using server = await FaultServer.start({ image, schedule: [slow] });
  const { faults } = world.platform;
  faults.set({ kind: 'notice-patch', deviceName: 'lamp', data: { url: server.url } });
  const { upgrade } = await world.announce(image, {
    connect: { fetch: { ...quick, idleTimeout: 1_000 } },
  });
  const download = upgrade.download(world.path('firmware.bin'));
  await pauseInTheMiddle(upgrade);
  for (let i = 0; i < 3; i += 1) await meanwhile(world);
  upgrade.resume();
  await download;
  expect(server.requests.length).toBe(1);
});

test('an abort reaches a paused download', async () => {
  await using world = await World.open();
  await using server = await FaultServer.start({ image, schedule: [slow] });
  const { upgrade } = await announceServed(world, server, image);
  const download = upgrade.download(world.path('firmware.bin'));
  download.catch(() => {});
  await pauseInTheMiddle(upgrade);
  upgrade.abort();
  await expect(download).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  expect(upgrade.paused).toBe(false);
  expect(downloadThreads()).toEqual([]);
});

test('closing the device ends a paused download', async () => {
  await using world = await World.open();
  await using server = await FaultServer.start({ image, schedule: [slow] });
  const { upgrade, device } = await announceServed(world, server, image);
  const download = upgrade.download(world.path('firmware.bin'));
  download.catch(() => {});
  await pauseInTheMiddle(upgrade);
  await device.close();
  await expect(download).rejects.toMatchObject({ code: 'ERR_CLOSED' });
});

test('an iteration is paused as well', async () => {
  await using world = await World.open();
  await using server = await FaultServer.start({ image, schedule: [slow] });
  const { upgrade } = await announceServed(world, server, image);
  const parts: Uint8Array[] = [];
  for await (const chunk of upgrade.chunks({ chunkSize: 65_536 })) {
    parts.push(chunk);
    if (parts.length !== 3) continue;
    upgrade.pause();
    expect(upgrade.paused).toBe(true);
    void meanwhile(world).then(() => upgrade.resume());
  }
  expect(image.equals(Buffer.concat(parts))).toBe(true);
});

test('without a consumption there is nothing to pause, and the next one runs', async () => {
  await using world = await World.open();
  const { upgrade } = await world.announce(image);
  upgrade.pause();
  expect(upgrade.paused).toBe(false);
  upgrade.resume();
  await upgrade.download(world.path('firmware.bin'));
  upgrade.pause();
  expect(upgrade.paused).toBe(false);
  await upgrade.download(world.path('firmware.bin'));
});
