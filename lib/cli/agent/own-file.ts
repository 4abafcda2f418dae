// Tested by test/unit/cli/agent/log.test.ts
/**
 * Small files of the agent in a directory that others may write into: they could put a link, a pipe, or
 * another name of a file of theirs where ours is to be.
 */
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  openSync,
  readSync,
  type Stats,
  writeFileSync,
} from 'node:fs';
import { flush } from '../../base/durable';

const { O_APPEND, O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY } = constants;
const OURS = O_NOFOLLOW | O_NONBLOCK;
const PRIVATE = 0o600;

/** The last so many bytes of it; undefined: there is none, or it cannot be read. */
export function readOurs(file: string, maxBytes: number): string | undefined {
  try {
    return inFile(file, O_RDONLY, (opened, { size }) => {
      const bytes = Buffer.alloc(Math.min(size, maxBytes));
      const count = readSync(opened, bytes, 0, bytes.length, size - bytes.length);
      return bytes.toString('utf8', 0, count);
    });
  } catch {
    return undefined;
  }
}

/** @throws the error of the system; it may have been written in part */
export function appendToOurs(file: string, text: string): void {
  inFile(file, O_WRONLY | O_CREAT | O_APPEND, (opened) => writeFileSync(opened, text));
}

/**
 * Writes a file that is not there yet, to the disk.
 *
 * @throws the error of the system; it may have been written in part
 */
export function writeNew(file: string, text: string): void {
  inFile(file, O_WRONLY | O_CREAT | O_EXCL, (opened) => {
    writeFileSync(opened, text);
    fsyncSync(opened);
  });
}

/** Resolves when it is on the disk, or cannot be: whoever writes into it next hears what is wrong with it. */
export async function flushOurs(file: string): Promise<void> {
  await flush(file, O_RDONLY | OURS).catch(() => {});
}

function inFile<T>(path: string, flags: number, work: (opened: number, stats: Stats) => T): T {
  const opened = openSync(path, flags | OURS, PRIVATE);
  try {
    const stats = fstatSync(opened);
    if (!stats.isFile()) throw new Error(`${path} is no file`);
    if (stats.nlink > 1) throw new Error(`${path} has another name, too`);
    return work(opened, stats);
  } finally {
    closeSync(opened);
  }
}
