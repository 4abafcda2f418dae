// Tested by test/unit/delta/apply.test.ts
/**
 * The bytes of a delta. A header of 104 bytes, not compressed:
 *
 *     0    8  89 'I' 'K' 'D' 0d 0a 1a 0a
 *     8    1  version: 1
 *     9    1  compression: 1, Brotli with a window of at most 4 MiB
 *    10    6  0
 *    16    8  size of the base       24    8  size of the result
 *    32   32  SHA-256 of the base    64   32  SHA-256 of the result
 *    96    8  the first 8 bytes of the SHA-256 of the 96 before
 *
 * then one Brotli stream with blocks, to the end of the delta. Each block makes 1 byte to 1 MiB of
 * the result:
 *
 *     0    4  how many bytes of the result
 *     4    4  bytes of control, 1 to 131,072
 *             control: records of numbers: where in the base, counted from where the last record
 *             has ended there; how many bytes come from the base; how many are new; then, as long
 *             as the bytes from the base go: how many of them stay, how many change
 *             what is added to the bytes that change, modulo 256; of all records
 *             the new bytes of all records
 *
 * Numbers in fixed places are little-endian; those of control have 7 bits in a byte, the lowest
 * first, and bit 7 where more follow; the first of a record may be negative: 2n, or -2n - 1 if less
 * than 0. Every limit is one of the format: none is taken from a delta.
 */
import { createHash } from 'node:crypto';
import { IotkitError } from '../base/errors';

const MAGIC = Uint8Array.of(0x89, 0x49, 0x4b, 0x44, 0x0d, 0x0a, 0x1a, 0x0a);
const VERSION = 1;
const BROTLI = 1;
const CHECKED = 96;

/** Bytes of the header. */
export const HEADER_SIZE = 104;
/** Bytes of a block's two sizes. */
export const BLOCK_HEAD_SIZE = 8;
/** Bytes of the result that one block makes, at most. */
export const BLOCK_MAX = 1024 * 1024;
/** Bytes of control in one block, at most. */
export const CONTROL_MAX = 128 * 1024;
/** The window of the Brotli stream, at most: 2 to this many bytes. */
export const WINDOW_BITS_MAX = 22;
/** Bytes of a number of control, at most: what `Number` holds exactly. */
export const NUMBER_BYTES_MAX = 8;

/** An image, by its size in bytes and its SHA-256 in lower-case hexadecimal digits. */
export interface DeltaImage {
  /** Bytes. */
  readonly size: number;
  /** In lower-case hexadecimal digits. */
  readonly sha256: string;
}

/** What a delta says of itself: which image it is applied to, and what that gives. */
export interface DeltaInfo {
  /** What it is applied to. */
  readonly base: DeltaImage;
  /** What that gives. */
  readonly result: DeltaImage;
}

/** The error for a delta that is damaged; `detail` names what is wrong. */
export function damaged(detail: string, options?: ErrorOptions): IotkitError {
  return new IotkitError('ERR_DELTA_FORMAT', detail, options);
}

/** @internal The header of a delta. */
export function encodeHeader({ base, result }: DeltaInfo): Buffer {
  const header = Buffer.alloc(HEADER_SIZE);
  header.set(MAGIC);
  header[8] = VERSION;
  header[9] = BROTLI;
  header.writeBigUInt64LE(BigInt(base.size), 16);
  header.writeBigUInt64LE(BigInt(result.size), 24);
  header.write(base.sha256, 32, 'hex');
  header.write(result.sha256, 64, 'hex');
  checkOf(header).copy(header, CHECKED);
  return header;
}

/**
 * Reads the first 104 bytes of a delta.
 *
 * @throws {@link IotkitError} `ERR_DELTA_FORMAT`
 */
export function decodeHeader(bytes: Uint8Array): DeltaInfo {
  const header = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (header.length < HEADER_SIZE) {
    throw damaged(`it ends after ${header.length} bytes, within its header`);
  }
  if (!header.subarray(0, MAGIC.length).equals(MAGIC)) {
    throw damaged('it does not begin as one; make it with "iotkit-ota delta make"');
  }
  if (!header.subarray(CHECKED, HEADER_SIZE).equals(checkOf(header))) {
    throw damaged('its header is damaged');
  }
  if (header[8] !== VERSION || header[9] !== BROTLI || header.readUIntLE(10, 6) !== 0) {
    throw damaged(`version ${header[8]}, compression ${header[9]}: this release knows 1 and 1`);
  }
  return { base: imageAt(header, 16, 32), result: imageAt(header, 24, 64) };
}

function imageAt(header: Buffer, sizeAt: number, digestAt: number): DeltaImage {
  const size = header.readBigUInt64LE(sizeAt);
  if (size > BigInt(Number.MAX_SAFE_INTEGER)) throw damaged('a size in its header is too large');
  return { size: Number(size), sha256: header.toString('hex', digestAt, digestAt + 32) };
}

function checkOf(header: Buffer): Buffer {
  const digest = createHash('sha256').update(header.subarray(0, CHECKED)).digest();
  return digest.subarray(0, HEADER_SIZE - CHECKED);
}

/**
 * Throws for a Brotli stream whose window would be larger than what is allowed here; `first` is
 * its first byte (RFC 7932, 9.1).
 */
export function checkWindow(first: number): void {
  const code = first & 0x0f;
  if (code === 0x0d || code === 0x0f || (first & 0x7f) === 0x11) {
    throw damaged(`its window is larger than ${1 << (WINDOW_BITS_MAX - 20)} MiB`);
  }
}

/** @internal Writes the records of one block. */
export class ControlWriter {
  readonly #bytes: number[] = [];

  /** How many bytes of control there are. */
  get length(): number {
    return this.#bytes.length;
  }

  /** Where a record begins: its place in the base may be less than where the last one has ended. */
  seek(distance: number): void {
    this.add(distance < 0 ? -2 * distance - 1 : 2 * distance);
  }

  add(value: number): void {
    let rest = value;
    while (rest >= 0x80) {
      this.#bytes.push((rest % 0x80) | 0x80);
      rest = Math.floor(rest / 0x80);
    }
    this.#bytes.push(rest);
  }

  take(): Buffer {
    return Buffer.from(this.#bytes.splice(0));
  }
}

/**
 * @internal The control of one block, read and checked. Its numbers stand in memory that is used again for
 * each block: there are a million of them in a large image, and objects would let the heap grow.
 * Of each record: position, copy, fresh, the number of its runs, and the runs: how many of the bytes
 * from the base stay, how many change, how many stay, and so on.
 */
export class Control {
  /** A number takes a byte at least; one more is added to the three of a record. */
  readonly numbers = new Float64Array(2 * CONTROL_MAX);
  /** How many of `numbers` are of the present block. */
  length = 0;
  /** Bytes of the base that change, and new ones, of all records. */
  changed = 0;
  fresh = 0;
  readonly #baseSize: number;
  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;
  /** Where the records so far have ended in the base. */
  #position = 0;

  constructor(baseSize: number) {
    this.#baseSize = baseSize;
  }

  /** Throws `ERR_DELTA_FORMAT` unless the records make `size` bytes. */
  read(bytes: Uint8Array, size: number): void {
    this.#bytes = bytes;
    this.#at = 0;
    this.length = 0;
    this.changed = 0;
    this.fresh = 0;
    let made = 0;
    while (this.#at < bytes.length) made += this.#record();
    if (made !== size) throw damaged(`the records of a block make ${made} bytes, not ${size}`);
  }

  #record(): number {
    const signed = this.#number();
    const seek = signed % 2 === 0 ? signed / 2 : -(signed + 1) / 2;
    const copy = this.#number();
    const fresh = this.#number();
    const position = this.#position + seek;
    if (copy + fresh === 0) throw damaged('a record makes nothing');
    if (position < 0 || position + copy > this.#baseSize) {
      throw damaged('a record reads outside the base');
    }
    this.#position = position + copy;
    this.fresh += fresh;
    for (const number of [position, copy, fresh]) this.#keep(number);
    this.#runs(copy);
    return copy + fresh;
  }

  /** Each but the first is of a byte at least, so that they are no more than control has bytes. */
  #runs(copy: number): void {
    const counted = this.length;
    this.#keep(0);
    let count = 0;
    for (let left = copy; left > 0; count += 1) {
      const run = this.#number();
      if (run > left) throw damaged('a record changes more than it copies');
      if (run === 0 && count > 0) throw damaged('a record changes nothing');
      if (count % 2 === 1) this.changed += run;
      this.#keep(run);
      left -= run;
    }
    this.numbers[counted] = count;
  }

  #keep(number: number): void {
    this.numbers[this.length++] = number;
  }

  #number(): number {
    let value = 0;
    for (let i = 0; i < NUMBER_BYTES_MAX; i += 1) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) throw damaged('a number of control is cut off');
      value += (byte & 0x7f) * 2 ** (7 * i);
      if (byte < 0x80) {
        if (!Number.isSafeInteger(value)) break;
        return value;
      }
    }
    throw damaged('a number of control is too large');
  }
}
