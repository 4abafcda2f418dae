/**
 * Removing what is no longer needed: releases, images, what cut off installations have left. Nobody
 * depends on its end, so what cannot be removed is left, and the process is warned of it.
 */
import { constants } from 'node:fs';
import { lstat, open, readdir, rmdir, stat, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileError } from '../lock';

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
async function remove(path: string, dev: number): Promise<void> {
  const found = await lstat(path);
  if (!found.isDirectory()) return unlink(path).catch(unlessMissing(path));
  if (found.dev !== dev) throw fileError(path, { code: 'EBUSY' });
  if ((found.mode & OWNER_ALL) !== OWNER_ALL) await makeWritable(path, found.mode);
  const names = await readdir(path).catch(unlessMissing(path));
  const removed = await Promise.allSettled(
    (names ?? []).map((name) => remove(join(path, name), dev)),
  );
  for (const one of removed) {
    if (one.status === 'rejected' && !isMissing(one.reason)) throw one.reason;
  }
  await rmdir(path).catch(unlessMissing(path));
}

const OWNER_ALL = 0o700;
const { O_DIRECTORY, O_NOFOLLOW, O_RDONLY } = constants;

// By what was opened: a link that somebody puts in its place would get the rights instead.
async function makeWritable(path: string, mode: number): Promise<void> {
  const folder = await open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW).catch(() => undefined);
  // Another user's: removing says so.
  await folder?.chmod((mode & 0o7777) | OWNER_ALL).catch(() => {});
  await folder?.close();
}

function isMissing(cause: unknown): boolean {
  return (cause as NodeJS.ErrnoException).code === 'ENOENT';
}

function unlessMissing(path: string): (cause: unknown) => undefined {
  return (cause) => {
    if (!isMissing(cause)) throw fileError(path, cause);
    return undefined;
  };
}
