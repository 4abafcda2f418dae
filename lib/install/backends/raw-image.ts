// Tested by test/integration/install/slots.test.ts.
/**
 * An image written as it is into a partition or a file: in whole blocks, flushed, and read back.
 * The bytes after it stay as they are.
 */
import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { constants, type FileHandle, open, readFile, stat } from 'node:fs/promises';
import { withEnd } from '../../base/cleanup';
import { IotkitError } from '../../base/errors';
import { abortable, throwIfAborted } from '../../base/signals';
import { run } from '../child';
import type { InstallImage, InstallOptions } from '../installer';

/** One write: flash and disks take large aligned ones best. */
const BLOCK = 1024 * 1024;
/** How much of the progress the writing is; the reading back is the rest. */
const WRITTEN = 0.8;

/** @internal The bytes of an image, from its file or as they come. */
export function bytesOf(image: InstallImage): AsyncIterable<Uint8Array> {
  if (image.path !== undefined) return bytesOfFile(image.path);
  if (image.open !== undefined) return image.open();
  throw new IotkitError('ERR_INSTALL_FAILED', 'the image has neither a path nor a stream');
}

async function* bytesOfFile(file: string): AsyncGenerator<Uint8Array> {
  try {
    yield* createReadStream(file, { highWaterMark: BLOCK });
  } catch (cause) {
    throw fileError('the image', cause);
  }
}

/**
 * @internal Writes nothing.
 *
 * @throws IotkitError ERR_NO_SPACE (the image is larger than the place for it), ERR_INSTALL_BUSY (it is
 *   mounted), ERR_FILE_ACCESS, ERR_FILE_NOT_FOUND, ERR_INSTALL_SETUP (it is no such place)
 */
export async function assertWritable(device: string, size: number): Promise<void> {
  const { room, isReadOnly } = await placeAt(device);
  if (isReadOnly) throw new IotkitError('ERR_FILE_ACCESS', `${device} is a read-only device`);
  if (size > room) {
    throw new IotkitError('ERR_NO_SPACE', `${device} has ${room} bytes, the image ${size}`);
  }
  await (await openDevice(device)).close();
}

/**
 * @internal Writes `image` to `device`.
 *
 * @throws IotkitError ERR_SIZE_MISMATCH, ERR_DIGEST_MISMATCH (of what came), ERR_INSTALL_FAILED (what
 *   is read back is another image), ERR_INSTALL_BUSY (the device is mounted), ERR_NO_SPACE,
 *   ERR_FILE…; the signal's reason; what the image's stream throws
 */
export async function writeRaw(
  device: string,
  image: InstallImage,
  { signal, onProgress }: InstallOptions,
): Promise<void> {
  const handle = await openDevice(device);
  await withEnd(
    () => writeOpened(device, handle, image, { signal, onProgress }),
    () => handle.close(),
  );
}

async function writeOpened(
  device: string,
  handle: FileHandle,
  image: InstallImage,
  { signal, onProgress }: InstallOptions,
): Promise<void> {
  const method = image.digest?.method ?? 'sha256';
  const digest = await writeAll(handle, image, createHash(method), signal, (written) =>
    onProgress?.({ fraction: (WRITTEN * written) / image.size, step: 'Writing image' }),
  );
  if (image.digest !== undefined && digest !== image.digest.value) {
    throw new IotkitError('ERR_DIGEST_MISMATCH', `${method} of the image is ${digest}`);
  }
  await inFile(device, () => handle.sync());
  await dropCache(device, handle);
  const found = await readBack(device, image.size, createHash(method), signal, (read) =>
    onProgress?.({
      fraction: WRITTEN + ((1 - WRITTEN) * read) / image.size,
      step: 'Verifying image',
    }),
  );
  if (found === digest) return;
  const detail = `${device} does not hold what was written to it; is the storage worn out?`;
  throw new IotkitError('ERR_INSTALL_FAILED', detail);
}

/** Returns the digest of what was written. */
async function writeAll(
  handle: FileHandle,
  image: InstallImage,
  hash: Hash,
  signal: AbortSignal | undefined,
  onWritten: (bytes: number) => void,
): Promise<string> {
  let written = 0;
  onWritten(0);
  for await (const block of blocksOf(bytesOf(image), signal)) {
    if (written + block.length > image.size) throw wrongSize(image.size, 'has more');
    hash.update(block);
    await inFile('the slot', () => writeFully(handle, block, written));
    written += block.length;
    onWritten(written);
  }
  if (written !== image.size) throw wrongSize(image.size, `ended after ${written}`);
  return hash.digest('hex');
}

function wrongSize(size: number, what: string): IotkitError {
  return new IotkitError('ERR_SIZE_MISMATCH', `announced were ${size} bytes; the image ${what}`);
}

async function writeFully(handle: FileHandle, block: Uint8Array, at: number): Promise<void> {
  for (let done = 0; done < block.length; ) {
    const { bytesWritten } = await handle.write(block, done, block.length - done, at + done);
    done += bytesWritten;
  }
}

/** The same bytes in whole blocks, the last one excepted. A block is valid until the next one. */
async function* blocksOf(
  bytes: AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  const block = Buffer.allocUnsafe(BLOCK);
  let filled = 0;
  for await (const chunk of untilAborted(bytes, signal)) {
    for (let taken = 0; taken < chunk.length; ) {
      const part = chunk.subarray(taken, taken + BLOCK - filled);
      block.set(part, filled);
      taken += part.length;
      filled += part.length;
      if (filled < BLOCK) continue;
      yield block;
      filled = 0;
    }
  }
  if (filled > 0) yield block.subarray(0, filled);
}

async function* untilAborted(
  bytes: AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  const iterator = bytes[Symbol.asyncIterator]();
  try {
    for (;;) {
      throwIfAborted(signal);
      const { done, value } = await abortable(iterator.next(), signal);
      if (done) return;
      yield value;
    }
  } finally {
    // Whoever makes the chunks may be in the middle of one, so nobody waits for that.
    iterator.return?.().catch(() => {});
  }
}

async function readBack(
  device: string,
  size: number,
  hash: Hash,
  signal: AbortSignal | undefined,
  onRead: (bytes: number) => void,
): Promise<string> {
  let read = 0;
  if (size > 0) {
    const bytes = createReadStream(device, { end: size - 1, highWaterMark: BLOCK });
    for await (const chunk of bytes as AsyncIterable<Uint8Array>) {
      throwIfAborted(signal);
      hash.update(chunk);
      read += chunk.length;
      onRead(read);
    }
  }
  return hash.digest('hex');
}

// For a block device O_EXCL means: nobody has mounted it, or writes to it in the same way.
async function openDevice(device: string): Promise<FileHandle> {
  return inFile(device, async () => {
    const looked = await open(device, 'r');
    const isBlock = await looked
      .stat()
      .then((found) => found.isBlockDevice())
      .finally(() => looked.close());
    return open(device, constants.O_RDWR | (isBlock ? constants.O_EXCL : 0));
  });
}

// Otherwise a block device would be read back from memory, whatever it has kept.
async function dropCache(device: string, handle: FileHandle): Promise<void> {
  if (!(await handle.stat()).isBlockDevice()) return;
  await run({ argv: ['blockdev', '--flushbufs', device], timeoutMs: 60_000 }).catch(() => {});
}

interface PlaceFound {
  /** Bytes. */
  readonly room: number;
  readonly isReadOnly: boolean;
}

async function placeAt(device: string): Promise<PlaceFound> {
  const found = await inFile(device, () => stat(device));
  if (found.isFile()) return { room: found.size, isReadOnly: false };
  if (!found.isBlockDevice()) {
    const detail = `${device} is neither a block device nor a file`;
    throw new IotkitError('ERR_INSTALL_SETUP', detail);
  }
  return inFile(device, async () => {
    const [major, minor] = numbersOf(found.rdev);
    const told = (name: string): Promise<string> =>
      readFile(`/sys/dev/block/${major}:${minor}/${name}`, 'utf8');
    return { room: Number(await told('size')) * 512, isReadOnly: Number(await told('ro')) === 1 };
  });
}

/** Of a `dev_t` as Linux encodes it. */
function numbersOf(device: number): readonly [major: number, minor: number] {
  const number = BigInt(device);
  const major = ((number >> 8n) & 0xfffn) | ((number >> 32n) & ~0xfffn);
  const minor = (number & 0xffn) | ((number >> 12n) & ~0xffn);
  return [Number(major), Number(BigInt.asUintN(32, minor))];
}

const codes = {
  EACCES: 'ERR_FILE_ACCESS',
  EPERM: 'ERR_FILE_ACCESS',
  EROFS: 'ERR_FILE_ACCESS',
  ENOENT: 'ERR_FILE_NOT_FOUND',
  ENXIO: 'ERR_FILE_NOT_FOUND',
  ENOSPC: 'ERR_NO_SPACE',
  EBUSY: 'ERR_INSTALL_BUSY',
} as const;

/** What fails in the file system, as an error with a code of ours. */
async function inFile<T>(place: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    throw fileError(place, cause);
  }
}

function fileError(place: string, cause: unknown): IotkitError {
  const { code = '', message } = cause as NodeJS.ErrnoException;
  const ours = Object.hasOwn(codes, code) ? codes[code as keyof typeof codes] : 'ERR_FILE';
  return new IotkitError(ours, `${place}: ${message}`, { cause });
}
