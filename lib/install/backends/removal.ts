/**
 * Removing what is no longer needed: releases, images, what cut off installations have left. Nobody
 * depends on its end, so what cannot be removed is left, and the process is warned of it.
 */
import { constants } from 'node:fs';
import { chmod, lstat, open, rmdir, stat, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { endQuietly } from '../../base/cleanup';
import { fileError } from '../lock';
import { pathsIn, type TreePath } from './tree';

/** @internal Removes a file, or a directory with all in it that can be; says whether it is gone. */
export async function discard(path: string): Promise<boolean> {
  try {
    const { dev } = await stat(dirname(path));
    await remove(path, dev);
    return true;
  } catch (cause) {
    if (isMissing(cause)) return true;
    warnOfLeft(path, cause);
    return false;
  }
}

/** @internal Warns the process (`IOTKIT_NOT_REMOVED`) of what was not removed. */
export function warnOfLeft(what: string, cause: unknown): void {
  const detail = `${what} is left, and takes space: ${(cause as Error).message}`;
  process.emitWarning(detail, { code: 'IOTKIT_NOT_REMOVED' });
}

// Not rm(): that ends at the first file that it cannot remove, and empties what is mounted inside.
async function remove(path: TreePath, dev: number): Promise<void> {
  const found = await lstat(path);
  if (!found.isDirectory()) return unlink(path).catch(unlessMissing(path));
  if (found.dev !== dev) throw fileError(String(path), { code: 'EBUSY' });
  if ((found.mode & OWNER_ALL) !== OWNER_ALL) await makeWritable(path, found.mode);
  const inner = await pathsIn(path).catch(unlessMissing(path));
  const removed = await Promise.allSettled((inner ?? []).map((it) => remove(it, dev)));
  for (const one of removed) {
    if (one.status === 'rejected' && !isMissing(one.reason)) throw one.reason;
  }
  await rmdir(path).catch(unlessMissing(path));
}

const OWNER_ALL = 0o700;
const { O_DIRECTORY, O_NOFOLLOW } = constants;
/** Of Linux: opens no more than the name, for which no right to read is needed. */
const O_PATH = 0x200000;

// By what was opened: a link that somebody puts in its place would get the rights instead.
async function makeWritable(path: TreePath, mode: number): Promise<void> {
  const flags = O_DIRECTORY | O_NOFOLLOW | (process.platform === 'linux' ? O_PATH : 0);
  const folder = await open(path, flags).catch(() => undefined);
  if (folder === undefined) return;
  const rights = (mode & 0o7777) | OWNER_ALL;
  // Another user's: removing says so.
  await folder
    .chmod(rights)
    .catch(() => chmod(`/proc/self/fd/${folder.fd}`, rights))
    .catch(() => {});
  await endQuietly(() => folder.close());
}

function isMissing(cause: unknown): boolean {
  return (cause as NodeJS.ErrnoException).code === 'ENOENT';
}

function unlessMissing(path: TreePath): (cause: unknown) => undefined {
  return (cause) => {
    if (!isMissing(cause)) throw fileError(String(path), cause);
    return undefined;
  };
}
