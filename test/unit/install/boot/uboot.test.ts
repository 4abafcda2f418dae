import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { tool, ubootStore } from '../../../../lib/install/boot/uboot';
import { copiesOf, sizesOf } from '../../../../lib/install/boot/uboot-config';

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

test('an environment with one copy is refused, and by option warned of', async () => {
  await writeFile(config, '/dev/mtd1 0x0 0x4000\n');
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

  test('is told from a variable with the same words', async () => {
    const variable = 'findfdt=echo using default device tree';
    expect(await says(`echo '${variable}'; echo harmless >&2`)).toBe(`${variable}\n`);
  });
});
