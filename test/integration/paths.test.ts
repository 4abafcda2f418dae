import { mkdir, open, readdir, readFile, writeFile } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';
import { setMaxDownloads, stats, type Target } from 'iotkit-ota';
import { imageOf } from '../support/image';
import { World } from '../support/world';

// Where a path leads is decided when the call is made, whatever is changed before it is opened.

const image = imageOf(1_000_003);

test('relative paths are resolved when the call is made, not when the file is opened', async () => {
  await using world = await World.open({
    faults: [{ kind: 'http-stall', afterBytes: 100_000, times: 1 }],
  });
  const before = process.cwd();
  setMaxDownloads(1);
  try {
    const first = await world.announce(image, { deviceName: 'first' });
    const devices = ['file', 'device'] as const;
    const [file, device] = await Promise.all(
      devices.map((deviceName, i) =>
        world.announce(image, { deviceName, firmware: { version: `2.1.${i}` } }),
      ),
    );
    await Promise.all([mkdir(world.path('here')), mkdir(world.path('there'))]);
    for (const name of ['here', 'there']) {
      await writeFile(world.path(`${name}/disk`), Buffer.alloc(image.length));
    }
    process.chdir(world.path('here'));
    // From here on in one turn, so that the first keeps its place however busy the machine is.
    const busy = first.upgrade.chunks();
    const begun = busy.next();
    const downloads = [
      file?.upgrade.download('firmware.bin'),
      device?.upgrade.download({ device: './disk', journal: 'disk.journal' }),
    ];
    expect(stats().waiting).toBe(2);
    process.chdir(world.path('there'));
    await begun;
    await busy.return();
    await Promise.all(downloads);
    for (const name of ['here/firmware.bin', 'here/disk']) {
      expect(image.equals(await readFile(world.path(name)))).toBe(true);
    }
    expect(await readdir(world.path('there'))).toEqual(['disk']);
  } finally {
    process.chdir(before);
    setMaxDownloads(2);
  }
});

test('file: URLs are targets', async () => {
  await using world = await World.open();
  const { upgrade } = await world.announce(image);
  const name = world.path('a b%20c.bin');
  await upgrade.download([pathToFileURL(name), { path: pathToFileURL(world.path('b.bin')) }]);
  for (const path of [name, world.path('b.bin')]) {
    expect(image.equals(await readFile(path))).toBe(true);
  }
});

test('a FileHandle is refused with what to give instead, and nothing is written', async () => {
  await using world = await World.open();
  const { upgrade } = await world.announce(image);
  await using handle = await open(world.path('a.bin'), 'w');
  await expect(upgrade.download(handle as unknown as Target)).rejects.toMatchObject({
    code: 'ERR_INVALID_ARGUMENT',
    message: expect.stringContaining('FileHandle'),
  });
  await upgrade.download(handle.createWriteStream());
  expect(image.equals(await readFile(world.path('a.bin')))).toBe(true);
});
