// Tested by test/unit/delta/result-file.test.ts
/** Whether a file has room, before its first byte: as the addon's files do (image/file.c of the C SDK). */
import { statfs } from 'node:fs/promises';
import { IotkitError } from '../base/errors';

/** What the others of the disk keep: this share of the file system, and at most so much. */
const RESERVE_OF_DISK = 64;
const RESERVE_MAX = 16 * 1024 * 1024;

/** Throws `ERR_NO_SPACE`. `keepsReserve`: nobody has said how large a file may be. */
export async function assertRoom(
  directory: string,
  size: number,
  keepsReserve: boolean,
): Promise<void> {
  // A file system that cannot say so may still have it.
  const found = await statfs(directory).catch(() => undefined);
  if (found === undefined) return;
  const free = found.bavail * found.bsize;
  const share = Math.floor((found.blocks * found.bsize) / RESERVE_OF_DISK);
  const reserve = keepsReserve ? Math.min(share, RESERVE_MAX) : 0;
  if (size + reserve <= free) return;
  const detail = `${directory}: ${size} bytes needed, ${free} free, of which ${reserve} stay free`;
  throw new IotkitError('ERR_NO_SPACE', detail);
}
