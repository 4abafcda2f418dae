import { createHash, randomFillSync } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

/** A file of random bytes, and its digests in lower-case hex. */
export interface Image {
  readonly file: string;
  readonly size: number;
  readonly md5: string;
  readonly sha256: string;
}

const BLOCK = 4 * 1024 * 1024;

/** A new folder in memory where the system has such, else in the temporary folder. */
export function makeFolder(): Promise<string> {
  const memory = '/dev/shm';
  return mkdtemp(path.join(existsSync(memory) ? memory : tmpdir(), 'iotkit-bench-'));
}

export async function makeImage(file: string, size: number): Promise<Image> {
  const md5 = createHash('md5');
  const sha256 = createHash('sha256');
  const block = Buffer.allocUnsafe(BLOCK);
  const handle = await open(file, 'w');
  try {
    for (let left = size; left > 0; ) {
      const part = block.subarray(0, Math.min(left, BLOCK));
      randomFillSync(part);
      md5.update(part);
      sha256.update(part);
      await handle.writeFile(part);
      left -= part.length;
    }
  } finally {
    await handle.close();
  }
  return { file, size, md5: md5.digest('hex'), sha256: sha256.digest('hex') };
}
