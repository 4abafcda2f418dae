/** What a power cut must not take: files and names that are on the disk when it resolves. */
import { constants } from 'node:fs';
import { type FileHandle, open, rename, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';

/** What statfs() of Linux says of FAT, whatever the length of its names. */
const FAT = 0x4d44;
/** Of Linux: opens no more than the name, for which no right to read is needed. */
const O_PATH = 0x200000;

/** Flushes a file. `flags`: to open it with. */
export async function flush(path: string, flags: number = constants.O_RDONLY): Promise<void> {
  const file = await open(path, flags);
  try {
    await file.sync();
  } finally {
    await file.close();
  }
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
  if (await isOnFat(from)) await renameOnFat(from, to);
  else await rename(from, to);
}

/** Where nobody says so it is taken for another one. */
async function isOnFat(path: string): Promise<boolean> {
  return statfs(path).then(
    ({ type }) => type === FAT,
    () => false,
  );
}

async function renameOnFat(from: string, to: string): Promise<void> {
  const replaced = await held(to);
  try {
    await rename(from, to);
    try {
      await flushFolder(dirname(to));
    } finally {
      await flush(to);
    }
  } finally {
    await replaced?.close();
  }
}

/** Keeps the bytes of a file whose name another one gets; undefined: there is none. */
async function held(path: string): Promise<FileHandle | undefined> {
  return open(path, O_PATH | constants.O_NOFOLLOW).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
}
