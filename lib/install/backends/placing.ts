// Tested by test/unit/install/backends/directories.test.ts and kept-image.test.ts
/** An image into a directory: unpacked, or as a file, or as several. */
import { statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { withEnd } from '../../base/cleanup';
import { IotkitError } from '../../base/errors';
import { abortable } from '../../base/signals';
import { failureOf, run } from '../child';
import type { InstallImage, InstallOptions } from '../installer';
import { compressionOf } from './compression';
import { copyFiles, KeptImage } from './kept-image';
import { provenBytesOf } from './proven-bytes';

/** @internal */
export interface Placing {
  readonly kind: 'tar' | 'file';
  /** How many leading directories of names in an archive are left out. */
  readonly strip: number;
  /** Where the archive is kept besides; undefined: nowhere. */
  readonly keepAt: string | undefined;
}

/**
 * @internal
 *
 * @throws IotkitError ERR_INSTALL_FAILED (with tar's last words), ERR_UNSUPPORTED, ERR_DIGEST_MISMATCH,
 *   ERR_NO_SPACE, ERR_FILE…; the signal's reason; what the image's stream throws
 */
export async function placeImage(
  image: InstallImage,
  folder: string,
  placing: Placing,
  options: InstallOptions,
): Promise<void> {
  const { kind, keepAt } = placing;
  const { files } = image;
  if (files !== undefined) {
    if (kind === 'file') return copyFiles(files, folder, options);
    throw new IotkitError('ERR_UNSUPPORTED', 'several files need image: "file"');
  }
  const bytes = counted(image, options);
  if (kind === 'file') return writeFile(join(folder, 'image'), bytes);
  if (keepAt === undefined) return unpack(bytes, folder, placing, options);
  const kept = await KeptImage.open(keepAt);
  const keep = async (): Promise<void> => {
    await unpack(kept.copied(bytes), folder, placing, options);
    await kept.commit();
  };
  await withEnd(keep, () => kept.close());
}

async function unpack(
  bytes: AsyncIterable<Uint8Array>,
  folder: string,
  { strip }: Placing,
  { signal }: InstallOptions,
): Promise<void> {
  const { how, all } = await compressionOf(bytes);
  // Neither owners nor set-user-ID bits of whoever packed it; what comes of it is looked at afterwards.
  const safe = ['--no-same-owner', '--no-same-permissions', `--strip-components=${strip}`];
  const argv = ['tar', '-x', ...how, ...safe, '-C', folder, '-f', '-'];
  const result = await run({ argv, stdin: all, signal });
  if (result.code === 0) return;
  // Its words may be names in the image, so what it has failed for is not read from them.
  const code = (await isFull(folder)) ? 'ERR_NO_SPACE' : 'ERR_INSTALL_FAILED';
  throw new IotkitError(code, failureOf(argv, result));
}

/** Whether the file system has no block or no file left; what was unpacked is still there. */
async function isFull(folder: string): Promise<boolean> {
  const { bavail, files, ffree } = await statfs(folder);
  return bavail === 0 || (files > 0 && ffree === 0);
}

/** The image's bytes, all of them: a part of an archive may look like a whole one. */
async function* counted(
  image: InstallImage,
  { signal, onProgress }: InstallOptions,
): AsyncGenerator<Uint8Array> {
  let received = 0;
  const { size } = image;
  const chunks = provenBytesOf(image);
  try {
    for (;;) {
      const next = await abortable(chunks.next(), signal);
      if (next.done) break;
      received += next.value.length;
      yield next.value;
      onProgress?.({ fraction: Math.min(1, received / size), step: 'unpacking' });
    }
  } finally {
    // Whoever makes the chunks may be in the middle of one: nobody waits for that.
    chunks.return(undefined).catch(() => {});
  }
  if (received === size) return;
  throw new IotkitError('ERR_INSTALL_FAILED', `the image has ${received} bytes, not ${size}`);
}
