import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { brotliCompressSync } from 'node:zlib';
import { decodeHeader } from '../../../lib/delta';
import { type MakeProgress, makeDelta } from '../../../lib/delta/make';
import { applied, deltaOf, infoOf, relatedImages } from '../../support/delta';
import { imageOf } from '../../support/image';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'iotkit-ota-test-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function thereAndBack(old: Buffer, image: Buffer): Promise<Buffer> {
  const base = path.join(folder, 'old');
  await writeFile(base, old);
  const delta = await deltaOf(old, image);
  expect((await applied(delta, base)).equals(image)).toBe(true);
  return delta;
}

test('what is made of two images gives the second one of the first', async () => {
  for (let seed = 0; seed < 60; seed += 1) {
    const { old, image } = relatedImages(seed, 200 + seed * 97);
    await thereAndBack(old, image).catch((cause) => {
      throw new Error(`seed ${seed}`, { cause });
    });
  }
});

test.each([
  ['nothing of nothing', '', ''],
  ['nothing of something', 'something', ''],
  ['something of nothing', '', 'something'],
  ['one byte of another', 'a', 'b'],
  ['the same', 'the same', 'the same'],
  ['a repetition', 'ab', 'ab'.repeat(3000)],
])('%s', async (_, old, image) => {
  await thereAndBack(Buffer.from(old), Buffer.from(image));
});

test('more than one block, with copies and new bytes over their borders', async () => {
  const old = imageOf(1_300_000, 1);
  const image = Buffer.concat([
    old.subarray(700_000),
    imageOf(300_000, 2),
    old.subarray(7, 1_300_000),
    imageOf(100, 3),
  ]);
  const delta = await thereAndBack(old, image);
  expect(delta.length).toBeLessThan(310_000);
});

test('more records than a block may have', async () => {
  const old = imageOf(200_000, 3);
  const parts: Buffer[] = [];
  // Each part is a copy of its own, from the end to the beginning.
  for (let at = old.length - 20; at >= 0; at -= 20) parts.push(old.subarray(at, at + 20));
  const image = Buffer.concat(parts);
  expect(image.length).toBe(200_000);
  await thereAndBack(old, image);
});

test('single bytes that differ everywhere cost little', async () => {
  const old = imageOf(200_000, 4);
  const image = Buffer.from(old);
  for (let at = 0; at < image.length; at += 40) image[at] = (image[at] as number) + 8;
  const delta = await thereAndBack(old, image);
  expect(delta.length).toBeLessThan(brotliCompressSync(image).length / 20);
});

test('the header says what it is made of, and the same images give the same delta', async () => {
  const { old, image } = relatedImages(7, 5000);
  const delta = await deltaOf(old, image);
  expect(decodeHeader(delta)).toEqual(infoOf(old, image));
  expect((await deltaOf(old, image)).equals(delta)).toBe(true);
});

test('reports how far it is', async () => {
  const { old, image } = { old: imageOf(1000, 1), image: imageOf(1_000_000, 2) };
  const seen: MakeProgress[] = [];
  const options = { quality: 1, onProgress: (progress: MakeProgress) => void seen.push(progress) };
  for await (const _ of makeDelta(old, image, options));
  expect(seen[0]).toEqual({ phase: 'sort', done: 0, size: 1_000_000 });
  expect(seen.at(-1)).toEqual({ phase: 'compare', done: 1_000_000, size: 1_000_000 });
  expect(seen.length).toBeGreaterThan(3);
});
