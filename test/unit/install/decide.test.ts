import { decide, decideTogether } from '../../../lib/install/decide';
import { beginning, type UpdateEntry } from '../../../lib/install/record';

const limits = { attempts: 3, activations: 3, trials: 3 };
const entry: UpdateEntry = {
  ...beginning,
  id: '1',
  module: '',
  version: '2.0.0',
  digest: { method: 'sha256', value: '' },
  size: 1,
  slotFrom: 'A',
  slotTo: 'B',
  phase: 'downloaded',
  bootId: 'one',
  activations: 1,
};

/** The table of docs/install.md: phase and more of the record; booted, next, boot id; what is done. */
const table: readonly [Partial<UpdateEntry>, string, string, string, string][] = [
  [{ phase: 'downloaded', slotFrom: '', slotTo: '' }, 'A', 'A', 'one', 'install'],
  [{ phase: 'installing', attempts: 2 }, 'A', 'A', 'two', 'install'],
  [{ phase: 'installing', attempts: 3 }, 'A', 'A', 'two', 'fail'],
  [{ phase: 'installed' }, 'A', 'A', 'two', 'activate'],
  [{ phase: 'installed' }, 'A', 'B', 'two', 'activate'],
  [{ phase: 'installed' }, 'B', 'B', 'two', 'trial'],
  [{ phase: 'installed', activations: 3 }, 'A', 'A', 'two', 'fail'],
  [{ phase: 'installed' }, 'C', 'C', 'two', 'fail'],
  [{ phase: 'activated' }, 'A', 'B', 'one', 'restart'],
  [{ phase: 'activated' }, 'A', 'B', 'two', 'restart'],
  [{ phase: 'activated', activations: 3 }, 'A', 'B', 'two', 'rolledBack'],
  [{ phase: 'activated', activations: 3 }, 'A', 'B', 'one', 'restart'],
  [{ phase: 'activated', activations: 3, restarts: 2 }, 'A', 'B', 'one', 'rolledBack'],
  [{ phase: 'activated' }, 'A', 'A', 'two', 'rolledBack'],
  [{ phase: 'activated' }, 'A', 'A', 'one', 'rolledBack'],
  [{ phase: 'activated' }, 'B', 'B', 'two', 'trial'],
  [{ phase: 'activated' }, 'C', 'B', 'two', 'fail'],
  [{ phase: 'trial' }, 'B', 'B', 'two', 'trial'],
  [{ phase: 'trial', trials: 3 }, 'B', 'B', 'two', 'rollBack'],
  [{ phase: 'trial', reason: 'sick' }, 'B', 'A', 'two', 'rollBack'],
  [{ phase: 'trial', reason: 'sick' }, 'A', 'A', 'three', 'rolledBack'],
  [{ phase: 'trial' }, 'A', 'A', 'three', 'rolledBack'],
  [{ phase: 'trial' }, 'C', 'C', 'three', 'fail'],
  // The slot that ran before is no new version, however its name came into the record.
  [{ phase: 'installed', slotTo: 'A' }, 'A', 'A', 'one', 'fail'],
  [{ phase: 'activated', slotTo: 'A' }, 'A', 'A', 'two', 'fail'],
  [{ phase: 'trial', slotTo: 'A', reason: 'sick' }, 'A', 'A', 'two', 'fail'],
  [{ phase: 'confirmed' }, 'B', 'B', 'two', 'report'],
  [{ phase: 'rolledBack' }, 'A', 'A', 'two', 'report'],
  [{ phase: 'failed', reported: true }, 'A', 'A', 'two', 'nothing'],
];

test.each(table)('%j, booted %s, next %s, start %s: %s', (given, booted, next, bootId, what) => {
  const found = { status: { booted, next, slots: [] }, bootId, activates: false };
  const decision = decide({ ...entry, ...given }, found, limits);
  expect(decision.what).toBe(what);
  if ('reason' in decision) expect(decision.reason).not.toBe('');
});

test('a roll back keeps the reason that was written down before it', () => {
  const found = { status: { booted: 'A', next: 'A', slots: [] }, bootId: 'two', activates: false };
  const back: UpdateEntry = { ...entry, phase: 'trial', reason: 'sick' };
  expect(decide(back, found, limits)).toEqual({ what: 'rolledBack', reason: 'sick' });
});

test('what was taken back may have started, but was not proven', () => {
  const found = { status: { booted: 'A', next: 'A', slots: [] }, bootId: 'one', activates: false };
  const reason = 'B was taken back before its trial';
  expect(decide({ ...entry, phase: 'activated' }, found, limits)).toMatchObject({ reason });
});

test('an installer that activates by itself: what runs is on trial though the record was cut off', () => {
  const found = { status: { booted: 'B', next: 'B', slots: [] }, bootId: 'two', activates: true };
  const cut: UpdateEntry = { ...entry, phase: 'installing', slotTo: '' };
  expect(decide(cut, found, limits)).toEqual({ what: 'trial', slot: 'B' });
  expect(decide(cut, { ...found, activates: false }, limits)).toEqual({ what: 'install' });
  expect(decide(undefined, found, limits)).toEqual({ what: 'nothing' });
});

/** Of two modules: phase and booted slot of each; what is done, and of which. */
const together: readonly [Partial<UpdateEntry>, string, Partial<UpdateEntry>, string, string][] = [
  [{ phase: 'installed' }, 'A', { phase: 'announced' }, 'A', 'install second'],
  [{ phase: 'announced' }, 'A', { phase: 'installed' }, 'A', 'install first'],
  [{ phase: 'announced' }, 'A', { phase: 'installing' }, 'A', 'install first'],
  [{ phase: 'installed' }, 'A', { phase: 'installed' }, 'A', 'activate first second'],
  // The power was cut between two activations: the second follows.
  [{ phase: 'installed' }, 'B', { phase: 'installed' }, 'A', 'activate second'],
  [{ phase: 'activated' }, 'B', { phase: 'installed' }, 'A', 'activate second'],
  [{ phase: 'activated' }, 'A', { phase: 'installed' }, 'A', 'activate second'],
  [{ phase: 'trial' }, 'B', { phase: 'activated' }, 'A', 'restart second'],
  [{ phase: 'activated' }, 'A', { phase: 'activated' }, 'A', 'restart first second'],
  [{ phase: 'trial' }, 'B', { phase: 'activated' }, 'B', 'trial first second'],
  [{ phase: 'trial' }, 'B', { phase: 'trial' }, 'A', 'back second'],
  [{ phase: 'trial', trials: 3 }, 'B', { phase: 'trial' }, 'B', 'back first'],
  [{ phase: 'installed' }, 'A', { phase: 'installing', attempts: 3 }, 'A', 'back second'],
  [{ phase: 'installed', reason: 'sick' }, 'A', { phase: 'announced' }, 'A', 'back first'],
  [{ phase: 'installed' }, 'A', { phase: 'installed' }, 'C', 'back second'],
  // One that has ended before is none of this update.
  [{ phase: 'confirmed' }, 'B', { phase: 'announced' }, 'A', 'install second'],
  [{ phase: 'confirmed' }, 'B', { phase: 'confirmed', reported: true }, 'B', 'report first'],
  [{ phase: 'failed' }, 'A', { phase: 'rolledBack' }, 'A', 'report first second'],
  [
    { phase: 'failed', reported: true },
    'A',
    { phase: 'rolledBack', reported: true },
    'A',
    'nothing',
  ],
];

test.each(together)('%j in %s and %j in %s: %s', (first, a, second, b, expected) => {
  const members = [
    { entry: { ...entry, ...first, module: 'first' }, booted: a },
    { entry: { ...entry, ...second, module: 'second' }, booted: b },
  ].map(({ entry: each, booted }) => {
    const found = { status: { booted, next: 'B', slots: [] }, bootId: 'one', activates: false };
    return { entry: each, found };
  });
  const decision = decideTogether(members, limits);
  const { entries, ...one } = { entries: [], ...decision };
  const named = [...entries, ...Object.values(one)].flatMap((it) => Object(it).module ?? []);
  expect([decision.what, ...named].join(' ')).toBe(expected);
  if (decision.what === 'back') expect(decision.reason).not.toBe('');
});
