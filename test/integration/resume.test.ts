import diagnostics from 'node:diagnostics_channel';
import { open, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { channelNames, type DownloadOptions, type Target, type Upgrade } from 'iotkit-ota';
import { serve } from '../support/fault-replies';
import { FaultServer, type Reply } from '../support/fault-server';
import { imageOf } from '../support/image';
import { announceServed } from '../support/served';
import { World } from '../support/world';

// What an interrupted download leaves, and what the next one makes of it.

const image = imageOf(4_000_037);
const CUT = 2_000_000;
/** Between two places from which a download of the image may go on, and what is in flight. */
const STEP = 128 * 1024;

/** Serves up to the cut and then nothing more. */
const half = serve({ after: CUT, ending: 'stall' });

interface Scene extends AsyncDisposable {
  readonly world: World;
  readonly server: FaultServer;
  readonly upgrade: Upgrade;
  readonly target: string;
}

async function openScene(...schedule: Reply[]): Promise<Scene> {
  const world = await World.open();
  const server = await FaultServer.start({ image, schedule });
  const { upgrade } = await announceServed(world, server, image);
  return {
    world,
    server,
    upgrade,
    target: world.path('firmware.bin'),
    [Symbol.asyncDispose]: async () => {
      await world[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

/** Downloads until `CUT` bytes are there, and then not on. */
async function interrupt(
  upgrade: Upgrade,
  target: Target | readonly Target[],
  options: DownloadOptions = {},
): Promise<void> {
  const reason = new Error('interrupted');
  const onProgress = ({ received }: { readonly received: number }): void => {
    if (received === CUT) upgrade.abort(reason);
  };
  await expect(upgrade.download(target, { ...options, onProgress })).rejects.toBe(reason);
}

/** Downloads to the end; where the progress began. */
async function finish(
  upgrade: Upgrade,
  target: Target | readonly Target[],
  options: DownloadOptions = {},
): Promise<number | undefined> {
  const seen: number[] = [];
  await upgrade.download(target, { ...options, onProgress: (it) => seen.push(it.received) });
  expect(seen.at(-1)).toBe(image.length);
  return seen[0];
}

const rangesOf = (server: FaultServer): string[] => server.requests.map(({ range = '' }) => range);

async function expectWhole(target: string): Promise<void> {
  expect(image.equals(await readFile(target))).toBe(true);
}

async function invert(file: string, offset: number): Promise<void> {
  const handle = await open(file, 'r+');
  const byte = Buffer.alloc(1);
  await handle.read(byte, 0, 1, offset);
  byte[0] = ~(byte[0] as number);
  await handle.write(byte, 0, 1, offset);
  await handle.close();
}

test('an interrupted download goes on at the byte where it ended', async () => {
  await using scene = await openScene(half, serve());
  const { world, server, upgrade, target } = scene;
  const told: unknown[] = [];
  const listener = (message: unknown): void => {
    const { received, resumed } = message as { received: number; resumed: number };
    told.push({ received, resumed });
  };
  diagnostics.subscribe(channelNames.downloadEnd, listener);
  try {
    await interrupt(upgrade, target);
    expect((await world.files()).sort()).toEqual([
      'firmware.bin.part',
      'firmware.bin.part.journal',
    ]);
    expect(await finish(upgrade, target)).toBe(CUT);
  } finally {
    diagnostics.unsubscribe(channelNames.downloadEnd, listener);
  }
  expect(rangesOf(server)).toEqual(['', `bytes=${CUT}-`]);
  expect(told).toEqual([
    { received: CUT, resumed: 0 },
    { received: image.length, resumed: CUT },
  ]);
  await expectWhole(target);
  expect(await world.files()).toEqual(['firmware.bin']);
});

test('what the image before left is no beginning of another', async () => {
  await using scene = await openScene(half);
  const { world, upgrade, target } = scene;
  await interrupt(upgrade, target);
  const other = imageOf(3_000_011, 2);
  await using server = await FaultServer.start({ image: other, schedule: [serve()] });
  const next = await announceServed(world, server, other, {
    deviceName: 'other',
    version: '2.0.1',
  });
  await next.upgrade.download(target);
  expect(rangesOf(server)).toEqual(['']);
  expect(other.equals(await readFile(target))).toBe(true);
  expect(await world.files()).toEqual(['firmware.bin']);
});

test('with resume: false nothing is used and nothing is left', async () => {
  await using scene = await openScene(half, half, half, serve());
  const { world, server, upgrade, target } = scene;
  await interrupt(upgrade, target);
  await interrupt(upgrade, target, { resume: false });
  expect(await world.files()).toEqual([]);
  await interrupt(upgrade, target);
  expect(await finish(upgrade, target, { resume: false })).toBe(0);
  expect(rangesOf(server)).toEqual(['', '', '', '']);
  await expectWhole(target);
  expect(await world.files()).toEqual(['firmware.bin']);
});

test('nothing received, nothing left', async () => {
  await using scene = await openScene(serve({ after: 0, ending: 'stall' }));
  const { world, upgrade, target } = scene;
  const reason = new Error('enough');
  const onProgress = (): void => upgrade.abort(reason);
  await expect(upgrade.download(target, { onProgress })).rejects.toBe(reason);
  expect(await world.files()).toEqual([]);
});

describe('what is there is proven', () => {
  test('a part that was damaged is used up to the damage', async () => {
    await using scene = await openScene(half, serve());
    const { server, upgrade, target } = scene;
    const damaged = 1_234_567;
    await interrupt(upgrade, target);
    await invert(`${target}.part`, damaged);
    const began = (await finish(upgrade, target)) as number;
    expect(began).toBeLessThanOrEqual(damaged);
    expect(began).toBeGreaterThan(damaged - STEP);
    expect(rangesOf(server)).toEqual(['', `bytes=${began}-`]);
    await expectWhole(target);
  });

  test('a part that lost its end is used up to there', async () => {
    await using scene = await openScene(half, serve());
    const { upgrade, target } = scene;
    await interrupt(upgrade, target);
    await truncate(`${target}.part`, 1_000_000);
    const began = (await finish(upgrade, target)) as number;
    expect(began).toBeLessThanOrEqual(1_000_000);
    expect(began).toBeGreaterThan(1_000_000 - STEP);
    await expectWhole(target);
  });

  test.each<[string, (journal: string) => Promise<void>]>([
    ['is gone', (journal) => rm(journal)],
    ['is empty', (journal) => truncate(journal, 0)],
    ['ends in its head', (journal) => truncate(journal, 10)],
    ['is something else', (journal) => writeFile(journal, imageOf(5000, 3))],
    ['has a damaged head', (journal) => invert(journal, 3)],
  ])('a part whose journal %s is fetched again', async (_, damage) => {
    await using scene = await openScene(half, serve());
    const { world, server, upgrade, target } = scene;
    await interrupt(upgrade, target);
    await damage(`${target}.part.journal`);
    expect(await finish(upgrade, target)).toBe(0);
    expect(rangesOf(server)).toEqual(['', '']);
    await expectWhole(target);
    expect(await world.files()).toEqual(['firmware.bin']);
  });

  test('a journal whose last record is cut is used up to there', async () => {
    await using scene = await openScene(half, serve());
    const { upgrade, target } = scene;
    await interrupt(upgrade, target);
    const journal = `${target}.part.journal`;
    await truncate(journal, (await stat(journal)).size - 1);
    const began = (await finish(upgrade, target)) as number;
    expect(began).toBeLessThan(CUT);
    expect(began).toBeGreaterThan(CUT - STEP);
    await expectWhole(target);
  });
});

describe('an image that is wrong though only its end was fetched', () => {
  const corruptHalf = serve({ after: CUT, corruptAt: 1_000_000, ending: 'stall' });

  test('is fetched once more from its beginning', async () => {
    await using scene = await openScene(corruptHalf, serve());
    const { world, server, upgrade, target } = scene;
    await interrupt(upgrade, target);
    expect(await finish(upgrade, target)).toBe(CUT);
    expect(rangesOf(server)).toEqual(['', `bytes=${CUT}-`, '']);
    await expectWhole(target);
    expect(await world.files()).toEqual(['firmware.bin']);
  });

  test('and if that is wrong as well, it has failed and nothing is left', async () => {
    const corrupt = serve({ corruptAt: 3_000_000 });
    await using scene = await openScene(corruptHalf, serve(), corrupt);
    const { world, server, upgrade, target } = scene;
    await interrupt(upgrade, target);
    await expect(upgrade.download(target)).rejects.toMatchObject({ code: 'ERR_DIGEST_MISMATCH' });
    expect(rangesOf(server)).toEqual(['', `bytes=${CUT}-`, '']);
    expect(await world.files()).toEqual([]);
  });
});

describe('several targets', () => {
  test('go on where the one with the least has ended', async () => {
    await using scene = await openScene(half, serve());
    const { world, server, upgrade, target } = scene;
    const other = world.path('other.bin');
    await interrupt(upgrade, [target, other]);
    await truncate(`${other}.part`, 1_000_000);
    const began = (await finish(upgrade, [other, target])) as number;
    expect(began).toBeLessThanOrEqual(1_000_000);
    expect(began).toBeGreaterThan(1_000_000 - STEP);
    expect(rangesOf(server)[1]).toBe(`bytes=${began}-`);
    await expectWhole(target);
    await expectWhole(other);
    expect((await world.files()).sort()).toEqual(['firmware.bin', 'other.bin']);
  });

  test('begin at byte 0 if one of them has nothing', async () => {
    await using scene = await openScene(half, serve());
    const { world, server, upgrade, target } = scene;
    await interrupt(upgrade, target);
    const other = world.path('other.bin');
    expect(await finish(upgrade, [other, target])).toBe(0);
    expect(rangesOf(server)).toEqual(['', '']);
    await expectWhole(target);
    await expectWhole(other);
    expect((await world.files()).sort()).toEqual(['firmware.bin', 'other.bin']);
  });
});

describe('a device', () => {
  test('goes on by its journal', async () => {
    await using scene = await openScene(half, serve());
    const { world, server, upgrade, target } = scene;
    const journal = world.path('journal');
    await writeFile(target, Buffer.alloc(image.length + 4096, 0xff));
    const place = { device: target, offset: 4096, journal };
    await interrupt(upgrade, place);
    expect(await finish(upgrade, place)).toBe(CUT);
    expect(rangesOf(server)).toEqual(['', `bytes=${CUT}-`]);
    expect(image.equals((await readFile(target)).subarray(4096))).toBe(true);
    expect(await world.files()).toEqual(['firmware.bin']);
  });

  test('without a journal begins at byte 0', async () => {
    await using scene = await openScene(half, serve());
    const { world, server, upgrade, target } = scene;
    await writeFile(target, Buffer.alloc(image.length));
    await interrupt(upgrade, { device: target });
    expect(await finish(upgrade, { device: target })).toBe(0);
    expect(rangesOf(server)).toEqual(['', '']);
    await expectWhole(target);
    expect(await world.files()).toEqual(['firmware.bin']);
  });
});

test('closing the device keeps what has come, for another device as well', async () => {
  await using scene = await openScene(half, serve());
  const { world, server, upgrade, target } = scene;
  const other = await announceServed(world, server, image, {
    deviceName: 'other',
    version: '2.0.1',
  });
  const download = other.upgrade.download(target, {
    onProgress: ({ received }) => {
      if (received === CUT) void other.device.close();
    },
  });
  await expect(download).rejects.toMatchObject({ code: 'ERR_CLOSED' });
  expect(await finish(upgrade, target)).toBe(CUT);
});
