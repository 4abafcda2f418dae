/**
 * Applies a delta to the image it was made for. Pure of platform and installer: bytes in, a file to
 * read, bytes out.
 */
import { createHash, type Hash } from 'node:crypto';
import { setImmediate as turn } from 'node:timers/promises';
import {
  abortSignal,
  callback,
  options as checkOptions,
  flag,
  integer,
  optional,
  orElse,
} from '../base/arguments';
import { endQuietly } from '../base/cleanup';
import { IotkitError } from '../base/errors';
import { throwIfAborted, whenAborted } from '../base/signals';
import { BaseFile, type OpenFile } from './base-file';
import {
  BLOCK_HEAD_SIZE,
  BLOCK_MAX,
  CONTROL_MAX,
  Control,
  type DeltaImage,
  type DeltaInfo,
  damaged,
  decodeHeader,
  HEADER_SIZE,
} from './format';
import { PatchReader } from './patch-reader';

/** Where the base is: a path, a `file:` URL, or an open file, which stays open. */
export type DeltaBase = string | URL | OpenFile;

/** What applyDelta() takes. */
export interface ApplyDeltaOptions {
  /** Ends the iteration, which then throws the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Bytes of the result that are accepted, at most. Default 4 GiB. */
  readonly maxSize?: number | undefined;
  /** What was said of base and result elsewhere: a delta that says otherwise is refused. */
  readonly expect?: DeltaInfo | undefined;
  /**
   * `true`: a chunk is valid until the next one is asked for, then its memory is used again.
   * Default `false`: each chunk has memory of its own.
   */
  readonly recycle?: boolean | undefined;
  /** Called once, when the header was read and the base is proven: before the first byte. */
  readonly onBase?: ((info: DeltaInfo) => void) | undefined;
}

const MAX_SIZE = 4 * 1024 ** 3;
/** Digested at a time, so that the JS thread is not held up. */
const DIGEST_PIECE = 128 * 1024;

/**
 * The image that `delta` makes of `base`, in order, in chunks of at most 1 MiB. Nothing is handed
 * out before the base is proven by its size and SHA-256. After the last chunk the result is compared
 * by its SHA-256: if it is another, or if the delta does not end there, the iteration throws instead
 * of ending. So nothing may count as the image before the iteration has ended.
 *
 * Whether the delta itself is to be trusted is the caller's to know: the header, with the digest of
 * the result, is believed. At most 16 MiB are in use at a time besides the caller's chunks, whatever
 * the delta says; what the garbage collector has not yet taken comes on top. The delta is read as
 * fast as the chunks are taken; leaving the loop calls its return().
 *
 * @param delta the delta's bytes in any chunks; each is used before the next is asked for
 * @throws `InvalidArgument`; `IotkitError` `ERR_DELTA_FORMAT` (damaged, cut off, too
 *   large), `ERR_DELTA_BASE` (the base is another image), `ERR_DELTA_RESULT`, `ERR_FILE_NOT_FOUND`,
 *   `ERR_FILE_ACCESS`, `ERR_FILE` (of the base); what `delta` throws; the signal's reason.
 *
 * @example
 * for await (const chunk of applyDelta(createReadStream('2.0.delta'), '/dev/mmcblk0p2')) …
 */
export function applyDelta(
  delta: AsyncIterable<Uint8Array>,
  base: DeltaBase,
  options?: ApplyDeltaOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  const given = checkOptions('options', options, [
    ...(['signal', 'maxSize', 'expect', 'recycle', 'onBase'] as const),
  ]);
  return apply(delta, base, {
    signal: abortSignal('signal', given.signal),
    maxSize: integer('maxSize', orElse(given.maxSize, MAX_SIZE), {
      min: 0,
      max: Number.MAX_SAFE_INTEGER,
    }),
    expect: optional(given.expect, (expect) => expect),
    recycle: flag('recycle', orElse(given.recycle, false)),
    onBase: optional(given.onBase, (value) => callback('onBase', value)),
  });
}

interface CheckedOptions extends ApplyDeltaOptions {
  readonly maxSize: number;
  readonly recycle: boolean;
}

async function* apply(
  delta: AsyncIterable<Uint8Array>,
  base: DeltaBase,
  { signal, maxSize, expect, recycle, onBase }: CheckedOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  throwIfAborted(signal);
  const reader = new PatchReader(delta);
  let file: BaseFile | undefined;
  const stop = whenAborted(signal, (reason) => void reader.close(reason).catch(() => {}));
  try {
    const info = decodeHeader(await reader.plain(HEADER_SIZE));
    throwIfAborted(signal);
    assertWanted(info, maxSize, expect);
    file = await BaseFile.open(base);
    await file.prove(info.base, signal);
    onBase?.(info);
    await reader.decompress();
    yield* blocks(reader, file, info, recycle ? Buffer.allocUnsafeSlow(BLOCK_MAX) : undefined);
  } catch (error) {
    await endQuietly(() => reader.close());
    throwIfAborted(signal);
    throw error;
  } finally {
    stop();
    await endQuietly(() => file?.close()); // it was only read
    await reader.close();
  }
}

async function* blocks(
  reader: PatchReader,
  base: BaseFile,
  info: DeltaInfo,
  recycled: Buffer | undefined,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { size, sha256 } = info.result;
  const hash = createHash('sha256');
  const control = new Control(info.base.size);
  const work = Buffer.allocUnsafeSlow(BLOCK_MAX);
  for (let left = size; left > 0; ) {
    await reader.fill(work, 0, BLOCK_HEAD_SIZE);
    const length = sizeAt(work, 0, Math.min(BLOCK_MAX, left), 'a block');
    const controlLength = sizeAt(work, 4, CONTROL_MAX, 'the control of a block');
    await reader.fill(work, 0, controlLength);
    control.read(work.subarray(0, controlLength), length);
    // What changes and what is new are no more bytes than the block has.
    await reader.fill(work, 0, control.changed + control.fresh);
    const block = recycled?.subarray(0, length) ?? Buffer.allocUnsafeSlow(length);
    await fillBlock(block, control, work, base);
    await digest(hash, block);
    left -= length;
    yield block;
  }
  await reader.end();
  const found = hash.digest('hex');
  if (found === sha256) return;
  throw new IotkitError('ERR_DELTA_RESULT', `its SHA-256 is ${found}, not ${sha256}`);
}

function sizeAt(head: Buffer, at: number, max: number, what: string): number {
  const size = head.readUInt32LE(at);
  if (size >= 1 && size <= max) return size;
  throw damaged(`${what} has ${size} bytes, not 1-${max}`);
}

/** `more`: what is added to the bytes that change, then the new bytes. */
async function fillBlock(
  block: Buffer,
  control: Control,
  more: Uint8Array,
  base: BaseFile,
): Promise<void> {
  const { numbers } = control;
  let at = 0;
  let change = 0;
  let added = control.changed;
  for (let i = 0; i < control.length; ) {
    const position = numbers[i++] as number;
    const copy = numbers[i++] as number;
    const fresh = numbers[i++] as number;
    const runs = numbers[i++] as number;
    // Without an await where a page is at hand: most records are short.
    const reading = base.copyTo(block, at, copy, position);
    if (reading !== undefined) await reading;
    for (let run = 0; run < runs; run += 1) {
      const end = at + (numbers[i++] as number);
      if (run % 2 === 0) at = end;
      else for (; at < end; at += 1) block[at] = (block[at] as number) + (more[change++] as number);
    }
    block.set(more.subarray(added, added + fresh), at);
    added += fresh;
    at += fresh;
  }
}

async function digest(hash: Hash, block: Uint8Array): Promise<void> {
  for (let at = 0; at < block.length; at += DIGEST_PIECE) {
    hash.update(block.subarray(at, at + DIGEST_PIECE));
    await turn();
  }
}

function assertWanted(info: DeltaInfo, maxSize: number, expect: DeltaInfo | undefined): void {
  if (info.result.size > maxSize) {
    throw damaged(`its result has ${info.result.size} bytes, more than the ${maxSize} allowed`);
  }
  if (expect === undefined) return;
  if (!isSame(info.base, expect.base)) throw damaged('it is for another base than was announced');
  if (!isSame(info.result, expect.result)) {
    throw damaged('it makes another image than was announced');
  }
}

const isSame = (a: DeltaImage, b: DeltaImage): boolean =>
  a.size === b.size && a.sha256 === b.sha256;
