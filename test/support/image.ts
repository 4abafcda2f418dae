import { createHash } from 'node:crypto';

const KEY_STEP = 0x9e3779b9;

/** Bytes that look random and are the same for the same seed, so that a failure can be repeated. */
export function imageOf(size: number, seed = 1): Buffer {
  const words = new Uint32Array(Math.ceil(size / 4));
  let state = Math.imul(seed, KEY_STEP) | 1;
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[i] = state;
  }
  return Buffer.from(words.buffer, 0, size);
}

/** Lower-case hex. */
export function sha256(data: Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}

/** Lower-case hex. */
export function md5(data: Uint8Array): string {
  return createHash('md5').update(data).digest('hex');
}
