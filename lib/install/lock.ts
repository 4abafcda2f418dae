/**
 * Locks of the kernel on files (`flock`), which go with the process that holds them, however it ends.
 * Node.js has no call for them: the program `flock` of util-linux or busybox locks a file that this
 * process has opened. Such a lock belongs to the opened file, so it stays when that program has ended.
 */

import { spawn } from 'node:child_process';
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { endQuietly } from '../base/cleanup';
import { type ErrorCode, IotkitError } from '../base/errors';

/** @internal A lock that is held, until it is released or this process ends. */
export interface FileLock {
  release(): Promise<void>;
}

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_RDWR } = constants;

/**
 * @internal Takes the exclusive lock on `path`, which is made if it is missing, and is never removed: who
 * removed a lock file could leave two holders, one of each file. Whoever can read it can lock it.
 *
 * @returns undefined: somebody holds it, exclusively or shared.
 * @throws IotkitError ERR_INSTALL_UNAVAILABLE (no `flock`), ERR_FILE_ACCESS, ERR_FILE_NOT_FOUND, ERR_FILE
 */
export function tryLock(path: string, mode = 0o600): Promise<FileLock | undefined> {
  return waitForLock(path, { mode, waitMs: 0 });
}

/** @internal */
export interface LockOptions {
  /** Of the file, where it is made. Default 0600. */
  readonly mode?: number;
  /** Who gets it then, where root makes it. */
  readonly owner?: { readonly uid: number; readonly gid: number };
  /** How long whoever holds the lock is waited for, milliseconds. */
  readonly waitMs: number;
}

/**
 * @internal As {@link tryLock}, after waiting.
 *
 * @returns undefined: it was held for longer.
 */
export async function waitForLock(
  path: string,
  { mode = 0o600, owner, waitMs }: LockOptions,
): Promise<FileLock | undefined> {
  const file = await openOrMake(path, mode, owner).catch((cause: unknown) => {
    throw fileError(path, cause);
  });
  try {
    if (!(await file.stat()).isFile()) {
      throw new IotkitError('ERR_FILE_ACCESS', `${path} is no regular file`);
    }
    if (await lockOpened(file, waitMs)) return { release: () => file.close() };
  } catch (error) {
    await endQuietly(() => file.close());
    throw error;
  }
  await file.close();
  return undefined;
}

/** With O_CREAT Linux may refuse a file of another user's that is there (`fs.protected_regular`). */
async function openOrMake(
  path: string,
  mode: number,
  owner: LockOptions['owner'],
): Promise<FileHandle> {
  for (;;) {
    const there = await openThere(path).catch(unless('ENOENT'));
    if (there !== undefined) return there;
    const making = O_RDWR | O_NOFOLLOW | O_CREAT | O_EXCL;
    const made = await open(path, making, mode).catch(unless('EEXIST'));
    if (made === undefined) continue;
    if (owner !== undefined && process.geteuid?.() === 0) await made.chown(owner.uid, owner.gid);
    return made;
  }
}

/** For writing where that is allowed: NFS gives an exclusive lock on nothing else. A pipe is not waited for. */
function openThere(path: string): Promise<FileHandle> {
  const flags = O_NOFOLLOW | O_NONBLOCK;
  return open(path, flags | O_RDWR).catch(() => open(path, flags | O_RDONLY));
}

function unless(code: string): (error: unknown) => undefined {
  return (error) => {
    if ((error as NodeJS.ErrnoException).code !== code) throw error;
  };
}

function lockOpened(file: FileHandle, waitMs: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    // The fourth of its files is the opened one, which it inherits as number 3.
    const child = spawn('flock', waitMs === 0 ? ['-n', '3'] : ['3'], {
      env: process.env,
      stdio: ['ignore', 'ignore', 'ignore', file.fd],
    });
    const timer = waitMs === 0 ? undefined : setTimeout(() => child.kill('SIGKILL'), waitMs);
    child.once('error', (cause) => {
      clearTimeout(timer);
      const detail = 'the program flock is not there: install util-linux';
      reject(new IotkitError('ERR_INSTALL_UNAVAILABLE', detail, { cause }));
    });
    child.once('exit', (code, signal) => {
      clearTimeout(timer);
      // What it got in its last moment goes when the file is closed.
      if (code === 0 || code === 1 || signal === 'SIGKILL') resolve(code === 0);
      else reject(new IotkitError('ERR_INSTALL_UNAVAILABLE', `flock ended with ${code}`));
    });
  });
}

/** @internal The error for what the system says of a file. */
export function fileError(path: string, cause: unknown): IotkitError {
  const why = (cause as NodeJS.ErrnoException).code ?? 'ERR';
  const detail = why === 'ELOOP' ? `${path} is a symbolic link` : `${path}: ${why}`;
  return new IotkitError(codes.get(why) ?? 'ERR_FILE', detail, { cause });
}

const codes: ReadonlyMap<string, ErrorCode> = new Map([
  ['EACCES', 'ERR_FILE_ACCESS'],
  ['EPERM', 'ERR_FILE_ACCESS'],
  ['EROFS', 'ERR_FILE_ACCESS'],
  ['ELOOP', 'ERR_FILE_ACCESS'],
  ['ENOENT', 'ERR_FILE_NOT_FOUND'],
  ['ENOTDIR', 'ERR_FILE_NOT_FOUND'],
  ['ENOSPC', 'ERR_NO_SPACE'],
  ['EDQUOT', 'ERR_NO_SPACE'],
]);
