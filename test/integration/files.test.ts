import { lstat, mkdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { setMaxDownloads, stats } from 'iotkit-ota';
import { FaultServer, type Reply } from '../support/fault-server';
import { imageOf } from '../support/image';
import { announceServed } from '../support/served';
import { World } from '../support/world';

const image = imageOf(300_007);
const once = { maxRetries: 1, retry: { min: 1, max: 1 } };

test('the image before stays until the new one is verified', async () => {
  await using world = await World.open({
    faults: [{ kind: 'http-corrupt', offset: 300_000, times: 1 }],
  });
  const target = world.path('firmware.bin');
  await writeFile(target, 'the image before', { mode: 0o640 });
  const { upgrade } = await world.announce(image, { connect: { fetch: once } });

  await expect(upgrade.download(target)).rejects.toMatchObject({ code: 'ERR_DIGEST_MISMATCH' });
  expect(await readFile(target, 'utf8')).toBe('the image before');
  expect(await world.files()).toEqual(['firmware.bin']);

  await upgrade.download(target);
  expect(image.equals(await readFile(target))).toBe(true);
  expect((await stat(target)).mode & 0o777).toBe(0o640);
});

test('a directory that does not exist is named', async () => {
  await using world = await World.open();
  const { upgrade, upgradeId } = await world.announce(image);
  const target = world.path('missing/firmware.bin');
  const download = upgrade.download(target);
  await expect(download).rejects.toMatchObject({ code: 'ERR_FILE_NOT_FOUND' });
  await expect(download).rejects.toThrow(target);
  expect(await world.outcome(upgradeId)).toMatchObject({ state: 'failed', step: -4 });
});

test('a directory is no place for an image', async () => {
  await using world = await World.open();
  const { upgrade } = await world.announce(image);
  await mkdir(world.path('firmware.bin'));
  await expect(upgrade.download(world.path('firmware.bin'))).rejects.toMatchObject({
    code: 'ERR_INVALID_ARGUMENT',
  });
  expect(await world.files()).toEqual(['firmware.bin']);
});

test('two downloads into one file: the second is told', async () => {
  await using world = await World.open();
  let go = (): void => {};
  const told = new Promise<void>((resolve) => {
    go = resolve;
  });
  // The first one is in its middle until the second has ended.
  const reply: Reply = async (exchange) => {
    const { image } = exchange;
    await exchange.write(`HTTP/1.1 200 OK\r\nContent-Length: ${image.length}\r\n\r\n`);
    await exchange.write(image.subarray(0, 200_000));
    await told;
    await exchange.write(image.subarray(200_000));
  };
  await using server = await FaultServer.start({ image, schedule: [reply] });
  const left = await announceServed(world, server, image, { deviceName: 'left' });
  const right = await world.announce(image, {
    deviceName: 'right',
    firmware: { version: '2.0.1' },
  });
  const target = world.path('firmware.bin');
  const first = left.upgrade.download(target);
  for await (const { received } of left.upgrade.progress()) if (received > 0) break;
  const second = right.upgrade.download(target, { share: false });
  await expect(second).rejects.toMatchObject({ code: 'ERR_FILE_LOCKED', retryable: true });
  go();
  await first;
  expect(image.equals(await readFile(target))).toBe(true);
});

test('more downloads than are allowed at a time wait for their turn', async () => {
  await using world = await World.open({
    faults: [{ kind: 'http-slow', bytesPerSecond: 2_000_000, times: 1 }],
  });
  setMaxDownloads(1);
  try {
    const first = await world.announce(image, { deviceName: 'first' });
    const second = await world.announce(image, {
      deviceName: 'second',
      firmware: { version: '2.0.1' },
    });
    const waiting: number[] = [];
    await Promise.all([
      first.upgrade.download(world.path('first'), {
        onProgress: () => waiting.push(stats().waiting),
      }),
      second.upgrade.download(world.path('second')),
    ]);
    expect(Math.max(...waiting)).toBe(1);
  } finally {
    setMaxDownloads(2);
  }
});

test('a symbolic link is written through: what it leads to is replaced, and it stays', async () => {
  await using world = await World.open();
  await mkdir(world.path('real'));
  await writeFile(world.path('real/image'), 'old');
  await symlink('real/image', world.path('firmware.bin'));
  const { upgrade } = await world.announce(image);
  await upgrade.download(world.path('firmware.bin'));
  expect((await lstat(world.path('firmware.bin'))).isSymbolicLink()).toBe(true);
  expect(image.equals(await readFile(world.path('real/image')))).toBe(true);
});
