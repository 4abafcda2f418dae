import type { Clock } from '../../../lib/install/clock';
import { Gate, Replaced } from '../../../lib/install/gate';
import { type CheckedHooks, checkHooks, type Hooks } from '../../../lib/install/hooks';
import { type CheckedPolicy, checkPolicy, type PolicyOptions } from '../../../lib/install/policy';
import { beginning, type UpdateEntry } from '../../../lib/install/record';

const entry: UpdateEntry = {
  ...{ ...beginning, id: '1', module: '', version: '2.0.0', size: 1, phase: 'downloaded' },
  digest: { method: 'sha256', value: '' },
};

let time: number;
let seen: string[];
let replace: () => void;
/** What the record has of the update that is under way. */
let held: number;
beforeEach(() => {
  held = 0;
  time = new Date(2026, 0, 1, 2, 0).getTime();
  seen = [];
  replace = () => {};
});

const hours = (): number => new Date(time).getHours();

function gate(policy: PolicyOptions, hooks: Hooks = {}): Gate {
  const clock: Clock = {
    now: () => time,
    elapsed: () => time,
    sleep: async (ms) => {
      time += ms;
    },
  };
  const host: { readonly policy: CheckedPolicy; readonly hooks: CheckedHooks } = {
    policy: checkPolicy(policy),
    hooks: checkHooks(hooks),
  };
  return new Gate({
    ...host,
    clock,
    signal: new AbortController().signal,
    consent: async (step) => void seen.push(`consent to ${step} at ${hours()}`),
    whenReplaced: (_, call) => {
      replace = call;
      return () => {};
    },
    heldMs: () => held,
    noteHeld: async (_, ms) => {
      held = ms;
    },
  });
}

const window = { from: '03:00', to: '04:00' };

test('a user is asked once the window is open, and not again for what was begun', async () => {
  const both = gate({ window, consent: 'install' });
  await both.mayInstall(entry);
  expect(seen).toEqual(['consent to install at 3']);
  await both.mayInstall({ ...entry, attempts: 1 });
  expect(seen).toHaveLength(1);
});

test('who holds the lock since the installation waits for nothing before the restart', async () => {
  const mayInstall = (): boolean => seen.push(`lock at ${hours()}`) > 0;
  const locked = gate({ window, lock: { mayInstall } });
  await locked.mayInstall(entry);
  time += 2 * 3_600_000; // the window has closed
  await locked.mayRestart(entry);
  expect([seen, hours()]).toEqual([['lock at 3'], 5]);
  await locked.release();
  await locked.mayRestart(entry);
  expect(seen).toEqual(['lock at 3', 'lock at 3']);
});

test('an update is held off so long over all its waits, and another one as long again', async () => {
  const lock = { mayInstall: () => false, retryMs: 1000, maxMs: 10_000 };
  const locked = gate({ lock: { ...lock, afterMax: 'install' } });
  const begun = time;
  await locked.mayInstall(entry);
  await locked.release();
  await locked.mayInstall(entry);
  await locked.release();
  expect(time - begun).toBe(10_000);
  held = 0; // of the next one
  await locked.mayInstall({ ...entry, id: '2' });
  expect(time - begun).toBe(20_000);
});

describe('another upgrade is announced', () => {
  test('while a hook lets this one go on: it does not', async () => {
    const install = gate({}, { beforeInstall: () => replace() }).mayInstall(entry);
    await expect(install).rejects.toBeInstanceOf(Replaced);
    const download = gate({}, { beforeDownload: () => replace() }).mayDownload(entry);
    await expect(download).rejects.toMatchObject({ entry });
  });

  test('while one that was begun waits to go on: it does not', async () => {
    const hooks = { beforeInstall: () => replace() };
    const begun = gate({}, hooks).mayInstall({ ...entry, attempts: 1 });
    await expect(begun).rejects.toBeInstanceOf(Replaced);
  });
});
