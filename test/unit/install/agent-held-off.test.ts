// The time that an application's lock holds an update off: over restarts of the agent, whatever the clock is set to.
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { HeldOff } from '../../../lib/install/held-off';
import { lookAtRecord } from '../../../lib/install/record';
import {
  begin,
  isReported,
  life,
  machine,
  reached,
  start,
  task,
  useMachine,
} from '../../support/running-agent';

useMachine();

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const YEAR_MS = 365 * 24 * HOUR_MS;
const lock = { mayInstall: () => false, retryMs: 4000, maxMs: 2 * MINUTE_MS };

/**
 * Starts the agent again and again, each time after the lock has held the update off for `lastsMs`, with the clock set
 * by `steps` in turn; resolves with all the time that it was held off until the update failed.
 */
async function untilFailed(
  end: 'close' | 'cut',
  lastsMs: number,
  options: Parameters<typeof start>[1] = { policy: { lock } },
  steps: readonly number[] = [0],
): Promise<number> {
  let held = 0;
  const upgrade = task();
  for (let starts = 0; starts < 60; starts += 1) {
    await begin(upgrade);
    life.clock.set = steps[starts % steps.length] ?? 0;
    const agent = await life.open(options);
    let begun: number | undefined;
    const isOver = new Promise<void>((resolve) => {
      life.clock.onSleep = (ms) => {
        if (ms !== lock.retryMs) return;
        begun ??= life.clock.time - ms;
        if (life.clock.time - begun >= lastsMs) resolve();
      };
    });
    const ended = reached(agent, isReported);
    void agent.run();
    const entry = await Promise.race([ended, isOver]);
    held += life.clock.time - (begun ?? life.clock.time);
    if (entry !== undefined) {
      expect(entry).toMatchObject({ phase: 'failed', heldMs: lock.maxMs });
      expect(upgrade.reason).toContain(`held the update off for ${lock.maxMs} ms`);
      return held;
    }
    if (end === 'close') await agent.close();
    else life.power.off();
  }
  throw new Error('it is held off for ever');
}

test('agents that are closed: what each was held off counts', async () => {
  expect(await untilFailed('close', MINUTE_MS / 2)).toBeLessThanOrEqual(lock.maxMs + MINUTE_MS);
});

test.each([8000, 20_000, MINUTE_MS])(
  'agents that are killed after %d ms: of what each was held off at least half counts',
  async (lastsMs) => {
    const held = await untilFailed('cut', lastsMs);
    expect(held).toBeGreaterThanOrEqual(lock.maxMs);
    expect(held).toBeLessThanOrEqual(2 * lock.maxMs + lastsMs);
  },
);

test('a clock that starts in 1970, and is set by years and back, counts for nothing', async () => {
  const steps = [-56 * YEAR_MS, 0, 40 * YEAR_MS, -YEAR_MS, HOUR_MS, -HOUR_MS];
  const held = await untilFailed('close', MINUTE_MS / 2, { policy: { lock } }, steps);
  expect(held).toBeGreaterThanOrEqual(lock.maxMs);
  expect(held).toBeLessThanOrEqual(lock.maxMs + MINUTE_MS);
});

test.each([-56 * YEAR_MS, -HOUR_MS, HOUR_MS, 40 * YEAR_MS])(
  'a clock that is set by %d ms during a trial changes nothing of what has to hold, and for how long',
  async (step) => {
    const upgrade = task();
    await start(upgrade);
    await life.power.cut;
    let begun: number | undefined;
    const check = (): boolean => {
      life.clock.set += step;
      begun ??= life.clock.time;
      return true;
    };
    const health = { checks: [check], holdMs: 20_000, withinMs: 60_000 };
    const agent = await start(upgrade, { health });
    await reached(agent, ({ phase }) => phase === 'confirmed');
    expect(life.clock.time - (begun ?? 0)).toBe(20_000);
  },
);

test.each([-56 * YEAR_MS, 40 * YEAR_MS])(
  'a clock that is set by %d ms while a window is awaited: the window of the new time counts',
  async (step) => {
    const hour = new Date(Date.UTC(2026, 0, 1)).getHours() + 3;
    const time = (of: number): string => `${String(of % 24).padStart(2, '0')}:00`;
    const window = { from: time(hour), to: time(hour + 1) };
    await begin(task());
    const agent = await life.open({ policy: { window } });
    life.clock.set = -step;
    const [begun, wrong] = [life.clock.time, 10 * MINUTE_MS];
    // Set right after a while: a machine without a clock of its own starts in 1970.
    life.clock.onSleep = () => {
      if (life.clock.time - begun >= wrong) life.clock.set = 0;
      expect(life.power.steps).not.toContain('install: slot bad');
    };
    const ended = reached(agent, ({ phase }) => phase === 'installing');
    void agent.run();
    await ended;
    expect(life.clock.time - begun).toBeGreaterThanOrEqual(3 * HOUR_MS);
    expect(life.clock.time - begun).toBeLessThan(3 * HOUR_MS + 2 * MINUTE_MS);
  },
);

test('the time from the installation counts for the restart', async () => {
  const upgrade = task();
  let agent = await start(upgrade, { policy: { lock } });
  const isLong = new Promise<void>((resolve) => {
    const begun = life.clock.time;
    life.clock.onSleep = () => life.clock.time - begun >= 1.5 * MINUTE_MS && resolve();
  });
  await isLong;
  await agent.close();
  // It is free for a while, and the agent is started again before it restarts the machine.
  agent = await start(upgrade, { hooks: { beforeRestart: () => false } });
  await reached(agent, ({ phase }) => phase === 'installed');
  await agent.close();
  await begin(upgrade);
  agent = await life.open({ policy: { lock } });
  const begun = life.clock.time;
  void agent.run();
  expect(await reached(agent, isReported)).toMatchObject({ phase: 'failed' });
  expect(life.clock.time - begun).toBeLessThanOrEqual(MINUTE_MS);
});

test('the next update has all of the time', async () => {
  await untilFailed('close', MINUTE_MS / 2);
  await begin(task('2.1.0'));
  const agent = await life.open({ policy: { lock } });
  const begun = life.clock.time;
  void agent.run();
  expect(await reached(agent, isReported)).toMatchObject({ version: '2.1.0', phase: 'failed' });
  expect(life.clock.time - begun).toBeGreaterThanOrEqual(lock.maxMs);
});

test('a record of before that time was written down begins with none', async () => {
  const agent = await start(task(), { hooks: { beforeInstall: () => false } });
  await reached(agent, ({ phase }) => phase === 'downloaded');
  await agent.close();
  const path = join(machine.folder, 'update.record');
  const { content } = await lookAtRecord(path);
  const { heldMs, ...older } = content.entries[''] as never as Record<string, unknown>;
  expect(heldMs).toBe(0);
  writeFileSync(path, recordOf({ entries: { '': older } }));
  expect((await lookAtRecord(path)).content.entries['']).toMatchObject({ heldMs: 0 });
});

function recordOf(content: object): string {
  const body = JSON.stringify({ format: 1, ...content });
  return `iotkit-install-record sha256 ${createHash('sha256').update(body).digest('hex')}\n${body}`;
}

test('is written at first, then when it has doubled, then each minute, and at the end', async () => {
  const written: number[] = [];
  const held = new HeldOff(1000, async (ms) => void written.push(ms));
  for (let i = 0; i < 50; i += 1) await held.add(5000);
  expect(written).toEqual([6000, 11_000, 21_000, 41_000, 81_000, 141_000, 201_000]);
  await held.write();
  await held.write();
  expect(written.slice(7)).toEqual([251_000]);
});
