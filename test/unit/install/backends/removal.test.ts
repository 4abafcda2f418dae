import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import files from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { discard } from '../../../../lib/install/backends/removal';

let folder: string;
let tree: string;
let warn: jest.SpyInstance;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'iotkit-removal-'));
  tree = join(folder, 'tree');
  for (const name of ['a', 'b', 'c']) {
    mkdirSync(join(tree, name), { recursive: true });
    writeFileSync(join(tree, name, 'file'), name);
  }
  warn = jest.spyOn(process, 'emitWarning').mockReturnValue();
});
afterEach(() => {
  jest.restoreAllMocks();
  rmSync(folder, { recursive: true, force: true });
});

test('directories, files, links, and what is not there', async () => {
  symlinkSync(folder, join(tree, 'link'));
  writeFileSync(join(folder, 'file'), '');
  for (const name of ['tree', 'file', 'missing', 'missing/too']) {
    expect(await discard(join(folder, name))).toBe(true);
  }
  expect(readdirSync(folder)).toEqual([]);
  expect(warn).not.toHaveBeenCalled();
});

test('what cannot be removed is left and said; all else goes', async () => {
  const stuck = join(tree, 'b', 'file');
  const { unlink } = files;
  jest.spyOn(files, 'unlink').mockImplementation(async (path) => {
    if (path === stuck) throw Object.assign(new Error('no'), { code: 'EACCES' });
    return unlink(path);
  });
  expect(await discard(tree)).toBe(false);
  expect(readdirSync(tree)).toEqual(['b']);
  expect(warn).toHaveBeenCalledTimes(1);
  const said = expect.stringMatching(`^${tree} is left.*${stuck}: EACCES`);
  expect(warn).toHaveBeenCalledWith(said, { code: 'IOTKIT_NOT_REMOVED' });
});

test('what somebody else removes meanwhile is gone', async () => {
  const { lstat } = files;
  jest.spyOn(files, 'lstat').mockImplementation((async (path: string) => {
    if (path === join(tree, 'b')) rmSync(path, { recursive: true });
    return lstat(path);
  }) as typeof lstat);
  expect(await discard(tree)).toBe(true);
  expect(existsSync(tree)).toBe(false);
  expect(warn).not.toHaveBeenCalled();
});

test('what is mounted inside keeps its files', async () => {
  const mounted = join(tree, 'b');
  const { lstat } = files;
  jest.spyOn(files, 'lstat').mockImplementation((async (path: string) => {
    const found = await lstat(path);
    return path === mounted ? Object.assign(found, { dev: found.dev + 1 }) : found;
  }) as typeof lstat);
  expect(await discard(tree)).toBe(false);
  expect(existsSync(join(mounted, 'file'))).toBe(true);
  expect(readdirSync(tree)).toEqual(['b']);
});
