// Covers base-file.ts and patch-reader.ts as well, which are its two sides.
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { applyDelta } from '../../../lib/delta';
import { encodeHeader } from '../../../lib/delta/format';
import {
  applied,
  block,
  chunksOf,
  deltaOf,
  forged,
  infoOf,
  relatedImages,
} from '../../support/delta';
import { imageOf } from '../../support/image';

const { old, image } = relatedImages(1, 40_000);
const text = (it: string): Buffer => Buffer.from(it);
const [abc, abcx] = [text('abc'), text('abcx')];

let folder = '';
let base = '';
let delta: Buffer;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'iotkit-ota-test-'));
  base = await file('old', old);
  delta = await deltaOf(old, image);
});
afterAll(() => rm(folder, { recursive: true }));

async function file(name: string, bytes: Uint8Array): Promise<string> {
  await writeFile(path.join(folder, name), bytes);
  return path.join(folder, name);
}

/** Whether and where a source was read, and whether it was left. */
function watched(bytes: Uint8Array, size = 100) {
  const seen = { read: 0, left: false };
  async function* source(): AsyncGenerator<Uint8Array> {
    try {
      for await (const chunk of chunksOf(bytes, size)) {
        seen.read += chunk.length;
        yield chunk;
      }
    } finally {
      seen.left = true;
    }
  }
  return { seen, source: source() };
}

describe('the base', () => {
  test.each([
    ['a directory', (name: string) => mkdir(name), / is a directory; the full image is needed$/],
    [
      'a FIFO that nobody writes to',
      async (name: string) => void execFileSync('mkfifo', [name]),
      / is neither a regular file nor a block device; the full image is needed$/,
    ],
  ])('is %s: refused at once', async (what, make, message) => {
    const name = path.join(folder, what);
    await make(name);
    const attempt = applied(delta, name);
    await expect(attempt).rejects.toMatchObject({ code: 'ERR_DELTA_BASE' });
    await expect(attempt).rejects.toThrow(message);
  });

  test('is a path, a URL or an open file, which stays open', async () => {
    expect((await applied(delta, base)).equals(image)).toBe(true);
    expect((await applied(delta, pathToFileURL(base))).equals(image)).toBe(true);
    const handle = await open(base);
    expect((await applied(delta, handle)).equals(image)).toBe(true);
    expect((await handle.stat()).size).toBe(old.length);
    await handle.close();
  });

  test.each([
    ['shorter', () => old.subarray(1), /it has 39999 bytes, not 40000/],
    ['longer', () => Buffer.concat([old, abc]), /it has 40003 bytes, not 40000/],
    ['another', () => imageOf(old.length, 99), /its SHA-256 is [0-9a-f]{64}, not/],
  ])('that is %s is refused before anything is made of it', async (name, bytes, message) => {
    const wrong = await file(name, bytes());
    const { seen, source } = watched(delta);
    const iteration = applyDelta(source, wrong);
    await expect(iteration.next()).rejects.toMatchObject({ code: 'ERR_DELTA_BASE' });
    expect(seen).toEqual({ read: 200, left: true });
    await expect(applied(delta, wrong)).rejects.toThrow(message);
  });

  test('that is not there, or is a directory', async () => {
    const missing = applied(delta, path.join(folder, 'missing'));
    await expect(missing).rejects.toMatchObject({ code: 'ERR_FILE_NOT_FOUND' });
    await expect(applied(delta, folder)).rejects.toMatchObject({ code: 'ERR_DELTA_BASE' });
  });
});

describe('the delta', () => {
  test('in chunks of any size, empty ones too', async () => {
    for (const size of [1, 7, 104, 105, 65_536]) {
      expect((await applied(chunksOf(delta, size), base)).equals(image)).toBe(true);
    }
    async function* withEmpty(): AsyncGenerator<Uint8Array> {
      for await (const chunk of chunksOf(delta, 50)) yield* [new Uint8Array(0), chunk];
    }
    expect((await applied(withEmpty(), base)).equals(image)).toBe(true);
  });

  test('that is cut off anywhere is refused', async () => {
    const [small, little] = [await file('small', abc), await deltaOf(abc, abcx)];
    for (let length = 0; length < little.length; length += 1) {
      const cut = applied(little.subarray(0, length), small);
      await expect(cut).rejects.toMatchObject({ code: 'ERR_DELTA_FORMAT' });
    }
    const half = applied(delta.subarray(0, delta.length >> 1), base);
    await expect(half).rejects.toMatchObject({ code: 'ERR_DELTA_FORMAT' });
  });

  test.each([1, 1000])('with %i bytes after its end is refused', async (count) => {
    const more = Buffer.concat([delta, imageOf(count)]);
    for (const size of [1, 1000, delta.length, more.length]) {
      const attempt = applied(chunksOf(more, size), base);
      await expect(attempt).rejects.toMatchObject({ code: 'ERR_DELTA_FORMAT' });
    }
  });

  test('with a byte of its header changed is refused', async () => {
    for (let at = 0; at < 104; at += 1) {
      const changed = Buffer.from(delta);
      changed[at] = (changed[at] as number) ^ 1;
      await expect(applied(changed, base)).rejects.toMatchObject({ code: 'ERR_DELTA_FORMAT' });
    }
  });

  test('that makes another image than it says', async () => {
    const other = { ...infoOf(old, image), result: infoOf(old, imageOf(image.length)).result };
    const changed = Buffer.concat([encodeHeader(other), delta.subarray(104)]);
    const attempt = applied(changed, base);
    await expect(attempt).rejects.toMatchObject({ code: 'ERR_DELTA_RESULT' });
  });

  test('that says otherwise than was announced is refused before the base is read', async () => {
    const { base: was, result } = infoOf(old, image);
    const nowhere = path.join(folder, 'missing');
    for (const expectation of [
      { base: result, result },
      { base: was, result: was },
    ]) {
      const attempt = applied(delta, nowhere, { expect: expectation });
      await expect(attempt).rejects.toMatchObject({ code: 'ERR_DELTA_FORMAT' });
    }
    const right = await applied(delta, base, { expect: { base: was, result } });
    expect(right.equals(image)).toBe(true);
  });

  test('whose result is larger than allowed', async () => {
    const attempt = applied(delta, base, { maxSize: image.length - 1 });
    await expect(attempt).rejects.toThrow(/more than the \d+ allowed/);
    await applied(delta, base, { maxSize: image.length });
  });
});

describe('a forged block', () => {
  let small = '';
  beforeAll(async () => {
    small = await file('abc', abc);
  });
  const info = infoOf(abc, abcx);
  const right = block(4, [0, 3, 1, 3], text('x'));
  const long = (count: number): number[] => new Array<number>(count).fill(0x80);

  test('as it should be, with bytes that stay and bytes that change', async () => {
    expect(await applied(forged(info, right), small)).toEqual(abcx);
    const changing = block(4, [0, 3, 1, 1, 1, 1], Buffer.from([0xff, 0x78]));
    expect(await applied(forged(infoOf(abc, text('aacx')), changing), small)).toEqual(text('aacx'));
  });

  test.each<[string, Buffer, RegExp]>([
    ['makes nothing', block(4, [0, 0, 0], abcx), /a record makes nothing/],
    ['has no control', block(4, [], abcx), /the control of a block has 0 bytes/],
    ['has too much control', block(4, [0, 3, 1, 3], abcx, 131_073), /not 1-131072/],
    ['is empty', block(0, [0, 3, 1, 3], text('x')), /a block has 0 bytes/],
    ['is larger than the result', block(5, [0, 3, 2, 3], abcx), /a block has 5 bytes, not 1-4/],
    ['has 4 GiB', block(0xffff_ffff, [0, 3, 1, 3], abcx), /a block has 4294967295 bytes/],
    ['makes less than it says', block(4, [0, 3, 0, 3], abcx), /make 3 bytes, not 4/],
    ['makes more than it says', block(4, [0, 3, 2, 3], abcx), /make 5 bytes, not 4/],
    ['begins before the base', block(4, [1, 3, 1, 3], abcx), /outside the base/],
    ['begins after the base', block(4, [8, 1, 3, 1], abcx), /outside the base/],
    ['ends after the base', block(4, [0, 4, 0, 4], abcx), /outside the base/],
    ['has a number without end', block(4, [...long(8), 0, 1, 1], abcx), /too large/],
    ['has a number above 2^53', block(4, [...long(7), 0x7f, 1, 1], abcx), /too large/],
    ['has half a record', block(4, [0, 3], abcx), /cut off/],
    ['has half a number', block(4, [0, 0x83], abcx), /cut off/],
    ['changes more than it copies', block(4, [0, 3, 1, 1, 3], abcx), /changes more than it copies/],
    ['changes nothing', block(4, [0, 3, 1, 1, 0, 2], abcx), /changes nothing/],
    ['does not say what it changes', block(4, [0, 3, 1, 1, 1], abcx), /cut off/],
    ['is cut off', right.subarray(0, -1), /it ends too early/],
    ['is followed by another', Buffer.concat([right, right]), /it makes too much/],
    ['is followed by a byte', Buffer.concat([right, abc.subarray(2)]), /it makes too much/],
  ])('%s', async (_, bytes, message) => {
    const attempt = applied(forged(info, bytes), small);
    await expect(attempt).rejects.toMatchObject({ code: 'ERR_DELTA_FORMAT' });
    await expect(applied(forged(info, bytes), small)).rejects.toThrow(message);
  });

  test('a bomb makes no more than its header says', async () => {
    const bomb = forged(info, Buffer.concat([right, Buffer.alloc(64 * 1024 * 1024)]));
    expect(bomb.length).toBeLessThan(10_000);
    await expect(applied(bomb, small)).rejects.toThrow(/it makes too much/);
  });

  test('a window of more than 4 MiB is refused, smaller ones are not', async () => {
    // Brotli writes no window that its input cannot fill, so the byte is set by hand.
    for (const first of [0x0d, 0x0f, 0x11, 0x91]) {
      const stream = forged(info, right);
      stream[104] = first;
      await expect(applied(stream, small)).rejects.toThrow(/its window is larger than 4 MiB/);
    }
    for (const bits of [10, 16, 17, 22]) {
      expect(await applied(forged(info, right, bits), small)).toEqual(abcx);
    }
  });

  test('what is no Brotli stream', async () => {
    const noise = Buffer.concat([forged(info, right).subarray(0, 104), imageOf(500)]);
    noise[104] = 0x0b;
    const attempt = applied(noise, small);
    await expect(attempt).rejects.toMatchObject({ code: 'ERR_DELTA_FORMAT' });
  });
});

describe('while it is applied', () => {
  const large = imageOf(3 * 1024 * 1024, 5);
  let few = '';
  let ofLarge: Buffer;
  beforeAll(async () => {
    few = await file('few', abc);
    ofLarge = await deltaOf(abc, large);
  });

  test('it is read no faster than the result is taken', async () => {
    const { seen, source } = watched(ofLarge, 65_536);
    const iteration = applyDelta(source, few);
    await iteration.next();
    // A block, what is decompressed ahead, and a chunk.
    expect(seen.read).toBeLessThan(1.5 * 1024 * 1024);
    await iteration.return();
    expect(seen.left).toBe(true);
  });

  test('its chunks have memory of their own, or the same again', async () => {
    const memories = async (recycle: boolean): Promise<number> => {
      const seen = new Set<ArrayBufferLike>();
      for await (const { buffer, length } of applyDelta(chunksOf(ofLarge), few, { recycle })) {
        expect(length).toBeLessThanOrEqual(1024 * 1024);
        seen.add(buffer);
      }
      return seen.size;
    };
    expect(await memories(false)).toBeGreaterThanOrEqual(3);
    expect(await memories(true)).toBe(1);
  });

  test('a signal ends it with its reason, also one that has aborted', async () => {
    const reason = new Error('enough');
    await expect(applied(delta, base, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const controller = new AbortController();
    const { seen, source } = watched(ofLarge);
    const iteration = applyDelta(source, few, { signal: controller.signal });
    await iteration.next();
    controller.abort(reason);
    await expect(iteration.next()).rejects.toBe(reason);
    expect(seen.left).toBe(true);
  });

  test('a signal ends the wait for a source that gives nothing', async () => {
    const controller = new AbortController();
    const reason = new Error('enough');
    let release = (): void => {};
    async function* stalled(): AsyncGenerator<Uint8Array> {
      yield ofLarge.subarray(0, 200_000);
      controller.abort(reason);
      await new Promise<void>((resolve) => {
        release = resolve;
      });
    }
    const iteration = applyDelta(stalled(), few, { signal: controller.signal });
    await expect(iteration.next())
      .rejects.toBe(reason)
      .finally(() => release());
  });

  test('what the source throws is thrown as it is', async () => {
    const failure = new Error('no network');
    for (const count of [0, 50, 104, 300_000]) {
      async function* failing(): AsyncGenerator<Uint8Array> {
        yield ofLarge.subarray(0, count);
        throw failure;
      }
      await expect(applied(failing(), few)).rejects.toBe(failure);
    }
  });

  test('what the source throws after its last byte counts too', async () => {
    const failure = new Error('the digest of the delta is wrong');
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield* chunksOf(delta);
      throw failure;
    }
    await expect(applied(failing(), base)).rejects.toBe(failure);
  });

  test('options are checked', () => {
    expect(() => applyDelta(chunksOf(delta), base, { maxSize: -1 })).toThrow(/maxSize/);
    expect(() => applyDelta(chunksOf(delta), base, { signals: 1 } as never)).toThrow(/signals/);
  });
});

test('a source that cannot be left does not hide why it was', async () => {
  const left = new Error('of the source');
  async function* source(): AsyncGenerator<Uint8Array> {
    try {
      yield* chunksOf(Buffer.concat([Buffer.alloc(50_000, 'no delta')]), 1000);
    } finally {
      // biome-ignore lint/correctness/noUnsafeFinally: what this test is about
      throw left;
    }
  }
  const reading = applyDelta(source(), base)[Symbol.asyncIterator]().next();
  await expect(reading).rejects.toMatchObject({ code: 'ERR_DELTA_FORMAT' });
});
