import fs, { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { flush, flushFolder, putInPlace, renameFile } from '../../../lib/base/durable';

const FAT = 0x4d44;

let folder = '';
let [from, to] = ['', ''];
let inode = 0;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'iotkit-ota-test-'));
  [from, to] = [path.join(folder, 'new'), path.join(folder, 'old')];
  await writeFile(from, 'new');
  inode = (await stat(from)).ino;
});
afterEach(async () => {
  jest.restoreAllMocks();
  await rm(folder, { recursive: true });
});

/** What is opened, flushed and closed from now on. */
function calls(type: number): string[] {
  const seen: string[] = [];
  const { open, statfs } = fs;
  jest.spyOn(fs, 'statfs').mockImplementation(async (...given) => {
    return Object.assign(await statfs(...given), { type });
  });
  jest.spyOn(fs, 'open').mockImplementation(async (...given) => {
    const file = await open(...given);
    const what = `${path.basename(String(given[0]))} (${(await file.stat()).ino === inode ? 'new' : 'other'})`;
    seen.push(`open ${what}`);
    const [sync, close] = [file.sync.bind(file), file.close.bind(file)];
    file.sync = () => {
      seen.push(`flush ${what}`);
      return sync();
    };
    file.close = () => {
      seen.push(`close ${what}`);
      return close();
    };
    return file;
  });
  return seen;
}

const aFolder = (): string => `${path.basename(folder)} (other)`;

test('on FAT a file that is replaced keeps its bytes until the new one is whole', async () => {
  await writeFile(to, 'old');
  const seen = calls(FAT);
  await renameFile(from, to);
  expect(seen).toEqual([
    'open old (other)',
    `open ${aFolder()}`,
    `flush ${aFolder()}`,
    `close ${aFolder()}`,
    'open old (new)',
    'flush old (new)',
    'close old (new)',
    'close old (other)',
  ]);
  expect(await readFile(to, 'utf8')).toBe('new');
});

test('on FAT a new name leads to nothing until the file is flushed', async () => {
  const seen = calls(FAT);
  await renameFile(from, to);
  expect(seen.filter((call) => call.startsWith('flush'))).toEqual([
    `flush ${aFolder()}`,
    'flush old (new)',
  ]);
  expect(await readFile(to, 'utf8')).toBe('new');
});

test.each([
  ['elsewhere', () => calls(0xef53)],
  [
    'where the system does not say what it is',
    () => {
      const seen = calls(FAT);
      jest.spyOn(fs, 'statfs').mockRejectedValue(failed('EACCES', 'statfs'));
      return seen;
    },
  ],
])('%s the name is all that changes', async (_, begin) => {
  const seen = begin();
  await renameFile(from, to);
  expect(seen).toEqual([]);
  expect(await readFile(to, 'utf8')).toBe('new');
});

test('on FAT nothing is renamed while what has the name cannot be held', async () => {
  await writeFile(to, 'old');
  calls(FAT);
  jest.spyOn(fs, 'open').mockRejectedValue(failed('EMFILE', 'open'));
  await expect(renameFile(from, to)).rejects.toMatchObject({ code: 'EMFILE' });
  expect(await readFile(to, 'utf8')).toBe('old');
});

test('on FAT the file is flushed though its folder cannot be, and that is an error', async () => {
  const seen = calls(FAT);
  const open = jest.mocked(fs.open).getMockImplementation() as typeof fs.open;
  jest.spyOn(fs, 'open').mockImplementation(async (...given) => {
    const file = await open(...given);
    if (given[0] === folder) file.sync = () => Promise.reject(failed('EIO', 'fsync'));
    return file;
  });
  await expect(renameFile(from, to)).rejects.toMatchObject({ code: 'EIO' });
  expect(seen).toContain('flush old (new)');
});

describe('what fails after the rename is returned, not thrown', () => {
  const failing = (type: number, what: () => string): void => {
    calls(type);
    const open = jest.mocked(fs.open).getMockImplementation() as typeof fs.open;
    jest.spyOn(fs, 'open').mockImplementation(async (...given) => {
      const file = await open(...given);
      if (given[0] === what()) file.sync = () => Promise.reject(failed('EIO', 'fsync'));
      return file;
    });
  };

  test.each<[string, number, () => string]>([
    ['the folder', 0xef53, () => folder],
    ['the folder, on FAT', FAT, () => folder],
    ['the file, on FAT', FAT, () => to],
  ])('%s', async (_, type, what) => {
    failing(type, what);
    expect(await putInPlace(from, to)).toMatchObject({ code: 'EIO' });
    expect(await readFile(to, 'utf8')).toBe('new');
  });

  test.each([FAT, 0xef53])('nothing, and the folder is flushed (%i)', async (type) => {
    const seen = calls(type);
    expect(await putInPlace(from, to)).toBeUndefined();
    expect(seen).toContain(`flush ${aFolder()}`);
  });

  test('what fails before is thrown', async () => {
    await rm(from);
    await expect(putInPlace(from, to)).rejects.toMatchObject({ code: 'ENOENT' });
  });
});

test.each([
  ['EINVAL', 'fsync', undefined],
  ['EIO', 'fsync', 'EIO'],
  ['EACCES', 'fsync', 'EACCES'],
  ['EACCES', 'open', undefined],
  ['EINVAL', 'open', 'EINVAL'],
  ['EMFILE', 'open', 'EMFILE'],
])('a folder whose names cannot be flushed: %s of %s', async (code, syscall, thrown) => {
  const { open } = fs;
  jest.spyOn(fs, 'open').mockImplementation(async (...given) => {
    if (syscall === 'open') throw failed(code, syscall);
    const file = await open(...given);
    file.sync = () => Promise.reject(failed(code, syscall));
    return file;
  });
  const ended = await flushFolder(folder).then(
    () => undefined,
    (error: NodeJS.ErrnoException) => error.code,
  );
  expect(ended).toBe(thrown);
});

test('a file that cannot be flushed is an error, whatever the reason', async () => {
  const { open } = fs;
  jest.spyOn(fs, 'open').mockImplementation(async (...given) => {
    const file = await open(...given);
    file.sync = () => Promise.reject(failed('EINVAL', 'fsync'));
    return file;
  });
  await expect(flush(from)).rejects.toMatchObject({ code: 'EINVAL' });
});

function failed(code: string, syscall: string): Error {
  return Object.assign(new Error(code), { code, syscall });
}
