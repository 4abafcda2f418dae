/**
 * A file that JavaScript writes and that appears whole under its name or not at all, as the addon's
 * do (image/file.h of the C SDK): bytes go to a part of its own beside it, mode 0600, which is
 * synced and then renamed. No part is ever used again: a delta cannot be applied from its middle.
 */
import { constants } from 'node:fs';
import { type FileHandle, open, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { putInPlace } from '../base/durable';
import { IotkitError } from '../base/errors';
import { fileError } from './file-errors';
import { assertReplaceable, existing, resolveLinks, trusted } from './own';
import { clearParts, isOwnFile, partOf } from './parts';
import { assertRoom } from './space';

const MODE = 0o644;
const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants;

/** Parts that are being written by this process. */
const written = new Set<string>();

/** What is known of a file before its first byte. */
export interface ResultOptions {
  /** Of a new file, less the umask; an existing one's is kept. Default 0o644. */
  readonly mode?: number | undefined;
  /** Bytes that there has to be room for. Default: it is not known. */
  readonly size?: number | undefined;
  /** Whether some of the file system stays free, since nobody has bounded the size. Default true. */
  readonly keepsReserve?: boolean | undefined;
}

/** One file, from the first byte to its name. */
export class ResultFile {
  readonly #path: string;
  readonly #part: string;
  readonly #mode: number | undefined;
  readonly #file: FileHandle;

  private constructor(target: string, part: string, mode: number | undefined, file: FileHandle) {
    this.#path = target;
    this.#part = part;
    this.#mode = mode;
    this.#file = file;
  }

  /**
   * Begins a part, and removes those that were left by a crash. A symbolic link of ours or root's
   * stays: part and file are where it leads to. Throws `ERR_INVALID_ARGUMENT` (a directory or device
   * is there), `ERR_FILE_LOCKED`, `ERR_NO_SPACE`, `ERR_FILE…`.
   */
  static async open(name: string, options: ResultOptions = {}): Promise<ResultFile> {
    const { mode, size = 0, keepsReserve = true } = options;
    const target = await place(name);
    const part = partOf(target);
    if (written.has(part)) throw new IotkitError('ERR_FILE_LOCKED', part);
    written.add(part);
    const file = await makePart(part).catch((error) => {
      written.delete(part);
      throw fileError(part, error);
    });
    const result = new ResultFile(target, part, mode, file);
    try {
      // After it was made: of two that begin at once, one sees the other.
      assertAlone(target);
      await assertRoom(dirname(target), size, keepsReserve);
      return result;
    } catch (error) {
      await result.discard();
      throw fileError(part, error);
    }
  }

  /** Writes all of `bytes` at `offset`. */
  async write(bytes: Uint8Array, offset: number): Promise<void> {
    for (let done = 0; done < bytes.length; ) {
      const { bytesWritten } = await this.#file
        .write(bytes, done, bytes.length - done, offset + done)
        .catch((cause) => Promise.reject(fileError(this.#part, cause)));
      done += bytesWritten;
    }
  }

  /**
   * Gives the part its name, when its bytes are on the disk. Throws only as long as it has not got it.
   * Returns what a power cut may still take, undefined: nothing.
   */
  async commit(): Promise<string | undefined> {
    let failure: Error | undefined;
    try {
      await this.#setOwnerAndMode();
      await this.#file.sync();
      if (!(await this.#isAt(this.#part))) {
        throw new IotkitError('ERR_FILE', `${this.#part} was replaced by another program`);
      }
      failure = await putInPlace(this.#part, this.#path);
    } catch (cause) {
      await this.discard();
      throw fileError(this.#path, cause);
    }
    await this.#close().catch(() => {}); // synced already
    return failure && `installed, not yet durable: ${this.#path}: ${failure.message}`;
  }

  /** Removes the part. Never rejects: there is an error already. */
  async discard(): Promise<void> {
    const isOurs = await this.#isAt(this.#part).catch(() => false);
    if (isOurs) await unlink(this.#part).catch(() => {});
    await this.#close().catch(() => {});
  }

  async #close(): Promise<void> {
    written.delete(this.#part);
    await this.#file.close();
  }

  /** Those of the file that it replaces, if these are not of others' making; never set-id bits. */
  async #setOwnerAndMode(): Promise<void> {
    const replaced = await trusted(this.#path);
    if (replaced === undefined) return this.#setMode((this.#mode ?? MODE) & ~process.umask());
    const { uid, gid } = await this.#file.stat();
    // Not permitted, as a rule: then it stays ours.
    if (uid !== replaced.uid || gid !== replaced.gid)
      await this.#file.chown(replaced.uid, replaced.gid).catch(() => {});
    return this.#setMode(replaced.mode & 0o777);
  }

  /** FAT knows of no modes. */
  async #setMode(mode: number): Promise<void> {
    await this.#file.chmod(mode).catch(() => {});
  }

  /** Another program may have put a file of its own there. */
  async #isAt(name: string): Promise<boolean> {
    const [there, own] = [await existing(name), await this.#file.stat()];
    return there?.ino === own.ino && there.dev === own.dev;
  }
}

/** Makes an empty file that only we may open. What others have put there, or a link, goes; a file of ours is in use. */
async function makePart(part: string): Promise<FileHandle> {
  const make = (): Promise<FileHandle> =>
    open(part, O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY, 0o600);
  return make().catch(async (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
    if (isOwnFile(part)) throw new IotkitError('ERR_FILE_LOCKED', part);
    await unlink(part);
    return make();
  });
}

function assertAlone(target: string): void {
  const other = clearParts(target);
  if (other === undefined) return;
  throw new IotkitError('ERR_FILE_LOCKED', `${other} is being written by another process`);
}

/** Where the file goes if it is to be found at `name`. */
async function place(name: string): Promise<string> {
  try {
    const target = await resolveLinks(name);
    await assertReplaceable(target);
    return target;
  } catch (error) {
    throw isArgument(error) ? error : fileError(name, error);
  }
}

const isArgument = (error: unknown): boolean =>
  (error as { readonly code?: unknown }).code === 'ERR_INVALID_ARGUMENT';
