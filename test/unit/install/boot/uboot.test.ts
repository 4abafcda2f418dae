import fs, { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { tool, ubootStore } from '../../../../lib/install/boot/uboot';
import { copiesOf, devicesOf, sizesOf } from '../../../../lib/install/boot/uboot-config';

// What the tools do: test/peers/install/uboot.test.ts.

let directory: string;
let config: string;
beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'iotkit-uboot-'));
  config = path.join(directory, 'fw_env.config');
});
afterEach(() => rm(directory, { recursive: true, force: true }));

test.each<[string, number]>([
  ['# device offset size\n/dev/mtd1 0x0 0x4000\n/dev/mtd2\t0x0 0x4000 0x4000\n', 2],
  ['/dev/mmcblk0 0x3f8000 0x4000\n#/dev/mmcblk0 0x3fc000 0x4000\n', 1],
  ['\n# nothing\n', 0],
])('copies in %j', (text, copies) => {
  expect(copiesOf(text)).toBe(copies);
});

test('sizes are hexadecimal', () => {
  expect(sizesOf('/dev/mtd1 0x0 0x4000\n/dev/mtd2 0x0 4000 0x4000\n')).toEqual([0x4000, 0x4000]);
});

test('devices, each once', () => {
  const text =
    '/dev/mtd1 0x0 0x4000\n# /dev/mtd9 0 0\n/dev/mtd1 0x4000 0x4000\nubi0:env 0 0x4000\n';
  expect(devicesOf(text)).toEqual(['/dev/mtd1']);
});

test('an environment with one copy is refused, and by option warned of', async () => {
  const copy = path.join(directory, 'copy');
  await writeFile(copy, '');
  await writeFile(path.join(directory, 'fw_setenv'), '#!/bin/sh\n', { mode: 0o755 });
  await writeFile(config, `${copy} 0x0 0x4000\n`);
  const { PATH } = process.env;
  process.env.PATH = directory;
  await expect(ubootStore({ config, singleCopy: 'refuse' }).check()).rejects.toMatchObject({
    code: 'ERR_INSTALL_SETUP',
    message: expect.stringContaining('a single copy'),
  });
  const warn = jest.spyOn(process, 'emitWarning').mockReturnValue();
  await ubootStore({ config, singleCopy: 'warn' }).check();
  expect(warn).toHaveBeenCalledWith(expect.stringContaining('a single copy'), {
    code: 'IOTKIT_SINGLE_ENVIRONMENT',
  });
  warn.mockRestore();
  process.env.PATH = PATH;
});

test('one without a copy is refused in any case', async () => {
  await writeFile(config, '# /dev/mtd1 0x0 0x4000\n');
  await expect(ubootStore({ config, singleCopy: 'warn' }).check()).rejects.toMatchObject({
    code: 'ERR_INSTALL_SETUP',
    message: expect.stringContaining('no copy'),
  });
});

// 'a=12' and the changed 'b', each with its NUL, the NUL of the end, and the head.
test.each([
  ['one copy, with a head of 4 bytes', ['0x14']],
  ['two, with 5 bytes, of which the smaller one counts', ['0x15', '0x40']],
])('room of %s', async (_, sizes) => {
  await writeFile(config, sizes.map((size) => `/dev/mtd1 0x0 ${size}\n`).join(''));
  const store = ubootStore({ config, singleCopy: 'warn' });
  const before = new Map([
    ['a', '12'],
    ['gone', 'x'.repeat(100)],
  ]);
  await store.assertWritable(before, { b: '1234567', gone: undefined });
  const attempt = store.assertWritable(before, { b: '12345678', gone: undefined });
  await expect(attempt).rejects.toMatchObject({ code: 'ERR_BOOT_STATE' });
});

describe('a change', () => {
  const { PATH } = process.env;
  let made: string[];
  beforeEach(async () => {
    const script = `#!/bin/sh\ncat "$4" > ${directory}/written\n`;
    await writeFile(path.join(directory, 'fw_setenv'), script, { mode: 0o755 });
    process.env.PATH = `${directory}:${PATH}`;
    made = [];
    jest.spyOn(fs, 'mkdtemp').mockImplementation((async () => {
      const folder = path.join(directory, 'script');
      await mkdir(folder);
      made.push(folder);
      return folder;
    }) as unknown as typeof mkdtemp);
  });
  afterEach(() => {
    process.env.PATH = PATH;
    jest.restoreAllMocks();
  });

  test('is one script, which is gone afterwards', async () => {
    await ubootStore({ config, singleCopy: 'warn' }).write({ BOOT_ORDER: 'B A', old: undefined });
    expect(await readFile(path.join(directory, 'written'), 'utf8')).toBe('BOOT_ORDER=B A\nold=\n');
    expect(made).toHaveLength(1);
    expect(await readdir(directory)).toEqual(['fw_setenv', 'written']);
  });

  test.each([{ a: '1\nbootcmd=reset' }, { a: '1\r' }, { 'a b': '1' }, { 'a=b': '1' }])(
    'that would be another one is not made: %j',
    async (changes: Readonly<Record<string, string>>) => {
      const attempt = ubootStore({ config, singleCopy: 'warn' }).write(changes);
      await expect(attempt).rejects.toMatchObject({ code: 'ERR_BOOT_STATE' });
      expect(await readdir(directory)).toEqual(['fw_setenv']);
    },
  );
});

test('without its configuration nothing is tried', async () => {
  await expect(ubootStore({ config, singleCopy: 'warn' }).check()).rejects.toMatchObject({
    code: 'ERR_INSTALL_SETUP',
    message: expect.stringContaining('ENOENT'),
  });
});

describe('a tool that takes defaults for an environment that is damaged', () => {
  const warning = 'Cannot read environment, using default';
  const says = (code: string): Promise<string> => tool(['sh', '-c', code]);
  const many = 'seq -f "variable%g=load mmc 0:1 some/path" 1500';

  test.each([
    ['a few', 'echo BOOT_ORDER=A B'],
    ['many', many],
  ])('is not believed, whether they are %s', async (_, defaults) => {
    await expect(says(`echo '${warning}' >&2; ${defaults}`)).rejects.toMatchObject({
      code: 'ERR_BOOT_STATE',
      detail: `sh finds no environment that is whole: ${warning}`,
    });
  });

  test('is not believed after many other words either', async () => {
    const words = `seq -f 'warning %g' 1000 >&2; echo '${warning}' >&2; echo BOOT_ORDER=A B`;
    await expect(says(words)).rejects.toMatchObject({
      detail: `sh finds no environment that is whole: ${warning}`,
    });
  });

  test('is told from a variable with the same words', async () => {
    const variable = 'findfdt=echo using default device tree';
    expect(await says(`echo '${variable}'; echo harmless >&2`)).toBe(`${variable}\n`);
  });
});
