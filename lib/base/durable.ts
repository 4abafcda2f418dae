/** What a power cut must not take: files and names that are on the disk when it resolves. */
import { constants } from 'node:fs';
import { open, rename, statfs } from 'node:fs/promises';

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
 * Gives a file that was flushed another name, in place of whatever file has it; the name is there for good
 * when its folder is flushed. On FAT size and place of a file stand with its name, and Linux renames it to
 * nothing: both follow when the file is flushed again, or half a minute later.
 */
export async function renameFile(from: string, to: string): Promise<void> {
  await rename(from, to);
  if ((await statfs(to)).type === FAT) await flush(to);
}
