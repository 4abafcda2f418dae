// Tested by test/unit/delta/apply.test.ts
/** The image that a delta is applied to: proven first, then read in pieces wherever a record says. */
import { createHash } from 'node:crypto';
import { constants, type Stats } from 'node:fs';
import { open } from 'node:fs/promises';
import { endQuietly } from '../base/cleanup';
import { IotkitError } from '../base/errors';
import { fileError } from './file-errors';
import type { DeltaImage } from './format';

const { O_NOCTTY, O_NONBLOCK, O_RDONLY } = constants;
/** Bytes digested at a time, without holding the JS thread up. */
const PIECE = 256 * 1024;
/** Bytes around a place that are kept where little is wanted: records are small and close together. */
const PAGE = 16 * 1024;
const PAGES_MAX = 64;

/** What is needed of a file's status. */
export interface OpenFileStats {
  /** Bytes. */
  readonly size: number;
  /** Whether it is one. */
  isBlockDevice(): boolean;
}

/** What one read has brought. */
export interface OpenFileRead {
  /** Bytes; 0 at the end. */
  readonly bytesRead: number;
}

/** What is needed of an open file; a `FileHandle` of `node:fs/promises` has it. */
export interface OpenFile {
  /** Tells it from a URL. */
  readonly fd: number;
  /** Its size, and whether it is a device, which may be larger than the image in it. */
  stat(): Promise<OpenFileStats>;
  /** Reads at `position`, whatever was read before. */
  read(buffer: Uint8Array, offset: number, length: number, position: number): Promise<OpenFileRead>;
}

const fail = (cause: unknown): never => {
  throw fileError('the base', cause);
};

/** @internal A file or a block device, of which the first bytes are the base. */
export class BaseFile {
  readonly #file: OpenFile;
  readonly #close: () => Promise<void>;
  /** The latest used last. */
  readonly #pages = new Map<number, Buffer>();

  private constructor(file: OpenFile, close: () => Promise<void>) {
    this.#file = file;
    this.#close = close;
  }

  /**
   * What is open already stays open when the base is closed. Throws `ERR_DELTA_BASE` for a path of
   * what cannot be read from wherever a record says.
   */
  static async open(base: string | URL | OpenFile): Promise<BaseFile> {
    if (typeof base === 'object' && 'fd' in base) return new BaseFile(base, async () => {});
    // Without O_NONBLOCK a FIFO would be waited for until somebody writes to it, which no signal ends.
    const file = await open(base, O_RDONLY | O_NONBLOCK | O_NOCTTY).catch(fail);
    try {
      assertReadable(base, await file.stat());
    } catch (error) {
      await endQuietly(() => file.close());
      throw fail(error);
    }
    return new BaseFile(file, () => file.close());
  }

  close(): Promise<void> {
    return this.#close();
  }

  /**
   * Reads the base once, from its beginning to its end. Throws `ERR_DELTA_BASE` if it is not
   * `wanted`. A file must be as large, a block device at least.
   */
  async prove({ size, sha256 }: DeltaImage, signal?: AbortSignal): Promise<void> {
    const stats = await this.#file.stat().catch(fail);
    if (!stats.isBlockDevice() && stats.size !== size) {
      throw wrongBase(`it has ${stats.size} bytes, not ${size}`);
    }
    const hash = createHash('sha256');
    const piece = Buffer.allocUnsafeSlow(PIECE);
    for (let at = 0; at < size; ) {
      signal?.throwIfAborted();
      const count = Math.min(PIECE, size - at);
      await this.#read(piece, 0, count, at);
      hash.update(piece.subarray(0, count));
      at += count;
    }
    const found = hash.digest('hex');
    if (found !== sha256) throw wrongBase(`its SHA-256 is ${found}, not ${sha256}`);
  }

  /**
   * Copies `count` bytes of the base from `position` on into `out` from `at` on; undefined: they
   * are there already.
   */
  copyTo(out: Buffer, at: number, count: number, position: number): Promise<void> | undefined {
    const start = position % PAGE;
    const kept = start + count <= PAGE ? this.#kept(position) : undefined;
    if (kept === undefined) return count === 0 ? undefined : this.#copy(out, at, count, position);
    kept.copy(out, at, start, start + count);
    return undefined;
  }

  async #copy(out: Buffer, at: number, count: number, position: number): Promise<void> {
    if (count >= PAGE) return this.#read(out, at, count, position);
    for (let done = 0; done < count; ) {
      const from = position + done;
      const page = this.#kept(from) ?? (await this.#load(from));
      done += page.copy(out, at + done, from % PAGE, (from % PAGE) + count - done);
    }
  }

  /** The page with `position`, if it is kept; it is then the latest. */
  #kept(position: number): Buffer | undefined {
    const number = Math.floor(position / PAGE);
    const page = this.#pages.get(number);
    if (page === undefined) return undefined;
    this.#pages.delete(number);
    this.#pages.set(number, page);
    return page;
  }

  async #load(position: number): Promise<Buffer> {
    const number = Math.floor(position / PAGE);
    const page = this.#pages.size < PAGES_MAX ? Buffer.allocUnsafeSlow(PAGE) : this.#oldest();
    await this.#read(page, 0, PAGE, number * PAGE, (position % PAGE) + 1);
    this.#pages.set(number, page);
    return page;
  }

  #oldest(): Buffer {
    const [number, page] = this.#pages.entries().next().value as [number, Buffer];
    this.#pages.delete(number);
    return page;
  }

  /** Reads `count` bytes, or at the end of the base at least `needed`. */
  async #read(to: Buffer, at: number, count: number, from: number, needed = count): Promise<void> {
    for (let done = 0; done < count; ) {
      const { bytesRead } = await this.#file
        .read(to, at + done, count - done, from + done)
        .catch(fail);
      done += bytesRead;
      if (bytesRead > 0) continue;
      if (done >= needed) return;
      throw wrongBase(`it ends at byte ${from + done}`);
    }
  }
}

function assertReadable(base: string | URL, stats: Stats): void {
  if (stats.isFile() || stats.isBlockDevice()) return;
  const what = stats.isDirectory() ? 'a directory' : 'neither a regular file nor a block device';
  throw wrongBase(`${base} is ${what}`);
}

function wrongBase(what: string): IotkitError {
  return new IotkitError('ERR_DELTA_BASE', `${what}; the full image is needed`);
}
