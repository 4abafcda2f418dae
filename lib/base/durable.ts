/** What a power cut must not take: files and names that are on the disk when it resolves. */
import { constants } from 'node:fs';
import { open, rename, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';

/** What statfs() of Linux says of FAT, whatever the length of its names. */
const FAT = 0x4d44;

/** Flushes a file, or the names in a folder; some file systems flush no folders. `flags`: to open it with. */
export async function flush(path: string, flags: number = constants.O_RDONLY): Promise<void> {
  const file = await open(path, flags);
  try {
    await file.sync();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EINVAL') throw error;
  } finally {
    await file.close();
  }
}

/**
 * Gives a file that was flushed another name in the same folder, in place of whatever file has it; the name is there
 * for good when the folder is flushed. On FAT a power cut in between leaves what had the name or the file, too:
 * port/posix/rename.c of the C SDK says how. Only of a file that nothing had the name of there may be both names.
 */
export async function renameFile(from: string, to: string): Promise<void> {
  if ((await statfs(from)).type === FAT) await renameOnFat(from, to);
  else await rename(from, to);
}

async function renameOnFat(from: string, to: string): Promise<void> {
  const replaced = await open(to, 'r').catch(() => undefined);
  try {
    await rename(from, to);
    if (replaced !== undefined) await flush(dirname(to));
    await flush(to);
  } finally {
    await replaced?.close();
  }
}
