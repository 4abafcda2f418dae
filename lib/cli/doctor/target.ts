/** The check `target`: whether an image can be written to a path, and how much room there is. */
import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { open, readFile, stat, statfs, unlink } from 'node:fs/promises';
import path from 'node:path';
import { codeOf, type Finding, fail, messageOf, ok, warn } from './finding';

/** What downloads leave free: 1/64 of the file system, at most 16 MiB. */
const MAX_RESERVE = 16 * 2 ** 20;
const PROBE_BYTES = 4096;
const TMPFS = 0x01021994;

/** @param size of the largest image, bytes; undefined: not known */
export async function checkTarget(target: string, size: number | undefined): Promise<Finding> {
  try {
    const it = await stat(target).catch(ignoreMissing);
    if (it?.isBlockDevice()) return await checkDevice(target, it.rdev, size);
    if (it !== undefined && !it.isFile() && !it.isDirectory()) {
      return fail(`${target} is neither a file, a directory nor a block device`, 'Name another.', {
        path: target,
      });
    }
    return await checkFolder(target, it?.isDirectory() ? target : path.dirname(target), size);
  } catch (error) {
    return failed(target, error);
  }
}

function ignoreMissing(error: unknown): undefined {
  if (codeOf(error) !== 'ENOENT') throw error;
}

function failed(target: string, error: unknown): Finding {
  const code = codeOf(error) ?? null;
  const remedy = remedies[code ?? ''] ?? 'Name a path that this user may write to.';
  return fail(`${target}: ${messageOf(error)}`, remedy, { path: target, code });
}

const IN_USE = 'Never write to one that is in use: name the slot that is not running.';
const remedies: Readonly<Record<string, string>> = {
  ENOENT: 'Make the directory first; a download does not.',
  EACCES: 'Give this user the right to write there, or run as another.',
  EPERM: 'Give this user the right to write there, or run as another.',
  EBUSY: IN_USE,
  EROFS: 'The file system is mounted read-only: name a path on one that is not.',
  ENOSPC: 'Make room: not even a few kilobytes can be written.',
  EDQUOT: "Raise this user's quota, or remove files.",
};

async function checkFolder(
  target: string,
  folder: string,
  size: number | undefined,
): Promise<Finding> {
  await writeProbe(folder);
  const { bavail, bsize, blocks, type } = await statfs(folder);
  const reserve = Math.min((blocks * bsize) / 64, MAX_RESERVE);
  const free = Math.max(0, Math.floor(bavail * bsize - reserve));
  const inMemory = process.platform === 'linux' && type === TMPFS;
  const facts = { path: target, folder, kind: 'file', free, inMemory };
  const summary = `${folder} can be written to, room for ${mebibytes(free)}`;
  if (free === 0 || (size !== undefined && size > free)) {
    const wanted = size === undefined ? '' : ` of ${mebibytes(size)} wanted`;
    return fail(`${summary}${wanted}`, 'Make room, or name a path on a larger file system.', facts);
  }
  if (!inMemory) return ok(summary, facts);
  const remedy = 'A restart loses what was downloaded: name a path on a disk for resuming.';
  return warn(`${summary}, in memory (tmpfs)`, remedy, facts);
}

// Access rights alone do not say it: of quotas, security modules and full disks only a write tells.
async function writeProbe(folder: string): Promise<void> {
  const name = path.join(folder, `.iotkit-ota-doctor-${randomBytes(6).toString('hex')}`);
  const file = await open(name, 'wx', 0o600);
  try {
    await file.write(new Uint8Array(PROBE_BYTES));
    await file.sync();
  } finally {
    await file.close();
    await unlink(name);
  }
}

async function checkDevice(
  target: string,
  rdev: number,
  size: number | undefined,
): Promise<Finding> {
  const number = `${major(rdev)}:${minor(rdev)}`;
  const mountedAt = mountPoint(await linuxFile('/proc/self/mountinfo'), number);
  const bytes = 512 * Number((await linuxFile(`/sys/dev/block/${number}/size`)) || Number.NaN);
  const free = Number.isNaN(bytes) ? null : bytes;
  const facts = { path: target, kind: 'device', free, mountedAt: mountedAt ?? null };
  const summary = `${target} is a block device of ${free === null ? 'some size' : mebibytes(free)}`;
  if (mountedAt !== undefined) {
    return fail(`${summary}, mounted at ${mountedAt}`, IN_USE, facts);
  }
  // On Linux EBUSY tells of other uses, too: a partition of it is mounted, swap, a device mapper.
  await (await open(target, constants.O_RDWR | constants.O_EXCL)).close();
  if (free === null || Math.max(1, size ?? 0) <= free) {
    return ok(`${summary}, can be written to`, facts);
  }
  const wanted = size === undefined ? '' : `, ${mebibytes(size)} wanted`;
  return fail(`${summary}${wanted}`, 'Name a larger one.', facts);
}

/** '' where there is none, as on other systems. */
async function linuxFile(file: string): Promise<string> {
  return (await readFile(file, 'utf8').catch(ignoreMissing)) ?? '';
}

// As makedev() of glibc and musl packs them.
const major = (rdev: number): number => Math.floor(rdev / 2 ** 8) & 0xfff;
const minor = (rdev: number): number => (rdev & 0xff) | (Math.floor(rdev / 2 ** 12) & 0xfff00);

/** Where a device is mounted, by /proc/self/mountinfo; undefined: nowhere. */
export function mountPoint(mounts: string, number: string): string | undefined {
  const line = mounts.split('\n').find((it) => it.split(' ')[2] === number);
  return line
    ?.split(' ')[4]
    ?.replace(/\\(\d{3})/g, (_, code) => String.fromCharCode(Number.parseInt(code, 8)));
}

function mebibytes(bytes: number): string {
  return bytes < 2 ** 20 ? `${Math.ceil(bytes / 1024)} KiB` : `${Math.floor(bytes / 2 ** 20)} MiB`;
}
