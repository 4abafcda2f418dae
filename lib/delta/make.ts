/** Makes a delta of two images in memory. For whoever publishes updates, not for a device. */
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { constants, createBrotliCompress } from 'node:zlib';
import { outOfRange } from '../base/arguments';
import {
  BLOCK_HEAD_SIZE,
  BLOCK_MAX,
  CONTROL_MAX,
  ControlWriter,
  type DeltaImage,
  encodeHeader,
  NUMBER_BYTES_MAX,
  WINDOW_BITS_MAX,
} from './format';
import { type Step, stepsOf } from './matches';
import { MAX_TEXT, suffixArray } from './suffix-array';

/** What is being done: sorting the old image takes its time in one piece. */
export interface MakeProgress {
  readonly phase: 'sort' | 'compare';
  /** Bytes of the new image that are done with. */
  readonly done: number;
  readonly size: number;
}

export interface MakeDeltaOptions {
  /** Of Brotli, 0-11; 11 makes the smallest delta and takes the longest. Default 11. */
  readonly quality?: number | undefined;
  readonly onProgress?: ((progress: MakeProgress) => void) | undefined;
}

/** Bytes between two reports of progress. */
const REPORT_EVERY = 256 * 1024;
const QUALITY = 11;
/** Bytes that stay are a run of their own from so many on: by measurement, see docs/delta.md. */
const RUN_MIN = 4;
/** Bytes of one record's copy; what their changes take of control, at most, is left free for it. */
const COPY_MAX = 64 * 1024;
/** A change of a byte, a run of four: two numbers of a byte each for every five bytes. */
const CONTROL_ENOUGH = CONTROL_MAX - 3 * NUMBER_BYTES_MAX - COPY_MAX / 2;

/**
 * The delta that makes `image` of `old`, in chunks. The same images give the same delta wherever
 * the runtime's Brotli is the same. Either has at most 2 GiB less 2 bytes; 4 to 6 bytes of memory
 * are used for each of `old`, besides both images. Blocks its thread for seconds, for large images
 * for minutes.
 */
export async function* makeDelta(
  old: Uint8Array,
  image: Uint8Array,
  options: MakeDeltaOptions = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  const { quality = QUALITY, onProgress } = options;
  for (const [name, { length }] of Object.entries({ old, image })) {
    if (length > MAX_TEXT) throw outOfRange(name, 'at most 2 GiB less 2 bytes', length);
  }
  const size = image.length;
  onProgress?.({ phase: 'sort', done: 0, size });
  yield encodeHeader({ base: describe(old), result: describe(image) });
  const suffixes = suffixArray(old);
  let reported = 0;
  const report = (done: number): void => {
    if (done < reported + REPORT_EVERY) return;
    reported = done;
    onProgress?.({ phase: 'compare', done, size });
  };
  const blocks = new Blocks(old, image).of(stepsOf(old, image, suffixes, report));
  const brotli = createBrotliCompress({
    params: {
      [constants.BROTLI_PARAM_QUALITY]: quality,
      [constants.BROTLI_PARAM_LGWIN]: WINDOW_BITS_MAX,
      [constants.BROTLI_PARAM_SIZE_HINT]: size,
    },
  });
  yield* Readable.from(blocks, { objectMode: false, highWaterMark: BLOCK_MAX }).pipe(brotli);
  onProgress?.({ phase: 'compare', done: size, size });
}

const describe = (image: Uint8Array): DeltaImage => ({
  size: image.length,
  sha256: createHash('sha256').update(image).digest('hex'),
});

/**
 * Steps of any length, cut into blocks. Most bytes from the base stay as they are: only where and
 * how the others change is written, or the decompressor would have as much to do as there are bytes.
 */
class Blocks {
  readonly #old: Uint8Array;
  readonly #image: Uint8Array;
  readonly #control = new ControlWriter();
  /** Of the block that is being filled. */
  readonly #changes = Buffer.allocUnsafe(BLOCK_MAX);
  readonly #fresh = Buffer.allocUnsafe(BLOCK_MAX);
  #changed = 0;
  #added = 0;
  /** Where the block begins in the new image, and where what is made ends. */
  #begin = 0;
  #at = 0;
  /** Where the last record has ended in the old image. */
  #position = 0;

  constructor(old: Uint8Array, image: Uint8Array) {
    this.#old = old;
    this.#image = image;
  }

  *of(steps: Iterable<Step>): Generator<Buffer, void, undefined> {
    for (const step of steps) {
      let { position, copy, fresh } = step;
      while (copy + fresh > 0) {
        const copied = Math.min(copy, this.#room, COPY_MAX);
        const added = copied < copy ? 0 : Math.min(fresh, this.#room - copied);
        this.#add(position, copied, added);
        position += copied;
        copy -= copied;
        fresh -= added;
        if (this.#room === 0 || this.#control.length > CONTROL_ENOUGH) yield this.#take();
      }
    }
    if (this.#at > this.#begin) yield this.#take();
  }

  /** Bytes of the result that the block still takes. */
  get #room(): number {
    return BLOCK_MAX - (this.#at - this.#begin);
  }

  #add(position: number, copy: number, fresh: number): void {
    this.#control.seek(position - this.#position);
    this.#control.add(copy);
    this.#control.add(fresh);
    this.#addChanges(position, copy);
    this.#at += copy;
    this.#fresh.set(this.#image.subarray(this.#at, this.#at + fresh), this.#added);
    this.#added += fresh;
    this.#at += fresh;
    this.#position = position + copy;
  }

  #addChanges(position: number, copy: number): void {
    for (let done = 0; done < copy; ) {
      const change = this.#nextChange(position, done, copy);
      this.#control.add(change - done);
      done = this.#endOfChange(position, change, copy);
      if (done > change) this.#control.add(done - change);
      for (let i = change; i < done; i += 1) {
        this.#changes[this.#changed++] =
          (this.#image[this.#at + i] as number) - (this.#old[position + i] as number);
      }
    }
  }

  #nextChange(position: number, from: number, end: number): number {
    let at = from;
    while (at < end && this.#image[this.#at + at] === this.#old[position + at]) at += 1;
    return at;
  }

  /** Few bytes that stay between two changes cost less as changes by 0 than as a run. */
  #endOfChange(position: number, from: number, end: number): number {
    let at = from;
    while (at < end) {
      const next = this.#nextChange(position, at, Math.min(end, at + RUN_MIN));
      if (next - at === RUN_MIN || next === end) return at;
      at = next + 1;
    }
    return at;
  }

  #take(): Buffer {
    const control = this.#control.take();
    const head = Buffer.alloc(BLOCK_HEAD_SIZE);
    head.writeUInt32LE(this.#at - this.#begin, 0);
    head.writeUInt32LE(control.length, 4);
    const changes = this.#changes.subarray(0, this.#changed);
    const block = Buffer.concat([head, control, changes, this.#fresh.subarray(0, this.#added)]);
    this.#changed = 0;
    this.#added = 0;
    this.#begin = this.#at;
    return block;
  }
}
