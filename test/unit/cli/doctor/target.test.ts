import { spawnSync } from 'node:child_process';
import { constants, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Report } from '../../../../lib/cli/doctor/report';
import { checkTarget, mountPoint } from '../../../../lib/cli/doctor/target';
import { run, runWell } from '../../../support/process';

const cli = path.resolve(__dirname, '../../../../dist/cli/index.js');
/** A disk of its own, in a namespace of its own, where the system lets one be made. */
const mounts = spawnSync('unshare', ['-rm', 'mount', '-t', 'tmpfs', 'none', '/mnt']).status === 0;
const withMounts = mounts ? test : test.skip;

let folder = '';

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'iotkit-ota-test-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

test.each(['image', ''])('a file or a folder, and nothing is left in it: %j', async (name) => {
  const finding = await checkTarget(path.join(folder, name), undefined);
  expect(['ok', 'warn']).toContain(finding.status);
  expect(finding.facts).toMatchObject({ folder: path.normalize(folder), kind: 'file' });
  expect(readdirSync(folder)).toEqual([]);
});

test('more than there is room for', async () => {
  const finding = await checkTarget(path.join(folder, 'image'), Number.MAX_SAFE_INTEGER);
  expect(finding).toMatchObject({ status: 'fail' });
  expect(finding.summary).toMatch(/room for .* of .* wanted$/);
});

test('a folder that does not exist, and one that is a file', async () => {
  const missing = await checkTarget(path.join(folder, 'none', 'image'), undefined);
  expect(missing).toMatchObject({ status: 'fail', facts: { code: 'ENOENT' } });
  expect(missing.remedy).toContain('Make the directory');
  writeFileSync(path.join(folder, 'file'), '');
  const file = await checkTarget(path.join(folder, 'file', 'image'), undefined);
  expect(file).toMatchObject({ status: 'fail', facts: { code: 'ENOTDIR' } });
});

test('a character device is no target', async () => {
  expect(await checkTarget('/dev/null', undefined)).toMatchObject({ status: 'fail' });
});

/** The finding for `$1/image` on a disk that `script` has made at $1. */
async function onDisk(script: string): Promise<unknown> {
  const shell = `${script} && exec "$2" "$3" doctor --json --target "$1/image"`;
  const args = ['-rm', 'sh', '-c', shell, 'sh', folder, process.execPath, cli];
  const { stdout } = await run('unshare', args);
  const { checks } = JSON.parse(stdout) as Report;
  return checks.find(({ id }) => id === 'target');
}

withMounts('a file system in memory is a warning', async () => {
  const finding = await onDisk('mount -t tmpfs -o size=64m none "$1"');
  expect(finding).toMatchObject({ status: 'warn', facts: { inMemory: true } });
});

withMounts('a full disk', async () => {
  const fill = 'dd if=/dev/zero of="$1/filler" bs=4k count=100 2>/dev/null';
  const finding = await onDisk(`mount -t tmpfs -o size=64k none "$1" && { ${fill}; true; }`);
  expect(finding).toMatchObject({ status: 'fail', facts: { code: 'ENOSPC' } });
});

withMounts('a disk that is read-only', async () => {
  const finding = await onDisk('mount -t tmpfs -o ro none "$1"');
  expect(finding).toMatchObject({ status: 'fail', facts: { code: 'EROFS' } });
});

/** Where the system lets us make block devices of files. */
const loops = spawnSync('losetup', ['--find']).status === 0;
const withLoops = loops ? test : test.skip;

withLoops('a partition, by its size, and while something else uses it', async () => {
  const image = path.join(folder, 'disk');
  writeFileSync(image, Buffer.alloc(2 ** 20));
  const device = (await runWell('losetup', ['--find', '--show', image])).trim();
  try {
    const facts = { path: device, kind: 'device', free: 2 ** 20, mountedAt: null };
    expect(await checkTarget(device, 2 ** 20)).toMatchObject({ status: 'ok', facts });
    expect(await checkTarget(device, 2 ** 20 + 1)).toMatchObject({ status: 'fail', facts });
    const user = await open(device, constants.O_RDWR | constants.O_EXCL);
    const finding = await checkTarget(device, undefined).finally(() => user.close());
    expect(finding).toMatchObject({ status: 'fail', facts: { code: 'EBUSY' } });
  } finally {
    await runWell('losetup', ['--detach', device]);
  }
});

/** What `/` is on; undefined: no block device that can be seen here. */
function rootDevice(): string | undefined {
  const device = spawnSync('findmnt', ['-no', 'SOURCE', '/'], { encoding: 'utf8' }).stdout?.trim();
  const isBlock = device && statSync(device, { throwIfNoEntry: false })?.isBlockDevice();
  return isBlock ? device : undefined;
}
const withRoot = rootDevice() === undefined ? test.skip : test;

withRoot('the running system is no target', async () => {
  expect(await checkTarget(String(rootDevice()), undefined)).toMatchObject({
    status: 'fail',
    facts: { kind: 'device', mountedAt: '/' },
  });
});

test('where a device is mounted', () => {
  const mountinfo = [
    '22 1 254:0 / / rw,relatime - ext4 /dev/vda rw',
    '30 22 0:26 / /run/user\\040data rw - tmpfs tmpfs rw',
  ].join('\n');
  expect(mountPoint(mountinfo, '254:0')).toBe('/');
  expect(mountPoint(mountinfo, '0:26')).toBe('/run/user data');
  expect(mountPoint(mountinfo, '254:1')).toBeUndefined();
});
