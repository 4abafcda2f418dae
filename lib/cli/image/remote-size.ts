// Tested by test/integration/download-command.test.ts
/** How many bytes an image has, where nobody says so but its server. */
import { IotkitError } from '../../base/errors';
import type { FetchOptions } from '../../options/fetch';
import { UsageError } from '../errors';
import { emptyImage } from '../exit-codes';
import { SIZE_MAX } from './described';
import { LocalPlatform, nobody } from './local-platform';

/**
 * Asks by the engine that will download it, so that its proxy, hosts, redirects and TLS are those of the download: an
 * image that is announced too large is refused with the size that the server says. Nothing is believed here but for
 * where the download ends; the digest decides what it was.
 *
 * @throws IotkitError where the server cannot be reached, may not be asked or has no such image; UsageError where
 *   it does not say the size
 */
export async function remoteSize(
  url: string,
  fetch: FetchOptions,
  signal: AbortSignal,
): Promise<number> {
  // One try, and no other URL: the download finds out how often it is tried.
  const once = { connections: 1, maxRetries: 1, renewTimeout: false, maxSize: undefined } as const;
  const platform = new LocalPlatform({
    ...nobody,
    fetch: { ...fetch, ...once },
    verify: undefined,
  });
  try {
    const upgrade = await platform.offered(tooLarge, url);
    await upgrade.download(unsized, { signal, report: false });
    throw unsaid();
  } catch (error) {
    const size = sizeIn(error);
    if (size === undefined) throw error;
    if (size === 0) throw emptyImage('the image on the server');
    return size;
  } finally {
    await platform.device.close();
  }
}

const tooLarge = {
  version: '0',
  size: SIZE_MAX,
  signMethod: 'SHA256',
  sign: '0'.repeat(64),
} as const;

/** Gets bytes only where the server has not said how many there are. */
const unsized = {
  write: (): never => {
    throw unsaid();
  },
};

function unsaid(): UsageError {
  const help = 'say with --size how many bytes the image has';
  return new UsageError(`the server does not say the size: ${help}`);
}

function sizeIn(error: unknown): number | undefined {
  if (!IotkitError.is(error) || error.code !== 'ERR_SIZE_MISMATCH') return undefined;
  const [, length] = /: Content-Length is (\d+), /.exec(error.detail) ?? [];
  return length === undefined ? undefined : Number(length);
}
