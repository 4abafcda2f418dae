// What applying a delta holds on to, however much the delta makes and whatever window it asks for.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { applyDelta } from '../../../lib/delta';
import { block, chunksOf, deltaOf, forged, infoOf } from '../../support/delta';
import { imageOf } from '../../support/image';

const MIB = 1024 * 1024;
const LIMIT = 16 * MIB;

setFlagsFromString('--expose-gc');
const collect: () => void = runInNewContext('gc');

function used(): number {
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'iotkit-ota-test-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function peak(base: Buffer, delta: Buffer, size: number): Promise<number> {
  const file = path.join(folder, 'base');
  await writeFile(file, base);
  const before = used();
  let most = 0;
  let made = 0;
  for await (const { length } of applyDelta(chunksOf(delta, 65_536), file, { recycle: true })) {
    made += length;
    most = Math.max(most, used());
  }
  expect(made).toBe(size);
  return most - before;
}

test('a bomb: 48 MiB of a few hundred bytes', async () => {
  const image = Buffer.alloc(48 * MIB);
  const each = block(MIB, [0, 0, 0x80, 0x80, 0x40], image.subarray(0, MIB));
  const delta = forged(infoOf(Buffer.from('abc'), image), Buffer.concat(Array(48).fill(each)), 22);
  expect(delta.length).toBeLessThan(5000);
  expect(await peak(Buffer.from('abc'), delta, image.length)).toBeLessThan(LIMIT);
});

test('new bytes that cannot be compressed, through the largest window', async () => {
  const image = imageOf(12 * MIB);
  const delta = await deltaOf(Buffer.from('abc'), image, 1);
  expect(await peak(Buffer.from('abc'), delta, image.length)).toBeLessThan(LIMIT);
});
