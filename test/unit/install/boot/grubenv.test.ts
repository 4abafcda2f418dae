import fs, { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { grubenvStore } from '../../../../lib/install/boot/grubenv';

let directory: string;
let file: string;
beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'iotkit-grubenv-'));
  file = path.join(directory, 'grubenv');
});
afterEach(async () => {
  jest.restoreAllMocks();
  await rm(directory, { recursive: true, force: true });
});

const head = '# GRUB Environment Block\n';
const block = (...lines: string[]): string =>
  [head, ...lines.map((line) => `${line}\n`)].join('').padEnd(1024, '#');

const text = (): Promise<string> => readFile(file, 'latin1');

test('sets, changes and removes variables, and leaves the others as they are', async () => {
  const others = ['# WARNING: of an installer', 'saved_entry=a\\\\b', 'two=first\\\nsecond'];
  await writeFile(file, block(...others, 'ORDER=A B', 'old=1'));
  const store = grubenvStore(file);
  await store.write({ ORDER: 'B A', B_OK: '1', old: undefined });
  expect(await text()).toBe(block(...others, 'ORDER=B A', 'B_OK=1'));
  expect(Object.fromEntries(await store.read())).toEqual({
    saved_entry: 'a\\b',
    two: 'first\nsecond',
    ORDER: 'B A',
    B_OK: '1',
  });
});

test('it is the same file afterwards, of the same size: GRUB knows it by its blocks', async () => {
  await writeFile(file, block('ORDER=A B'));
  const { ino } = await stat(file);
  await grubenvStore(file).write({ ORDER: 'B A', escaped: 'a\\b\nc' });
  expect(await stat(file)).toMatchObject({ ino, size: 1024 });
  expect((await grubenvStore(file).read()).get('escaped')).toBe('a\\b\nc');
});

test.each<[string, string, RegExp]>([
  ['it is empty', '', /has 0 bytes instead of 1024; make it with "grub-editenv FILE create"/],
  ['it is longer', block().padEnd(1025, '#'), /has 1025 bytes/],
  ['it is another file', 'x'.repeat(1024), /is no environment block of GRUB/],
])('%s: neither read nor written', async (_, content, message) => {
  await writeFile(file, content);
  const store = grubenvStore(file);
  const expected = { code: 'ERR_BOOT_STATE', message: expect.stringMatching(message) };
  await expect(store.check()).rejects.toMatchObject(expected);
  await expect(store.read()).rejects.toMatchObject(expected);
  await expect(store.write({ a: '1' })).rejects.toMatchObject(expected);
  expect(await text()).toBe(content);
});

test('there is none', async () => {
  await expect(grubenvStore(file).read()).rejects.toMatchObject({
    code: 'ERR_BOOT_STATE',
    message: expect.stringMatching(/ENOENT.*; make it with "grub-editenv FILE create"/),
  });
});

test('what does not fit is refused, and nothing is written', async () => {
  await writeFile(file, block('ORDER=A B'));
  await expect(grubenvStore(file).write({ long: 'x'.repeat(1000) })).rejects.toMatchObject({
    code: 'ERR_BOOT_STATE',
    message: expect.stringContaining('no room'),
  });
  expect(await text()).toBe(block('ORDER=A B'));
});

test('whether a change has room is known without a write', async () => {
  const content = block(`others=${'x'.repeat(900)}`);
  await writeFile(file, content);
  const store = grubenvStore(file);
  const variables = await store.read();
  await store.assertWritable(variables, { iotkit_trial: 'B' });
  await expect(
    store.assertWritable(variables, { iotkit_trial: 'x'.repeat(100) }),
  ).rejects.toMatchObject({ code: 'ERR_BOOT_STATE', message: expect.stringContaining('no room') });
  expect(await text()).toBe(content);
});

test('a block is on the disk when it was written', async () => {
  await writeFile(file, block('ORDER=A B'));
  const seen: string[] = [];
  const { open } = fs;
  jest.spyOn(fs, 'open').mockImplementation(async (...given) => {
    const handle = await open(...given);
    const [write, sync] = [handle.write.bind(handle), handle.sync.bind(handle)];
    handle.write = ((...what: Parameters<typeof write>) => {
      seen.push('write');
      return write(...what);
    }) as typeof handle.write;
    handle.sync = () => {
      seen.push('flush');
      return sync();
    };
    return handle;
  });
  await grubenvStore(file).write({ ORDER: 'B A' });
  expect(seen).toEqual(['write', 'flush']);
});

test('a block that can only be read is found without a write', async () => {
  await writeFile(file, block('ORDER=A B'));
  const { open } = fs;
  jest.spyOn(fs, 'open').mockImplementation(async (path, flags) => {
    if (flags === 'r') return open(path, flags);
    throw Object.assign(new Error('EROFS: read-only file system'), { code: 'EROFS' });
  });
  const store = grubenvStore(file);
  const attempt = store.assertWritable(await store.read(), { ORDER: 'B A' });
  await expect(attempt).rejects.toMatchObject({
    code: 'ERR_BOOT_STATE',
    message: expect.stringContaining('EROFS'),
  });
});
