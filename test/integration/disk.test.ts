import { spawnSync } from 'node:child_process';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Target } from 'iotkit-ota';
import { serve } from '../support/fault-replies';
import { FaultServer } from '../support/fault-server';
import { imageOf } from '../support/image';
import { runWell } from '../support/process';
import { announceServed, deviceVariable } from '../support/served';
import { World } from '../support/world';

// Disks that are full, directories that are read-only or vanish.

const program = path.join(__dirname, 'children', 'download.cjs');
const image = imageOf(3_000_017);
/** A disk of its own, in a namespace of its own, where the system lets one be made. */
const mounts = spawnSync('unshare', ['-rm', 'mount', '-t', 'tmpfs', 'none', '/mnt']).status === 0;
const withMounts = mounts ? test : test.skip;

interface Place {
  /** The mount option. */
  readonly size: string;
  /** Shell commands in the folder of the disk. */
  readonly prepare?: string;
  readonly target?: (disk: string) => Target | readonly Target[];
  /** Others take the room that is left, as soon as the first bytes have come. */
  readonly fill?: boolean;
}

/** What a download into a disk of its own says at its end. */
async function downloadInto({
  size,
  prepare = ':',
  target = (disk) => path.join(disk, 'firmware.bin'),
  fill = false,
}: Place): Promise<readonly unknown[]> {
  await using world = await World.open();
  await using server = await FaultServer.start({
    image,
    schedule: [serve({ bytesPerSecond: 6_000_000 })],
  });
  const { platform } = world;
  platform.faults.set({ kind: 'notice-patch', data: { url: server.url } });
  const device = await world.register();
  const { id: firmwareId } = await world.store(image);
  await platform.upgrades.start({ firmwareId, devices: [device.deviceName] });
  const disk = world.path('disk');
  await mkdir(disk);
  const script = [
    `mount -t tmpfs -o size=${size} none "$DISK"`,
    `(cd "$DISK" && ${prepare})`,
    'exec "$0" "$@"',
  ].join(' && ');
  const output = await runWell('unshare', ['-rm', 'sh', '-c', script, process.execPath, program], {
    env: {
      ...process.env,
      DEVICE: deviceVariable(world, device),
      DISK: disk,
      TARGET: JSON.stringify(target(disk)),
      ...(fill && { FILL: path.join(disk, 'filler') }),
    },
  });
  const lines = output.trim().split('\n');
  return lines.map((line): unknown => JSON.parse(line)).slice(-2);
}

withMounts('a disk that is too small is told before anything is fetched', async () => {
  expect(await downloadInto({ size: '2m' })).toEqual([{ ends: 'ERR_NO_SPACE' }, { left: [] }]);
});

withMounts('a disk that has room for one of two targets', async () => {
  const target = (disk: string) => ['a.bin', 'b.bin'].map((name) => path.join(disk, name));
  expect(await downloadInto({ size: '5m', target })).toEqual([
    { ends: 'ERR_NO_SPACE' },
    { left: [] },
  ]);
});

withMounts('a disk that others fill up: the room is reserved at the beginning', async () => {
  expect(await downloadInto({ size: '4m', fill: true })).toEqual([
    { ends: 'ok' },
    { left: ['filler', 'firmware.bin'] },
  ]);
});

withMounts('a sparse file on a disk without room for it, in place', async () => {
  const place = {
    size: '2m',
    prepare: `truncate -s ${image.length} slot`,
    target: (disk: string) => ({ device: path.join(disk, 'slot') }),
  };
  expect(await downloadInto(place)).toEqual([{ ends: 'ERR_NO_SPACE' }, { left: ['slot'] }]);
});

withMounts('a disk that may not be written', async () => {
  expect(await downloadInto({ size: '4m,ro' })).toEqual([
    { ends: 'ERR_FILE_ACCESS' },
    { left: [] },
  ]);
});

test.each(['download', 'chunks'] as const)(
  'an upgrade above maxSize is refused before anything is fetched or made: %s',
  async (how) => {
    await using world = await World.open();
    await using server = await FaultServer.start({ image, schedule: [serve()] });
    const { upgrade } = await announceServed(world, server, image, {
      fetch: { maxSize: image.length - 1 },
    });
    const consumed =
      how === 'download' ? upgrade.download(world.path('firmware.bin')) : upgrade.chunks().next();
    await expect(consumed).rejects.toMatchObject({
      code: 'ERR_NO_SPACE',
      detail: `${image.length} bytes are announced, and max_size is ${image.length - 1}`,
    });
    expect(server.requests).toEqual([]);
    expect(await world.files()).toEqual([]);
  },
);

test('an upgrade of maxSize bytes is taken', async () => {
  await using world = await World.open();
  await using server = await FaultServer.start({ image, schedule: [serve()] });
  const { upgrade } = await announceServed(world, server, image, {
    fetch: { maxSize: image.length },
  });
  await upgrade.download(world.path('firmware.bin'));
});

test('a directory that vanishes in the middle', async () => {
  await using world = await World.open();
  await using server = await FaultServer.start({
    image,
    schedule: [serve({ bytesPerSecond: 6_000_000 })],
  });
  const { upgrade } = await announceServed(world, server, image);
  const before = world.path('before');
  const after = world.path('after');
  await mkdir(before);
  const download = upgrade.download(path.join(before, 'firmware.bin'));
  download.catch(() => {});
  for await (const { received } of upgrade.progress()) if (received > 0) break;
  await rename(before, after);
  await expect(download).rejects.toMatchObject({ code: expect.stringMatching(/^ERR_FILE/) });
  expect((await world.files()).sort()).toEqual(['after']);
});

test('a part that another program has changed gets no name', async () => {
  await using world = await World.open();
  await using server = await FaultServer.start({
    image,
    schedule: [serve({ bytesPerSecond: 6_000_000 })],
  });
  const { upgrade } = await announceServed(world, server, image);
  const target = world.path('firmware.bin');
  const download = upgrade.download(target);
  download.catch(() => {});
  for await (const { received } of upgrade.progress()) if (received > 0) break;
  await writeFile(`${target}.new`, 'somebody else');
  await rename(`${target}.new`, `${target}.part`);
  await expect(download).rejects.toMatchObject({ code: 'ERR_FILE' });
  expect(await readFile(`${target}.part`, 'utf8')).toBe('somebody else');
});
