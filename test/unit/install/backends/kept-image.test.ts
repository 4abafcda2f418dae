// What a directory installer keeps as the base of a difference, and releases of several files.
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import files from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type DirectoriesInstallerOptions,
  directoriesInstaller,
} from '../../../../lib/install/backends/directories';
import type { ImageFile, InstallImage } from '../../../../lib/install/installer';
import { chunksOf } from '../../../support/delta';
import { imageOf, sha256 } from '../../../support/image';

let folder: string;
let root: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'iotkit-kept-'));
  root = join(folder, 'app');
  mkdirSync(join(root, 'releases/1.0.0'), { recursive: true });
  symlinkSync('releases/1.0.0', join(root, 'current'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function open(options: Partial<DirectoriesInstallerOptions>) {
  return directoriesInstaller({ root, restart: ['true'], ...options });
}

/** An archive of one empty directory, with `length` bytes after its end mark. */
function archive(length: number): Buffer {
  return Buffer.concat([Buffer.alloc(1024), imageOf(length)]);
}

function given(version: string, bytes: Buffer): InstallImage {
  const digest = { method: 'sha256', value: sha256(bytes) } as const;
  return { version, module: '', size: bytes.length, digest, open: () => chunksOf(bytes, 700) };
}

async function update(installer: ReturnType<typeof open>, image: InstallImage): Promise<void> {
  const { slot } = await installer.install(image);
  await installer.activate(slot);
  await installer.reboot();
  await installer.markGood();
}

test('the archive of what runs is the base, whole, also what tar does not read', async () => {
  const installer = open({ keepImages: true });
  expect(await installer.base?.()).toBeUndefined();
  const bytes = archive(200_000);
  await update(installer, given('2.0.0', bytes));
  const { path = '' } = (await installer.base?.()) ?? {};
  expect(path).toBe(join(root, 'images/2.0.0.image'));
  expect(readFileSync(path).equals(bytes)).toBe(true);
  // Until another runs, it is that of what runs.
  await installer.install(given('3.0.0', archive(10)));
  expect(await installer.base?.()).toEqual({ path });
});

test('it goes with its release, and none is kept where nobody asked for it', async () => {
  const installer = open({ keepImages: true, keep: 2 });
  for (const version of ['2.0.0', '3.0.0', '4.0.0']) {
    await update(installer, given(version, archive(100)));
  }
  expect(readdirSync(join(root, 'images')).sort()).toEqual(['3.0.0.image', '4.0.0.image']);
  const other = open({});
  await update(other, given('5.0.0', archive(100)));
  expect(await other.base?.()).toBeUndefined();
});

test('an image that ends early leaves none, and neither does a release of its name', async () => {
  const installer = open({ keepImages: true });
  const bytes = archive(100_000);
  const cut = { ...given('2.0.0', bytes), open: () => chunksOf(bytes.subarray(0, 90_000)) };
  await expect(installer.install(cut)).rejects.toMatchObject({ code: 'ERR_INSTALL_FAILED' });
  expect(readdirSync(join(root, 'images'))).toEqual([]);
  expect(readdirSync(join(root, 'releases'))).toEqual(['1.0.0']);
});

test('none stays of a release that is refused when it has been unpacked', async () => {
  const installer = open({ keepImages: true });
  execFileSync('mkfifo', [join(folder, 'pipe')]);
  execFileSync('tar', ['-cf', join(folder, 'pipe.tar'), '-C', folder, 'pipe']);
  const special = readFileSync(join(folder, 'pipe.tar'));
  await expect(installer.install(given('2.0.0', special))).rejects.toMatchObject({
    code: 'ERR_INSTALL_REFUSED',
  });
  expect(readdirSync(join(root, 'images'))).toEqual([]);
});

test('a file is a base by itself', async () => {
  const installer = open({ image: 'file' });
  const bytes = imageOf(5000);
  await update(installer, given('2.0.0', bytes));
  expect(await installer.base?.()).toEqual({ path: join(root, 'releases/2.0.0/image') });
  expect(existsSync(join(root, 'images'))).toBe(false);
});

function filesOf(...names: string[]): ImageFile[] {
  return names.map((name, i) => {
    const bytes = imageOf(1000 * (i + 1), i);
    const path = join(folder, name);
    writeFileSync(path, bytes);
    return { name, path, size: bytes.length, digest: { method: 'sha256', value: sha256(bytes) } };
  });
}

test('what cannot be removed afterwards does not hide why it failed', async () => {
  const installer = open({ keepImages: true });
  const { rm } = files;
  jest.spyOn(files, 'rm').mockImplementation(async (path, options) => {
    if (!String(path).endsWith('images/.new')) return rm(path, options);
    throw Object.assign(new Error('no'), { code: 'EIO', syscall: 'rm' });
  });
  const bytes = archive(1000);
  const cut = { ...given('2.0.0', bytes), open: () => chunksOf(bytes.subarray(0, 900)) };
  const installing = installer.install(cut).finally(() => jest.restoreAllMocks());
  await expect(installing).rejects.toMatchObject({
    code: 'ERR_INSTALL_FAILED',
    detail: expect.stringContaining('bytes, not'),
  });
});

describe('several files', () => {
  test('keep their names in the release', async () => {
    const installer = open({ image: 'file' });
    const files = filesOf('app.bin', 'model.bin');
    const fractions: number[] = [];
    const { slot } = await installer.install(
      { version: '2.0.0', module: '', size: 3000, files },
      { onProgress: ({ fraction }) => fractions.push(fraction) },
    );
    for (const { name, path } of files) {
      expect(readFileSync(join(root, slot, name))).toEqual(readFileSync(path));
    }
    expect(fractions.at(-1)).toBe(1);
  });

  test('one that was exchanged since it came: no release', async () => {
    const files = filesOf('app.bin', 'model.bin');
    writeFileSync(files[1]?.path ?? '', imageOf(2000, 77));
    const installing = open({ image: 'file' }).install({
      version: '2.0.0',
      module: '',
      size: 3000,
      files,
    });
    await expect(installing).rejects.toMatchObject({ code: 'ERR_DIGEST_MISMATCH' });
    expect(readdirSync(join(root, 'releases'))).toEqual(['1.0.0']);
  });

  test.each(['../app.bin', 'a/b', '..', '.', '', '/etc/passwd', 'a\0b'])(
    'a name that is none, %j: nothing is written',
    async (name) => {
      const [file] = filesOf('app.bin') as [ImageFile];
      const installing = open({ image: 'file' }).install({
        ...{ version: '2.0.0', module: '', size: 1000, files: [{ ...file, name }] },
      });
      await expect(installing).rejects.toMatchObject({
        code: 'ERR_INSTALL_REFUSED',
        detail: expect.stringContaining(JSON.stringify(name)),
      });
      expect(readdirSync(join(root, 'releases'))).toEqual(['1.0.0']);
    },
  );

  test('are no archive', async () => {
    const installer = open({});
    expect(installer.takesFiles).toBe(false);
    const image = { version: '2.0.0', module: '', size: 1000, files: filesOf('app.bin') };
    await expect(installer.install(image)).rejects.toMatchObject({ code: 'ERR_UNSUPPORTED' });
  });
});
