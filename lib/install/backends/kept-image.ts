/** Files beside and in the releases of a directory installer: the image of one, and those that are one. */
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { type FileHandle, lstat, mkdir, open, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { withEnd } from '../../base/cleanup';
import { flushFolder, renameFile } from '../../base/durable';
import { IotkitError } from '../../base/errors';
import { abortReason } from '../../base/signals';
import type { ImageFile, InstallOptions } from '../installer';
import { fileError } from '../lock';

/** @internal A copy of an image that is written while somebody else takes it; it appears whole or not at all. */
export class KeptImage {
  readonly #path: string;
  readonly #aside: string;
  readonly #file: FileHandle;

  private constructor(path: string, aside: string, file: FileHandle) {
    this.#path = path;
    this.#aside = aside;
    this.#file = file;
  }

  /** @throws IotkitError ERR_FILE_ACCESS, ERR_NO_SPACE, ERR_FILE */
  static async open(path: string): Promise<KeptImage> {
    // One at a time: what a power cut has left is written anew.
    const aside = join(dirname(path), '.new');
    try {
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      return new KeptImage(path, aside, await open(aside, 'w', 0o600));
    } catch (cause) {
      throw fileError(path, cause);
    }
  }

  /** The same bytes, each on its way to the disk before it is handed on. */
  async *copied(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of bytes) {
      try {
        await this.#file.writeFile(chunk);
      } catch (cause) {
        throw fileError(this.#aside, cause);
      }
      yield chunk;
    }
  }

  async commit(): Promise<void> {
    try {
      await this.#file.sync();
      await renameFile(this.#aside, this.#path);
      await flushFolder(dirname(this.#path));
    } catch (cause) {
      throw fileError(this.#path, cause);
    }
  }

  /** What was not committed goes. */
  async close(): Promise<void> {
    await withEnd(
      () => this.#file.close(),
      () => rm(this.#aside, { force: true }),
    );
  }
}

/** @internal */
export async function isFile(path: string): Promise<boolean> {
  return lstat(path).then(
    (found) => found.isFile(),
    () => false,
  );
}

/**
 * @internal Copies the files of an upgrade into `folder`, under their names. They may have waited for
 * hours, so their digests are compared again, of the very bytes that are copied.
 *
 * @throws IotkitError ERR_INSTALL_REFUSED (a name is no single one), ERR_DIGEST_MISMATCH, ERR_FILE…; the
 *   signal's reason
 */
export async function copyFiles(
  files: readonly ImageFile[],
  folder: string,
  { signal, onProgress }: InstallOptions,
): Promise<void> {
  for (const { name } of files) assertName(name);
  const size = files.reduce((sum, file) => sum + file.size, 0);
  let copied = 0;
  for (const { name, path, digest } of files) {
    const hash = createHash(digest.method);
    async function* proven(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
      for await (const chunk of bytes) {
        hash.update(chunk);
        copied += chunk.length;
        yield chunk;
        onProgress?.({ fraction: Math.min(1, copied / size), step: name });
      }
    }
    try {
      const to = createWriteStream(join(folder, name), { flags: 'wx' });
      await pipeline(createReadStream(path), proven, to, { ...(signal && { signal }) });
    } catch (cause) {
      if (signal?.aborted) throw abortReason(signal);
      throw fileError(path, cause);
    }
    const found = hash.digest('hex');
    if (found === digest.value) continue;
    const detail = `${path} is no longer what was downloaded: its ${digest.method} is ${found}`;
    throw new IotkitError('ERR_DIGEST_MISMATCH', detail);
  }
}

// The platform's client checks them, and a program of its own may give any.
function assertName(name: string): void {
  if (!['', '.', '..'].includes(name) && !/[/\0]/.test(name)) return;
  const detail = `${JSON.stringify(name)} can be no name of a file`;
  throw new IotkitError('ERR_INSTALL_REFUSED', detail);
}
