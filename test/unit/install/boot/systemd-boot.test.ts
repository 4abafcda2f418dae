import type { StatsFs } from 'node:fs';
import fs, { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { SystemdBoot } from '../../../../lib/install/boot/systemd-boot';

const slots = ['A', 'B'];
let entries: string;
beforeEach(async () => {
  entries = await mkdtemp(path.join(tmpdir(), 'iotkit-entries-'));
});
afterEach(async () => {
  jest.restoreAllMocks();
  await rm(entries, { recursive: true, force: true });
});

/** With these entries; each says its name, or what stands behind a `=`. */
async function boot(...files: string[]): Promise<SystemdBoot> {
  for (const file of files) {
    const [name = '', content = `linux /${name}`] = file.split('=');
    await writeFile(path.join(entries, name), content);
  }
  return new SystemdBoot({ entries, prefix: 'iotkit', tries: 3 });
}

const files = async (): Promise<string[]> => (await readdir(entries)).sort();
const content = (file: string): Promise<string> => readFile(path.join(entries, file), 'utf8');

test.each<[string, string[], object]>([
  ['confirmed', ['iotkit-1-A.conf', 'iotkit-0-B.conf.off'], { next: 'A', A: 'good', B: 'bad' }],
  ['activated', ['iotkit-1-A.conf', 'iotkit-2-B+3.conf'], { next: 'B', A: 'good', B: 'trial' }],
  ['at its last try', ['iotkit-1-A.conf', 'iotkit-2-B+1-2.conf'], { next: 'B', B: 'trial' }],
  ['used up', ['iotkit-1-A.conf', 'iotkit-2-B+0-3.conf'], { next: 'A', A: 'good', B: 'bad' }],
  ['by numbers, not letters', ['iotkit-9-A.conf', 'iotkit-10-B.conf'], { next: 'B' }],
  ['of others', ['iotkit-1-A.conf', 'rescue.conf', 'iotkit-5-R.conf'], { next: 'A', B: 'bad' }],
  ['empty', ['iotkit-1-A.conf', 'iotkit-2-B+3-0.conf='], { next: 'A', A: 'good', B: 'bad' }],
  [
    'there twice, on trial and confirmed',
    ['iotkit-1-A.conf', 'iotkit-2-B.conf', 'iotkit-2-B+2-1.conf'],
    { next: 'B', B: 'trial' },
  ],
  [
    'there twice, on and off',
    ['iotkit-1-A.conf', 'iotkit-2-B.conf.off', 'iotkit-2-B.conf'],
    { next: 'B', B: 'good' },
  ],
  ['none', ['loader.conf'], { next: '', A: 'bad', B: 'bad' }],
])('an entry that is %s, in whatever order the folder has it', async (_, names, expected) => {
  const loader = await boot(...names);
  const found = await files();
  for (const order of [found, [...found].reverse()]) {
    jest.spyOn(fs, 'readdir').mockResolvedValueOnce(order as never);
    const { next, states } = await loader.read(slots);
    expect({ next, ...Object.fromEntries(states) }).toMatchObject(expected);
  }
});

test('each change gives the entry another name', async () => {
  const loader = await boot('iotkit-1-A.conf', 'iotkit-0-B.conf.off', 'rescue.conf');
  await loader.activate('B');
  expect(await files()).toEqual(['iotkit-1-A.conf', 'iotkit-2-B+3-0.conf', 'rescue.conf']);
  await loader.confirm('B');
  expect(await files()).toEqual(['iotkit-1-A.conf', 'iotkit-2-B.conf', 'rescue.conf']);
  await loader.disable('B', 'A');
  expect(await files()).toEqual(['iotkit-1-A.conf', 'iotkit-2-B.conf.off', 'rescue.conf']);
  expect(await content('iotkit-2-B.conf.off')).toBe('linux /iotkit-0-B.conf.off');
});

const A = 'iotkit-1-A.conf';
const OFF = 'iotkit-0-B.conf.off';

test.each<[string, string[], (loader: SystemdBoot) => Promise<void>, string]>([
  ['activated gets all its tries', ['2-B.conf'], (it) => it.activate('B'), '2-B+3-0.conf'],
  ['activated gets them again', ['2-B+1-2.conf'], (it) => it.activate('B'), '2-B+3-0.conf'],
  ['confirmed is on', ['2-B.conf.off'], (it) => it.confirm('B'), '2-B.conf'],
  ['confirmed has no other', ['2-B.conf', '0-B.conf.off'], (it) => it.confirm('B'), '2-B.conf'],
  [
    'disabled has none on',
    ['2-B.conf.off', '0-B.conf'],
    (it) => it.disable('B', 'A'),
    '2-B.conf.off',
  ],
  ['disabled twice', ['2-B.conf.off', '0-B.conf.off'], (it) => it.disable('B', 'A'), ''],
])('a slot that is %s', async (_, before, change, after) => {
  const names = before.map((name) => `iotkit-${name}`);
  const loader = await boot(A, ...names);
  await change(loader);
  expect(await files()).toEqual(after === '' ? [A, ...names].sort() : [A, `iotkit-${after}`]);
});

test.each([
  ['rubbish that a cut has left is newer', 'linux /vmlinuz', 'rubbish'],
  ['an empty one is older', '', 'linux /vmlinuz'],
])('the new entry is made of one that is whole: %s', async (_, older, newer) => {
  const loader = await boot(A, `iotkit-0-B.conf.off=${older}`, `iotkit-2-B+3-0.conf=${newer}`);
  await loader.disable('B', 'A');
  expect(await files()).toEqual([A, 'iotkit-2-B.conf.off']);
  expect(await content('iotkit-2-B.conf.off')).toBe('linux /vmlinuz');
});

test('the new entry is on the disk before the old one goes', async () => {
  const loader = await boot(A, 'iotkit-0-B.conf.off');
  const seen: string[] = [];
  const { open, unlink } = fs;
  jest.spyOn(fs, 'open').mockImplementation(async (...given) => {
    const file = await open(...given);
    const sync = file.sync.bind(file);
    file.sync = () => {
      seen.push(`flush ${path.relative(entries, String(given[0]))}`);
      return sync();
    };
    return file;
  });
  jest.spyOn(fs, 'unlink').mockImplementation((name) => {
    seen.push(`remove ${path.basename(String(name))}`);
    return unlink(name);
  });
  await loader.activate('B');
  const now = 'iotkit-2-B+3-0.conf';
  expect(seen).toEqual([`flush ${now}`, 'flush ', 'remove iotkit-0-B.conf.off', 'flush ']);
});

test.each<[string, () => unknown]>([
  ['the bytes', () => jest.spyOn(fs, 'copyFile').mockImplementation((_, to) => writeFile(to, ''))],
  [
    'the name',
    () =>
      jest
        .spyOn(fs, 'readdir')
        .mockResolvedValueOnce([A, OFF] as never)
        .mockResolvedValueOnce([A] as never),
  ],
])('a partition that does not keep %s of a new entry keeps the old one', async (_, breakIt) => {
  const loader = await boot(A, OFF);
  breakIt();
  const failure = loader.activate('B');
  await expect(failure).rejects.toMatchObject({
    code: 'ERR_BOOT_STATE',
    message: expect.stringContaining('does not keep iotkit-2-B+3-0.conf'),
  });
  jest.restoreAllMocks();
  expect(await files()).toContain(OFF);
});

test('a partition that cannot be written to is found before an update', async () => {
  const loader = await boot(A, OFF);
  jest.spyOn(fs, 'access').mockRejectedValue(new Error('EROFS: read-only file system'));
  await expect(loader.check(slots)).rejects.toMatchObject({
    code: 'ERR_BOOT_STATE',
    message: expect.stringContaining('EROFS'),
  });
});

// What a power cut leaves: the new entry is empty, is rubbish, or is whole; the old one is still there.
describe.each(['', 'rubbish', 'linux /vmlinuz'])('a change that left a new entry of %j', (left) => {
  test.each<[string, string, string, (loader: SystemdBoot) => Promise<void>]>([
    ['activated', 'iotkit-0-B.conf.off', 'iotkit-2-B+3-0.conf', (it) => it.activate('B')],
    ['activated again', 'iotkit-2-B.conf', 'iotkit-2-B+3-0.conf', (it) => it.activate('B')],
    ['confirmed', 'iotkit-2-B+1-2.conf', 'iotkit-2-B.conf', (it) => it.confirm('B')],
    ['disabled', 'iotkit-2-B+1-2.conf', 'iotkit-2-B.conf.off', (it) => it.disable('B', 'A')],
  ])('is made again: %s', async (_, old, now, change) => {
    const loader = await boot(A, `${old}=linux /vmlinuz`, `${now}=${left}`);
    await change(loader);
    expect(await files()).toEqual([A, now]);
    expect(await content(now)).toBe('linux /vmlinuz');
    await change(loader);
    expect(await files()).toEqual([A, now]);
  });
});

test('an entry that is empty is none', async () => {
  const loader = await boot(A, 'iotkit-2-B+3-0.conf=');
  await expect(loader.activate('B')).rejects.toMatchObject({ code: 'ERR_INSTALL_SETUP' });
  await expect(loader.disable('A', 'B')).rejects.toMatchObject({ code: 'ERR_INSTALL_SETUP' });
  expect(await files()).toEqual([A, 'iotkit-2-B+3-0.conf']);
});

test('a folder is none', async () => {
  const loader = await boot(A, 'iotkit-0-B.conf.off');
  await mkdir(path.join(entries, 'iotkit-4-B.conf'));
  expect((await loader.read(slots)).next).toBe('A');
  await loader.activate('B');
  expect(await files()).toEqual([A, 'iotkit-2-B+3-0.conf', 'iotkit-4-B.conf']);
});

test('a slot without an entry cannot be activated, and is no fallback', async () => {
  const loader = await boot('iotkit-1-A.conf');
  const missing = {
    code: 'ERR_INSTALL_SETUP',
    message: expect.stringContaining('iotkit-NUMBER-B.conf'),
  };
  await expect(loader.activate('B')).rejects.toMatchObject(missing);
  await expect(loader.confirm('B')).rejects.toMatchObject(missing);
  await expect(loader.disable('A', 'B')).rejects.toMatchObject(missing);
  expect(await files()).toEqual(['iotkit-1-A.conf']);
});

test('a partition that is not mounted', async () => {
  const loader = new SystemdBoot({ entries: `${entries}/none`, prefix: 'iotkit', tries: 3 });
  await expect(loader.check(slots)).rejects.toMatchObject({ code: 'ERR_BOOT_STATE' });
});

test.each<[string, string[], RegExp]>([
  ['no entry of a slot', [A], /has no entry iotkit-NUMBER-B\.conf .*such as iotkit-0-B\.conf\.off/],
  ['an empty one', [A, 'iotkit-0-B.conf.off='], /has no entry iotkit-NUMBER-B\.conf/],
  ['a number of ten digits', [A, 'iotkit-1234567890-B.conf'], /a number of 1 to 9 digits/],
  [
    'the highest number',
    ['iotkit-999999999-A.conf', 'iotkit-0-B.conf.off'],
    /iotkit-999999999-A\.conf has the highest number .*; give the entries small numbers/,
  ],
])('%s is found before an update', async (_, names, message) => {
  const loader = await boot(...names);
  const before = await files();
  await expect(loader.check(slots)).rejects.toMatchObject({
    code: 'ERR_INSTALL_SETUP',
    message: expect.stringMatching(message),
  });
  expect(await files()).toEqual(before);
});

test('no entry gets a number that is not read again', async () => {
  const names = ['iotkit-0-B.conf.off', 'iotkit-999999998-A.conf'];
  const loader = await boot(...names);
  await loader.check(slots);
  await loader.activate('B');
  expect(await files()).toEqual(['iotkit-999999998-A.conf', 'iotkit-999999999-B+3-0.conf']);
  await expect(loader.activate('A')).rejects.toMatchObject({ code: 'ERR_INSTALL_SETUP' });
  expect((await loader.read(slots)).next).toBe('B');
});

test('a partition without room for another entry is found before anything is changed', async () => {
  const loader = await boot('iotkit-1-A.conf', 'iotkit-0-B.conf.off');
  await loader.check(slots);
  const full = { bavail: 0, bsize: 512, blocks: 1000 };
  jest.spyOn(fs, 'statfs').mockResolvedValue(full as unknown as StatsFs);
  await expect(loader.check(slots).finally(() => jest.restoreAllMocks())).rejects.toMatchObject({
    code: 'ERR_BOOT_STATE',
    detail: `${entries} has no room for another entry`,
  });
});
