/** Deltas for tests: made of two images, forged by hand, and applied. */
import { brotliCompressSync, constants } from 'node:zlib';
import { type ApplyDeltaOptions, applyDelta, type DeltaBase } from '../../lib/delta';
import { type DeltaInfo, encodeHeader } from '../../lib/delta/format';
import { makeDelta } from '../../lib/delta/make';
import { imageOf, sha256 } from './image';

/** Numbers that look random and are the same for the same seed. */
export class Chance {
  #state: number;

  constructor(seed: number) {
    this.#state = Math.imul(seed + 1, 0x9e3779b9) | 1;
  }

  /** A whole number from 0 to less than `limit`. */
  below(limit: number): number {
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    return (this.#state >>> 0) % limit;
  }
}

/** An image and one that was made of it: parts moved, removed, repeated, added and changed a little. */
export function relatedImages(seed: number, size: number): { old: Buffer; image: Buffer } {
  const chance = new Chance(seed);
  const old = imageOf(size, seed + 1);
  const parts: Buffer[] = [];
  for (let left = 2 + chance.below(12); left > 0; left -= 1) {
    const from = chance.below(size);
    const part = Buffer.from(old.subarray(from, from + chance.below(size)));
    for (let changes = chance.below(20); changes > 0 && part.length > 0; changes -= 1) {
      part[chance.below(part.length)] = chance.below(256);
    }
    parts.push(part, imageOf(chance.below(200), seed + left));
  }
  return { old, image: Buffer.concat(parts) };
}

export async function deltaOf(old: Uint8Array, image: Uint8Array, quality = 5): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of makeDelta(old, image, { quality })) parts.push(part);
  return Buffer.concat(parts);
}

/** In chunks of so many bytes. */
export async function* chunksOf(bytes: Uint8Array, size = 1000): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

/** What a delta makes of a base; throws what applying it throws. */
export async function applied(
  delta: Uint8Array | AsyncIterable<Uint8Array>,
  base: DeltaBase,
  options?: ApplyDeltaOptions,
): Promise<Buffer> {
  const source = delta instanceof Uint8Array ? chunksOf(delta) : delta;
  const parts: Uint8Array[] = [];
  for await (const part of applyDelta(source, base, options)) parts.push(Buffer.from(part));
  return Buffer.concat(parts);
}

export const infoOf = (base: Uint8Array, result: Uint8Array): DeltaInfo => ({
  base: { size: base.length, sha256: sha256(base) },
  result: { size: result.length, sha256: sha256(result) },
});

/** A delta whose compressed part is what the test says. */
export function forged(info: DeltaInfo, blocks: Uint8Array, windowBits = 18): Buffer {
  const params = {
    [constants.BROTLI_PARAM_LGWIN]: windowBits,
    [constants.BROTLI_PARAM_QUALITY]: 4,
  };
  return Buffer.concat([encodeHeader(info), brotliCompressSync(blocks, { params })]);
}

/** A block: the size of what it makes, that of its control, its control, what follows. */
export function block(
  size: number,
  control: readonly number[],
  rest: Uint8Array,
  controlSize = control.length,
): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt32LE(size, 0);
  head.writeUInt32LE(controlSize, 4);
  return Buffer.concat([head, Buffer.from(control), rest]);
}
