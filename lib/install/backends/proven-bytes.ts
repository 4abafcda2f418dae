// Tested by test/unit/install/backends/directories.test.ts and command.test.ts.
import { createHash } from 'node:crypto';
import { IotkitError } from '../../base/errors';
import type { InstallImage } from '../installer';
import { bytesOf } from './raw-image';

/**
 * @internal The bytes of an image, for a program that installs them: they are the right ones once
 * they have come to their end. A download proves its own. A file was proven when it was downloaded,
 * which may be hours ago, so its digest is compared again, of the very bytes that are handed out.
 *
 * @throws IotkitError ERR_DIGEST_MISMATCH, ERR_FILE…; what the image's stream throws
 */
export async function* provenBytesOf(image: InstallImage): AsyncGenerator<Uint8Array> {
  const { path, digest } = image;
  if (path === undefined || digest === undefined) {
    yield* bytesOf(image);
    return;
  }
  const hash = createHash(digest.method);
  for await (const chunk of bytesOf(image)) {
    hash.update(chunk);
    yield chunk;
  }
  const found = hash.digest('hex');
  if (found === digest.value) return;
  const detail = `${path} is no longer what was downloaded: its ${digest.method} is ${found}`;
  throw new IotkitError('ERR_DIGEST_MISMATCH', detail);
}
