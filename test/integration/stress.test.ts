import { randomInt } from 'node:crypto';
import diagnostics from 'node:diagnostics_channel';
import { readFile } from 'node:fs/promises';
import { setImmediate } from 'node:timers/promises';
import { channelNames, stats } from 'iotkit-ota';
import { serve } from '../support/fault-replies';
import { FaultServer } from '../support/fault-server';
import { imageOf } from '../support/image';
import { announceServed } from '../support/served';
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

/** Passes some turns of the event loop: server and client then keep pace on every machine. */
async function turns(count: number): Promise<void> {
  for (let left = count; left > 0; left--) await setImmediate();
}

test('aborting a download into a file at any moment loses nothing of what has come', async () => {
  const seed = randomInt(1, 2 ** 31);
  const random = numbers(seed);
  await using world = await World.open();
  await using server = await FaultServer.start({
    image,
    schedule: [serve({ step: 16_384, pace: () => turns(8) })],
  });
  const { upgrade } = await announceServed(world, server, image);
  const target = world.path('firmware.bin');
  const { holds } = stats();
  const reason = new Error('aborted');
  let end = { received: 0, resumed: 0 };
  const listener = (message: unknown): void => {
    end = message as typeof end;
  };
  diagnostics.subscribe(channelNames.downloadEnd, listener);
  try {
    let there = 0;
    let resumes = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const abort = new AbortController();
      const download = upgrade.download(target, { report: false, signal: abort.signal }).then(
        () => 'complete',
        (error: unknown) => error,
      );
      if (random(4) > 0) await upgrade.progress().next();
      const pauseAt = random(300);
      for (let left = random(200); left > 0; left--) {
        await setImmediate();
        if (left === pauseAt) upgrade.pause();
      }
      abort.abort(reason);
      const outcome = await download;
      if (outcome !== 'complete') expect(outcome).toBe(reason);

      // Aborted before it has looked, it knows of nothing.
      const resumed = end.received === 0 ? 0 : there;
      expect({ seed, round, resumed: end.resumed }).toEqual({ seed, round, resumed });
      if (end.resumed > 0) resumes += 1;
      there = outcome === 'complete' ? 0 : Math.max(there, end.received);
      expect(downloadThreads()).toEqual([]);
      expect(stats()).toMatchObject({ holds, waiting: 0 });
    }
    await upgrade.download(target, { report: false });
    const isWhole = image.equals(await readFile(target));
    expect({ seed, isWhole }).toEqual({ seed, isWhole: true });
    expect(resumes).toBeGreaterThan(ROUNDS / 2);
    expect(await world.files()).toEqual(['firmware.bin']);
  } finally {
    diagnostics.unsubscribe(channelNames.downloadEnd, listener);
  }
});
