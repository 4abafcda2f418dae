/**
 * Two modules that are updated together, whose power is cut before a write, and whose record is then damaged:
 * truncated, with a bit that has flipped, empty or lost. What was meant is then known by the boot environments alone,
 * so an update may be begun anew, or end as failed. What must not be: a version that is reported and does not run
 * confirmed, a success that is none, a machine that does not start.
 */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { lookAtRecord } from '../../../lib/install/record';
import { TogetherDevice } from '../../support/together-device';

const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);

/** mulberry32 */
function randomOf(from: number): () => number {
  let state = from;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

type Damage = (path: string, random: () => number) => void;

const kinds: readonly (readonly [string, Damage])[] = Object.entries({
  truncated: (path, random) => {
    const bytes = readFileSync(path);
    writeFileSync(path, bytes.subarray(0, Math.floor(random() * bytes.length)));
  },
  'with a bit that has flipped': (path, random) => {
    const bytes = readFileSync(path);
    const at = Math.floor(random() * bytes.length);
    bytes[at] = (bytes[at] ?? 0) ^ (1 << Math.floor(random() * 8));
    writeFileSync(path, bytes);
  },
  empty: (path) => writeFileSync(path, ''),
  lost: (path) => rmSync(path),
} satisfies Record<string, Damage>);

const LIVES_MAX = 30;
const old = ['1.0.0', '1.0.0'];

interface Scenario {
  readonly name: string;
  readonly versions: readonly [string, string];
}

const scenarios: readonly Scenario[] = [
  { name: 'good', versions: ['2.0.0', '7.0.0'] },
  { name: 'the first is not healthy', versions: ['2.0.0-sick', '7.0.0'] },
  { name: 'the second never comes up', versions: ['2.0.0', '7.0.0-hangs'] },
];

/** Lives with one cut, after which the record is damaged, until both have ended. Says whether the cut was reached. */
async function live(
  { versions }: Scenario,
  { life, at, damage }: { life: number; at: number; damage: Damage },
  random: () => number,
): Promise<boolean> {
  const device = new TogetherDevice(
    { versions, takes: 'file', alone: at % 2 === 0, saysVersion: true },
    true,
  );
  const record = join(device.machine.folder, 'update.record');
  let isReached = false;
  try {
    for (let lives = 0; ; lives += 1) {
      if (lives === LIVES_MAX) throw new Error(`no end: ${JSON.stringify(device.tasks)}`);
      const started = device.start(lives === life ? at : 0);
      const hasEnded = await device.untilEnd(started);
      expectTruth(device);
      if (lives === life) isReached = started.power.steps.length >= at;
      await started.close();
      if (hasEnded) break;
      if (lives === life && existsSync(record)) damage(record, random);
    }
    await expectLasting(device, versions);
    expect((await lookAtRecord(record)).damage).toBeUndefined();
    return isReached;
  } finally {
    await device.close();
  }
}

function expectTruth({ heard }: TogetherDevice): void {
  for (const { version, runs, state } of heard) {
    expect({ version, state }).toEqual({ version: runs, state: 'good' });
  }
}

/** What the platform knows is what runs, over more starts too. */
async function expectLasting(device: TogetherDevice, versions: readonly string[]): Promise<void> {
  for (let starts = 0; starts < 4; starts += 1) {
    const started = device.start();
    const agent = await device.open(started);
    await agent.resume();
    await agent.close();
    await started.close();
    expectTruth(device);
  }
  for (const [i, { state }] of device.tasks.entries()) {
    expect({ state, runs: device.running[i] }).toEqual(
      state === 'succeeded' ? { state, runs: versions[i] } : { state: 'failed', runs: old[i] },
    );
  }
  if (versions.some((version) => /sick|hangs/.test(version))) {
    expect(device.running[versions.findIndex((it) => /sick|hangs/.test(it))]).toBe('1.0.0');
  }
}

describe.each(scenarios)('$name', (scenario) => {
  test.each([0, 1, 2])('cut at steps of life %i', async (life) => {
    const random = randomOf(seed + life);
    // Another run cuts at others.
    for (let at = 1; ; at += 1 + Math.floor(2 * random())) {
      const [how, damage] = kinds[Math.floor(random() * kinds.length)] as (typeof kinds)[number];
      const isReached = await live(scenario, { life, at, damage }, random).catch((error: Error) => {
        error.message = `SEED=${seed}, cut at step ${at}, the record ${how}: ${error.message}`;
        throw error;
      });
      if (!isReached) break;
    }
  });
});
