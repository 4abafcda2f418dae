import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { percent, speed, timeLeft } from '../../../examples/main-job/format';
import { checkFirmware, parseOptions } from '../../../examples/main-job/options';

describe('the options of the main job', () => {
  test('have defaults for everything', () => {
    expect(parseOptions([])).toEqual({
      firmware: process.execPath,
      protocol: 'https',
      digest: 'SHA256',
      fault: undefined,
      from: '1.0.0',
      to: '2.0.0',
    });
  });

  test('are read', () => {
    const line = '--firmware a.bin --protocol http --digest MD5 --fault corrupt --from 1 --to 2';
    expect(parseOptions(line.split(' '))).toEqual({
      firmware: path.resolve('a.bin'),
      protocol: 'http',
      digest: 'MD5',
      fault: 'corrupt',
      from: '1',
      to: '2',
    });
  });

  test.each([
    { args: ['--frimware', 'x'], says: '--frimware' },
    { args: ['x.bin'], says: 'x.bin' },
    { args: ['--protocol', 'ftp'], says: '--protocol must be https or http, not ftp' },
    { args: ['--digest', 'crc32'], says: '--digest must be sha256 or md5, not crc32' },
    { args: ['--fault', 'fire'], says: '--fault must be wrong-secret or' },
    { args: ['--to', '2 0'], says: 'a version is 1-64 letters' },
    { args: ['--from', '2.0.0'], says: '--from and --to must differ' },
  ])('$args are refused: $says', ({ args, says }) => {
    const refused = expect.objectContaining({ kind: 'usage', exitCode: 2 });
    expect(() => parseOptions(args)).toThrow(refused);
    expect(() => parseOptions(args)).toThrow(says);
  });
});

describe('a firmware', () => {
  let folder: string;
  const at = (name: string): string => path.join(folder, name);

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'iotkit-ota-test-'));
    await writeFile(at('image.bin'), 'image');
    await writeFile(at('empty.bin'), '');
    await symlink(at('image.bin'), at('link.bin'));
    await symlink(at('circle.bin'), at('circle.bin'));
  });

  afterAll(() => rm(folder, { recursive: true }));

  test('may be a file or a link to one', async () => {
    expect(await checkFirmware(at('image.bin'))).toBe(5);
    expect(await checkFirmware(at('link.bin'))).toBe(5);
  });

  test.each([
    { name: 'missing.bin', says: 'does not exist' },
    { name: 'image.bin/below', says: 'a part of its path is not a directory' },
    { name: '.', says: 'is a directory' },
    { name: 'empty.bin', says: 'is empty' },
    { name: 'circle.bin', says: 'leads in a circle' },
    { name: `${'n'.repeat(300)}.bin`, says: 'has too long a name' },
    { name: '/dev/null', says: 'is not a regular file' },
  ])('is refused that $says', async ({ name, says }) => {
    const file = name.startsWith('/') ? name : at(name);
    await expect(checkFirmware(file)).rejects.toMatchObject({
      kind: 'firmware',
      exitCode: 3,
      message: expect.stringContaining(`${file} `),
    });
    await expect(checkFirmware(file)).rejects.toThrow(says);
  });
});

test('figures are told in words a person reads', () => {
  expect([percent(0, 10), percent(9_999, 10_000), percent(10, 10)]).toEqual([0, 99, 100]);
  expect([speed(1_234_567), speed(512_345_678)]).toEqual(['1.2 MB/s', '512 MB/s']);
  expect([timeLeft(0, 1), timeLeft(1, 0), timeLeft(30, 10)]).toEqual(['0 s', '-', '3.0 s']);
  expect([timeLeft(500, 10), timeLeft(1850, 10)]).toEqual(['50 s', '3 min 5 s']);
});
