import type { Clock } from '../../../lib/install/clock';
import { HeldOff } from '../../../lib/install/held-off';
import { checkPolicy, refusalOf, untilUnlocked, untilWindow } from '../../../lib/install/policy';

let time: number;
let slept: number[];
const clock: Clock = {
  now: () => time,
  elapsed: () => time,
  sleep: async (ms) => {
    slept.push(ms);
    time += ms;
  },
};
const { signal } = new AbortController();
const written = async (): Promise<void> => {};
beforeEach(() => {
  time = 0;
  slept = [];
});

test.each([
  ['2.0.0', undefined],
  ['1.0.0', /^1\.0\.0 is not newer than 1\.0\.0/], // the one that runs
  ['0.9.0', /^0\.9\.0 is not newer than 1\.0\.0/],
])('newerOnly, of %s over 1.0.0', (version, why) => {
  const refusal = refusalOf(version, '1.0.0', undefined, checkPolicy({ newerOnly: true }));
  if (why === undefined) expect(refusal).toBeUndefined();
  else expect(refusal).toMatch(why);
  expect(refusalOf(version, '1.0.0', undefined, checkPolicy({}))).toBeUndefined();
  expect(
    refusalOf(version, undefined, undefined, checkPolicy({ newerOnly: true })),
  ).toBeUndefined();
});

test('a window is looked at every minute: somebody may set the clock', async () => {
  const begun = new Date(2026, 0, 1, 2, 58, 30).getTime();
  time = begun;
  await untilWindow(checkPolicy({ window: { from: '03:00', to: '04:00' } }), clock, signal);
  expect(slept).toEqual([60_000, 30_000]);
});

describe('a lock that is held', () => {
  const policy = checkPolicy({
    lock: { mayInstall: () => false, retryMs: 5000, maxMs: 12_000 },
  });

  test('is asked again until maxMs are over, and not beyond them', async () => {
    const attempt = untilUnlocked(policy, clock, signal, new HeldOff(0, written));
    await expect(attempt).rejects.toMatchObject({ code: 'ERR_INSTALL_BUSY' });
    expect(slept).toEqual([5000, 5000, 2000]);
  });

  test('counts what an earlier wait for the same update has taken', async () => {
    const attempt = untilUnlocked(policy, clock, signal, new HeldOff(10_000, written));
    await expect(attempt).rejects.toMatchObject({ code: 'ERR_INSTALL_BUSY' });
    expect(slept).toEqual([2000]);
  });
});
