import { randomInt } from 'node:crypto';
import { stats } from 'iotkit-ota';
import { imageOf } from '../support/image';
import { downloadThreads } from '../support/threads';
import { World } from '../support/world';

const image = imageOf(2_500_000);
const CHUNKS = 10;
const ROUNDS = 60;

/** A run of numbers that a seed repeats. */
function numbers(seed: number): (below: number) => number {
  const words = new Uint32Array(imageOf(4 * 16 * ROUNDS, seed).buffer);
  let next = 0;
  return (below) => (words[next++ % words.length] as number) % below;
}

test('aborting and leaving at any moment never makes a part a whole, and leaves nothing behind', async () => {
  const seed = randomInt(1, 2 ** 31);
  const random = numbers(seed);
  await using world = await World.open();
  const { upgrade } = await world.announce(image);
  const { holds } = stats();
  const reason = new Error('aborted');

  for (let round = 0; round < ROUNDS; round++) {
    const abort = new AbortController();
    const abortAt = random(2 * CHUNKS);
    const leaveAt = random(2 * CHUNKS);
    const parts: Buffer[] = [];
    let outcome = 'whole';
    try {
      const recycle = random(2) === 0;
      for await (const chunk of upgrade.chunks({ recycle, signal: abort.signal })) {
        parts.push(Buffer.from(chunk));
        if (parts.length === abortAt) abort.abort(reason);
        if (parts.length !== leaveAt) continue;
        outcome = 'left';
        break;
      }
    } catch (error) {
      expect(error).toBe(reason);
      outcome = 'aborted';
    }
    const got = Buffer.concat(parts);
    const isWhole = image.equals(got);
    expect({ seed, round, outcome, isWhole: outcome === 'whole' ? isWhole : true }).toEqual({
      seed,
      round,
      outcome,
      isWhole: true,
    });
    expect(image.subarray(0, got.length).equals(got)).toBe(true);
    expect(downloadThreads()).toEqual([]);
    expect(stats()).toMatchObject({ holds, lent: 0 });
  }
});
