/** Deltas as an attacker or a bad cable makes them, from a seed, and what must be true of each. */
import { brotliDecompressSync } from 'node:zlib';
import { applyDelta } from '../../lib/delta';
import { block, Chance, chunksOf, deltaOf, forged, infoOf, relatedImages } from './delta';
import { imageOf } from './image';

const HEADER = 104;
const allowed = new Set(['ERR_DELTA_FORMAT', 'ERR_DELTA_RESULT']);

type Attack = (chance: Chance) => Uint8Array;

export class Attacker {
  readonly #attacks: readonly Attack[];
  readonly #base: string;
  readonly #image: Buffer;

  private constructor(base: string, old: Buffer, image: Buffer, delta: Buffer) {
    this.#base = base;
    this.#image = image;
    const info = infoOf(old, image);
    const blocks = brotliDecompressSync(delta.subarray(HEADER));
    this.#attacks = [
      (chance) => flipped(delta, chance, 0),
      (chance) => flipped(delta, chance, HEADER),
      (chance) => delta.subarray(0, chance.below(delta.length)),
      (chance) => spliced(delta, chance),
      (chance) => forged(info, flipped(blocks, chance, 0)),
      (chance) => forged(info, flipped(blocks.subarray(0, 40), chance, 0)),
      (chance) => forged(info, spliced(blocks, chance)),
      (chance) => forged(info, madeUp(chance, image.length)),
      (chance) =>
        Buffer.concat([delta.subarray(0, HEADER), imageOf(chance.below(3000), chance.below(1e6))]),
      () => delta,
    ];
  }

  /** @param save puts the base where it can be read */
  static async open(save: (base: Buffer) => Promise<string>): Promise<Attacker> {
    const { old, image } = relatedImages(3, 20_000);
    return new Attacker(await save(old), old, image, await deltaOf(old, image));
  }

  /** How it ended; throws, with the seed, where that must not be. */
  async attack(seed: number): Promise<string> {
    const chance = new Chance(seed);
    const attack = this.#attacks[chance.below(this.#attacks.length)] as Attack;
    const delta = attack(chance);
    const parts: Uint8Array[] = [];
    let size = 0;
    try {
      const source = chunksOf(delta, 1 + chance.below(5000));
      for await (const part of applyDelta(source, this.#base)) {
        parts.push(part);
        size += part.length;
      }
    } catch (error) {
      const { code } = error as { readonly code?: string };
      if (code === undefined || !allowed.has(code))
        throw new Error(`seed ${seed}`, { cause: error });
      if (size <= this.#image.length) return code;
      throw new Error(`seed ${seed}: ${size} bytes came, of ${this.#image.length}`);
    }
    if (Buffer.concat(parts).equals(this.#image)) return 'right';
    throw new Error(`seed ${seed}: a wrong image was accepted`);
  }
}

function flipped(bytes: Uint8Array, chance: Chance, from: number): Buffer {
  const changed = Buffer.from(bytes);
  for (let count = 1 + chance.below(3); count > 0; count -= 1) {
    const at = from + chance.below(changed.length - from);
    changed[at] = chance.below(256);
  }
  return changed;
}

/** A part taken out, or put in once more somewhere. */
function spliced(bytes: Uint8Array, chance: Chance): Buffer {
  const [from, to] = [chance.below(bytes.length), chance.below(bytes.length)];
  return Buffer.concat([bytes.subarray(0, from), bytes.subarray(to)]);
}

/** Blocks whose numbers are of any size, most of them close to what could be right. */
function madeUp(chance: Chance, size: number): Buffer {
  const numbers = (count: number): number[] =>
    Array.from({ length: count }, () => chance.below(chance.below(4) === 0 ? 256 : 0x80));
  const blocks: Buffer[] = [];
  for (let count = 1 + chance.below(4); count > 0; count -= 1) {
    const control = numbers(chance.below(60));
    const claims = chance.below(8) === 0 ? chance.below(0xffff_ffff) : chance.below(size);
    blocks.push(block(claims, control, imageOf(chance.below(2000), 1 + chance.below(1e6))));
  }
  return Buffer.concat(blocks);
}
