import fs, { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { flush, renameFile } from '../../../lib/base/durable';

const FAT = 0x4d44;
const EXT4 = 0xef53;

let folder = '';
let [from, to] = ['', ''];
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'iotkit-ota-test-'));
  [from, to] = [path.join(folder, 'new'), path.join(folder, 'old')];
  await writeFile(from, 'new');
});
afterEach(async () => {
  jest.restoreAllMocks();
  await rm(folder, { recursive: true });
});

/** What is flushed from now on, with what it holds, and what is closed. */
function flushes(type: number): string[] {
  const seen: string[] = [];
  const { open, statfs } = fs;
  jest.spyOn(fs, 'statfs').mockImplementation(async (...given) => {
    return Object.assign(await statfs(...given), { type });
  });
  jest.spyOn(fs, 'open').mockImplementation(async (...given) => {
    const file = await open(...given);
    const isFolder = (await file.stat()).isDirectory();
    const text = isFolder ? String(await readdir(folder)) : await file.readFile('utf8');
    const what = `${isFolder ? 'folder' : path.basename(String(given[0]))} (${text})`;
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

test('on FAT a file that is replaced keeps its bytes until the new one is whole', async () => {
  await writeFile(to, 'old');
  const seen = flushes(FAT);
  await renameFile(from, to);
  expect(seen).toEqual([
    'flush folder (old)',
    'close folder (old)',
    'flush old (new)',
    'close old (new)',
    'close old (old)',
  ]);
  expect(await readFile(to, 'utf8')).toBe('new');
});

test('on FAT a new name leads to nothing until the file is flushed', async () => {
  const seen = flushes(FAT);
  await renameFile(from, to);
  expect(seen).toEqual(['flush old (new)', 'close old (new)']);
});

test('elsewhere the name is all that changes', async () => {
  const seen = flushes(EXT4);
  await renameFile(from, to);
  expect(seen).toEqual([]);
  expect(await readFile(to, 'utf8')).toBe('new');
});

test('a file that cannot be flushed under its new name is an error', async () => {
  jest.spyOn(fs, 'statfs').mockResolvedValue({ type: FAT } as never);
  jest.spyOn(fs, 'open').mockRejectedValue(Object.assign(new Error('EIO'), { code: 'EIO' }));
  await expect(renameFile(from, to)).rejects.toMatchObject({ code: 'EIO' });
});

test.each([
  ['EINVAL', undefined],
  ['EIO', 'EIO'],
])('a folder whose names cannot be flushed: %s', async (code, thrown) => {
  const { open } = fs;
  jest.spyOn(fs, 'open').mockImplementation(async (...given) => {
    const file = await open(...given);
    file.sync = () => Promise.reject(Object.assign(new Error(code), { code }));
    return file;
  });
  const ended = await flush(folder).then(
    () => undefined,
    (error: NodeJS.ErrnoException) => error.code,
  );
  expect(ended).toBe(thrown);
});
