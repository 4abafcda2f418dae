/** What a power cut must not take: files and names that are on the disk when it resolves. */
import { constants } from 'node:fs';
import { type FileHandle, open, rename, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { withEnd } from './cleanup';

/** What statfs() of Linux says of FAT, whatever the length of its names. */
const FAT = 0x4d44;
/** Of Linux: opens no more than the name, for which no right to read is needed. */
const O_PATH = 0x200000;

/** Flushes a file. `flags`: to open it with. */
export async function flush(path: string, flags: number = constants.O_RDONLY): Promise<void> {
  const file = await open(path, flags);
  await withEnd(
    () => file.sync(),
    () => file.close(),
  );
}

/**
 * Flushes the names in a folder. One that this user may write to and not read cannot be flushed, and some file systems
 * flush none: both count as flushed.
 */
export async function flushFolder(path: string): Promise<void> {
  const { O_RDONLY, O_DIRECTORY } = constants;
  try {
    await flush(path, O_RDONLY | O_DIRECTORY);
  } catch (error) {
    const { code, syscall } = error as NodeJS.ErrnoException;
    const isImpossible = syscall === 'open' ? code === 'EACCES' : code === 'EINVAL';
    if (!isImpossible) throw error;
  }
}

/**
 * Gives a file that was flushed another name in the same folder, in place of whatever file has it; the name is there
 * for good when the folder is flushed. On FAT a power cut in between leaves what had the name or the file, too, and
 * where nothing had it maybe one without bytes: port/posix/rename.c of the C SDK says why.
 */
export async function renameFile(from: string, to: string): Promise<void> {
  const failure = await renamed(from, to);
  if (failure !== undefined) throw failure;
}

/**
 * As renameFile(), then flushes the folder. Throws only as long as nothing was renamed. What fails later
 * is returned: the file has its name, and a power cut may take that from it. Undefined: it is there for good.
 */
export async function putInPlace(from: string, to: string): Promise<Error | undefined> {
  return (await renamed(from, to)) ?? (await failureOf(flushFolder(dirname(to))));
}

/** Throws if it was not renamed; returns what failed afterwards. */
async function renamed(from: string, to: string): Promise<Error | undefined> {
  if (await isOnFat(from)) return renamedOnFat(from, to);
  await rename(from, to);
  return undefined;
}

const failureOf = (work: Promise<void>): Promise<Error | undefined> =>
  work.then(
    () => undefined,
    (error: Error) => error,
  );

/** Where nobody says so it is taken for another one. */
async function isOnFat(path: string): Promise<boolean> {
  return statfs(path).then(
    ({ type }) => type === FAT,
    () => false,
  );
}

async function renamedOnFat(from: string, to: string): Promise<Error | undefined> {
  const replaced = await held(to);
  try {
    await rename(from, to);
    const ofFolder = await failureOf(flushFolder(dirname(to)));
    return (await failureOf(flush(to))) ?? ofFolder;
  } finally {
    await replaced?.close().catch(() => {}); // of what has no name any more
  }
}

/** Keeps the bytes of a file whose name another one gets; undefined: there is none. */
async function held(path: string): Promise<FileHandle | undefined> {
  return open(path, O_PATH | constants.O_NOFOLLOW).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
}
