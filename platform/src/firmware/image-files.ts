import { createHash, randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, open, rename, stat } from 'node:fs/promises';
import { invalid, isFull, messageOf, PlatformError } from '../base/errors';
import type { OwnedFiles } from '../store/owned-files';
import type { Firmware, FirmwareFile } from '../types/firmware';
import type { FirmwareOptions, FirmwareSource } from './options';

const COPY_BYTES = 1 << 20;

type Digests = Pick<Firmware, 'size' | 'md5' | 'sha256'>;

/** What is known of an image when it has been copied. */
export type Copied = Digests & { readonly files?: readonly FirmwareFile[] };

/** Copies images into a folder; a file under its final name is whole. */
export class ImageFiles {
  readonly #files: OwnedFiles;
  readonly #maxBytes: number;

  constructor(files: OwnedFiles, maxBytes: number) {
    this.#files = files;
    this.#maxBytes = maxBytes;
  }

  /**
   * Copies an image, or several files, under these ids, which were announced; durable on return.
   * Rejects with ERR_FIRMWARE_TOO_LARGE, ERR_STATE_FULL, ERR_INVALID_ARGUMENT; nothing stays then.
   */
  async copy(ids: readonly string[], options: FirmwareOptions): Promise<Copied> {
    try {
      const copied =
        options.files === undefined
          ? await this.#copyImage(ids[0] as string, options)
          : await this.#copyFiles(ids, options.files);
      await this.#files.sync();
      return copied;
    } catch (error) {
      await this.#files.remove(ids);
      if (!isFull(error)) throw error;
      const text = `there is no room for the firmware: ${messageOf(error)}`;
      throw new PlatformError('ERR_STATE_FULL', text, { cause: error });
    }
  }

  async #copyImage(id: string, options: FirmwareSource): Promise<Copied> {
    const digester = new Digester();
    await this.#copyOne(await chunksOf(options), id, digester, digester);
    return digester.end();
  }

  async #copyFiles(
    ids: readonly string[],
    sources: NonNullable<FirmwareOptions['files']>,
  ): Promise<Copied> {
    const all = new Digester();
    const files: FirmwareFile[] = [];
    for (const [index, each] of sources.entries()) {
      const id = ids[index] as string;
      const own = new Digester();
      await this.#copyOne(await chunksOf(each), id, own, all);
      files.push({ id, name: each.name, ...own.end() });
    }
    return { ...all.end(), files };
  }

  async #copyOne(
    chunks: AsyncIterable<Uint8Array>,
    id: string,
    own: Digester,
    all: Digester,
  ): Promise<void> {
    const part = this.#files.partPath(id);
    const target = await open(part, 'wx');
    try {
      for await (const chunk of chunks) {
        own.add(chunk);
        if (all !== own) all.add(chunk);
        if (all.size > this.#maxBytes) throw tooLarge(this.#maxBytes);
        await writeAll(target, chunk);
      }
      if (own.size === 0) throw invalid('the firmware is empty');
      await target.sync();
      await target.close();
      await rename(part, this.#files.path(id));
    } finally {
      await target.close().catch(() => undefined);
    }
  }
}

/** Id of a firmware or of one of its files: unique, and hard to guess. */
export function newId(): string {
  return randomBytes(8).toString('hex');
}

/** Size and digests of bytes that come in chunks. */
class Digester {
  readonly #md5 = createHash('md5');
  readonly #sha256 = createHash('sha256');
  #size = 0;

  add(chunk: Uint8Array): void {
    this.#size += chunk.byteLength;
    this.#md5.update(chunk);
    this.#sha256.update(chunk);
  }

  get size(): number {
    return this.#size;
  }

  /** Once. */
  end(): Digests {
    return {
      size: this.#size,
      md5: this.#md5.digest('hex'),
      sha256: this.#sha256.digest('hex'),
    };
  }
}

async function chunksOf(source: FirmwareSource): Promise<AsyncIterable<Uint8Array>> {
  if (source.stream !== undefined) return source.stream;
  if (source.data !== undefined) return one(source.data);
  const file = source.file as string;
  try {
    if (!(await stat(file)).isFile()) throw invalid('it is not a file');
  } catch (error) {
    throw invalid(`cannot read ${file}: ${messageOf(error)}`);
  }
  return createReadStream(file, { highWaterMark: COPY_BYTES });
}

async function* one(data: Uint8Array): AsyncGenerator<Uint8Array> {
  yield data;
}

async function writeAll(target: FileHandle, chunk: Uint8Array): Promise<void> {
  for (let written = 0; written < chunk.byteLength; ) {
    const { bytesWritten } = await target.write(chunk, written);
    written += bytesWritten;
  }
}

function tooLarge(maxBytes: number): PlatformError {
  return new PlatformError(
    'ERR_FIRMWARE_TOO_LARGE',
    `the firmware is larger than ${maxBytes} bytes`,
  );
}
