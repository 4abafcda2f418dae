import { generateKeyPairSync, sign } from 'node:crypto';
import { mkdir, readdir, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setImmediate } from 'node:timers/promises';
import type { Signature, Upgrade, VerifyOptions } from 'iotkit-ota';
import { serve } from '../support/fault-replies';
import { FaultServer, type Reply } from '../support/fault-server';
import { imageOf, sha256 } from '../support/image';
import { quick } from '../support/served';
import { downloadThreads } from '../support/threads';
import { World } from '../support/world';

// Upgrades with several files: one progress, each verified, all or nothing under their names.

const names = ['app.bin', 'boot.bin', 'model.bin'];
const images = [imageOf(1_000_003, 1), imageOf(400_009, 2), imageOf(2_000_003, 3)];
const SIZE = images.reduce((sum, { length }) => sum + length, 0);

interface Scene extends AsyncDisposable {
  readonly world: World;
  readonly upgrade: Upgrade;
  readonly upgradeId: string;
  readonly servers: readonly FaultServer[];
  readonly directory: string;
}

/** The schedules of the files; the others are served as they are. */
async function openScene(
  schedules: readonly (readonly Reply[])[] = [],
  { verify }: { readonly verify?: VerifyOptions } = {},
): Promise<Scene> {
  const servers = await Promise.all(
    images.map((image, i) => FaultServer.start({ image, schedule: schedules[i] ?? [serve()] })),
  );
  const world = await World.open();
  const files = images.map((image, i) => ({
    fileName: names[i],
    fileSize: image.length,
    fileUrl: servers[i]?.url,
    fileSign: sha256(image),
  }));
  const single = { url: null, size: null, md5: null, sign: null, digestsign: null };
  world.platform.faults.set({
    kind: 'notice-patch',
    data: { ...single, signMethod: 'SHA256', files },
  });
  const { upgrade, upgradeId } = await world.announce(Buffer.alloc(1), {
    connect: { fetch: quick, ...(verify && { verify }) },
  });
  return {
    world,
    upgrade,
    upgradeId,
    servers,
    directory: world.path('firmware'),
    [Symbol.asyncDispose]: async () => {
      await world[Symbol.asyncDispose]();
      await Promise.all(servers.map((server) => server[Symbol.asyncDispose]()));
    },
  };
}

async function expectAll(directory: string): Promise<void> {
  for (const [i, name] of names.entries()) {
    expect(images[i]?.equals(await readFile(path.join(directory, name)))).toBe(true);
  }
  expect((await readdir(directory)).sort()).toEqual(names);
}

const rangesOf = (servers: readonly FaultServer[]): string[][] =>
  servers.map(({ requests }) => requests.map(({ range = '' }) => range));

test('are announced with their names, sizes and digests', async () => {
  await using scene = await openScene();
  const { upgrade } = scene;
  const files = names.map((name, i) => ({
    name,
    size: images[i]?.length,
    digestMethod: 'sha256',
    digest: sha256(images[i] as Buffer),
  }));
  expect(upgrade).toMatchObject({ size: SIZE, digest: '', digestMethod: 'sha256', url: '', files });
  expect(JSON.parse(JSON.stringify(upgrade))).toMatchObject({ size: SIZE, files });
});

test('go into a directory, which is made, with one progress', async () => {
  await using scene = await openScene();
  const { world, upgrade, upgradeId, servers, directory } = scene;
  const seen: number[] = [];
  const heard = world.platform.waitFor('progress', ({ step }) => step === 100);
  await upgrade.download(directory, {
    onProgress: ({ received, size }) => {
      expect(size).toBe(SIZE);
      seen.push(received);
    },
  });
  await expectAll(directory);
  expect(seen[0]).toBe(0);
  expect(seen.at(-1)).toBe(SIZE);
  expect(seen).toEqual([...seen].sort((a, b) => a - b));
  expect(rangesOf(servers)).toEqual([[''], [''], ['']]);
  await upgrade.verify();
  await heard;
  expect(world.platform.upgrades.get(upgradeId)?.tasks[0]).toMatchObject({ state: 'upgrading' });
});

test('say what is being done with each of them, and commit once', async () => {
  await using scene = await openScene();
  const phases: string[] = [];
  scene.upgrade.on('state', ({ phase }) => phases.push(phase));
  await scene.upgrade.download(scene.directory);
  const each = ['downloading', 'verifying'];
  expect(phases).toEqual(['queued', ...each, ...each, ...each, 'committing', 'done']);
});

test('go into several directories at once, and files that were there keep their mode', async () => {
  await using scene = await openScene();
  const { upgrade, servers, directory, world } = scene;
  const other = world.path('other');
  await mkdir(other);
  await writeFile(path.join(other, 'boot.bin'), 'the one before', { mode: 0o600 });
  await upgrade.download([directory, { path: other, mode: 0o755 }]);
  await expectAll(directory);
  await expectAll(other);
  expect((await stat(path.join(other, 'app.bin'))).mode & 0o777).toBe(0o755);
  expect((await stat(path.join(other, 'boot.bin'))).mode & 0o777).toBe(0o600);
  expect(rangesOf(servers)).toEqual([[''], [''], ['']]);
});

test('are all or none: a wrong one keeps every old file', async () => {
  const corrupt = serve({ corruptAt: 1_999_999 });
  await using scene = await openScene([[serve()], [serve()], [corrupt, serve()]]);
  const { upgrade, servers, directory } = scene;
  await mkdir(directory);
  for (const name of names) await writeFile(path.join(directory, name), `before: ${name}`);
  await expect(upgrade.download(directory)).rejects.toMatchObject({ code: 'ERR_DIGEST_MISMATCH' });
  for (const name of names) {
    expect(await readFile(path.join(directory, name), 'utf8')).toBe(`before: ${name}`);
  }
  // What is right is not fetched again.
  await upgrade.download(directory);
  await expectAll(directory);
  expect(rangesOf(servers)).toEqual([[''], [''], ['', '']]);
});

test('go on where an interrupted download has ended', async () => {
  const half = serve({ after: 200_000, ending: 'stall' });
  await using scene = await openScene([[serve()], [half, serve()]]);
  const { upgrade, servers, directory } = scene;
  const there = (images[0] as Buffer).length + 200_000;
  const reason = new Error('interrupted');
  const download = upgrade.download(directory, {
    onProgress: ({ received }) => {
      if (received === there) upgrade.abort(reason);
    },
  });
  await expect(download).rejects.toBe(reason);
  const parts = ['app.bin.part', 'boot.bin.part'];
  const left = [...parts, ...parts.map((name) => `${name}.journal`)].sort();
  expect((await readdir(directory)).sort()).toEqual(left);

  const seen: number[] = [];
  await upgrade.download(directory, { onProgress: ({ received }) => seen.push(received) });
  expect(seen[0]).toBe(there);
  expect(rangesOf(servers)).toEqual([[''], ['', 'bytes=200000-'], ['']]);
  await expectAll(directory);
});

test('one that is wrong though only its end was fetched is fetched once more', async () => {
  const half = serve({ after: 200_000, corruptAt: 100, ending: 'stall' });
  await using scene = await openScene([[serve()], [half, serve()]]);
  const { upgrade, servers, directory } = scene;
  const there = (images[0] as Buffer).length + 200_000;
  const download = upgrade.download(directory, {
    onProgress: ({ received }) => {
      if (received === there) upgrade.abort();
    },
  });
  await expect(download).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  await upgrade.download(directory);
  expect(rangesOf(servers)).toEqual([[''], ['', 'bytes=200000-', ''], ['']]);
  await expectAll(directory);
});

test('a part that lost its end is used up to there, and progress counts it', async () => {
  const stall = serve({ after: 1_000_000, ending: 'stall' });
  await using scene = await openScene([[serve()], [serve()], [stall, serve()]]);
  const { upgrade, directory } = scene;
  const there = SIZE - (images[2] as Buffer).length + 1_000_000;
  const download = upgrade.download(directory, {
    onProgress: ({ received }) => {
      if (received === there) upgrade.abort();
    },
  });
  await expect(download).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  await truncate(path.join(directory, 'app.bin.part'), 500_000);
  const seen: number[] = [];
  await upgrade.download(directory, { onProgress: ({ received }) => seen.push(received) });
  expect(seen[0]).toBeGreaterThan(there - 500_003 - 128 * 1024);
  expect(seen[0]).toBeLessThanOrEqual(there - 500_003);
  expect(seen).toEqual([...seen].sort((a, b) => a - b));
  await expectAll(directory);
});

test('what cannot be opened is told before anything is fetched', async () => {
  await using scene = await openScene();
  const { upgrade, servers, directory } = scene;
  await mkdir(path.join(directory, 'model.bin'), { recursive: true });
  await expect(upgrade.download(directory)).rejects.toMatchObject({
    code: 'ERR_INVALID_ARGUMENT',
  });
  expect(rangesOf(servers)).toEqual([[], [], []]);
  expect(await readdir(directory)).toEqual(['model.bin']);
});

test('go nowhere but into directories', async () => {
  await using scene = await openScene();
  const { upgrade, servers, directory } = scene;
  const unsupported = { code: 'ERR_UNSUPPORTED' };
  expect(() => upgrade.chunks()).toThrow('use download(directory)');
  expect(() => upgrade[Symbol.asyncIterator]()).toThrow(expect.objectContaining(unsupported));
  expect(() => upgrade.stream()).toThrow(expect.objectContaining(unsupported));
  const writer = { write: (): void => {} };
  await expect(upgrade.download(writer)).rejects.toMatchObject(unsupported);
  await expect(upgrade.download([directory, writer])).rejects.toMatchObject(unsupported);
  await expect(upgrade.download({ device: '/x' })).rejects.toMatchObject(unsupported);
  const wrong = { code: 'ERR_INVALID_ARGUMENT' };
  const signature = { value: 'AAAA' };
  await expect(upgrade.download(directory, { signature })).rejects.toMatchObject(wrong);
  const signatures = { 'other.bin': signature };
  await expect(upgrade.download(directory, { signatures })).rejects.toMatchObject({
    ...wrong,
    message: 'signatures has "other.bin", which is no file of the upgrade',
  });
  expect(rangesOf(servers)).toEqual([[], [], []]);
  await upgrade.download(directory);
  await expectAll(directory);
});

test('each may have a signature of its own, which is verified before the file is fetched', async () => {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const publicKeys = publicKey.export({ type: 'spki', format: 'pem' }).toString();
  const verify = { publicKeys };
  await using scene = await openScene([], { verify });
  const { upgrade, servers, directory } = scene;
  const signed = images.map((image) => ({
    value: sign('sha256', image, privateKey),
    over: 'image' as const,
  }));
  const signatures = Object.fromEntries(names.map((name, i) => [name, signed[i] as Signature]));
  const missing = upgrade.download(directory);
  await expect(missing).rejects.toMatchObject({ code: 'ERR_SIGNATURE_MISSING' });
  expect(rangesOf(servers)).toEqual([[], [], []]);
  const swapped = { ...signatures, 'app.bin': signed[1] as Signature };
  const wrong = upgrade.download(directory, { signatures: swapped });
  await expect(wrong).rejects.toMatchObject({ code: 'ERR_SIGNATURE' });
  expect(rangesOf(servers)).toEqual([[], [], []]);
  await upgrade.download(directory, { signatures });
  await expectAll(directory);
});

test('are aborted at any file, with every thread gone', async () => {
  await using scene = await openScene([[serve({ bytesPerSecond: 4_000_000 })]]);
  const { upgrade, directory } = scene;
  const download = upgrade.download(directory);
  download.catch(() => {});
  while (downloadThreads().length === 0) await setImmediate();
  upgrade.abort();
  await expect(download).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  expect(downloadThreads()).toEqual([]);
  await upgrade.download(directory);
  await expectAll(directory);
});
