import type { CheckedHealth } from '../../../lib/install/health';
import type { Installer, InstallerStatus, SlotState } from '../../../lib/install/installer';
import { beginning, type RecordFile, type UpdateEntry } from '../../../lib/install/record';
import { StartConfirmation } from '../../../lib/install/start-confirmation';

const image = { digest: { method: 'sha256', value: '' }, size: 1 } as const;
const entry: UpdateEntry = {
  ...{ ...beginning, ...image, id: '1', module: '', version: '2.0.0', phase: 'trial' },
  ...{ slotFrom: 'A', slotTo: 'B' },
};

interface Given {
  readonly state?: SlotState;
  readonly booted?: string;
  readonly next?: string;
  /** The slot that the record has as confirmed. */
  readonly confirmed?: string;
  readonly entry?: Partial<UpdateEntry>;
}

let marked = 0;
let ending: AbortController;
let errors: unknown[];
beforeEach(() => {
  marked = 0;
  ending = new AbortController();
  errors = [];
});

/** Of the slot A, of this state, which runs and is next. */
function confirmation(given: Given, health: Partial<CheckedHealth> = {}): StartConfirmation {
  const { state = 'good', booted = 'A', next = booted, confirmed } = given;
  const status: InstallerStatus = { booted, next, slots: [{ name: booted, state }] };
  const installer: Partial<Installer> = {
    status: async () => status,
    markGood: async () => {
      marked += 1;
    },
  };
  const content = {
    entries: given.entry === undefined ? {} : { '': { ...entry, ...given.entry } },
    confirmed: confirmed === undefined ? {} : { '': { version: '1', slot: confirmed, ...image } },
  };
  let now = 0;
  return new StartConfirmation('', installer as Installer, {
    record: { content } as unknown as RecordFile,
    health: { checks: [], holdMs: 10, withinMs: 100, everyMs: 10, ...health },
    vitals: { isConnected: () => true, said: () => undefined },
    clock: {
      now: () => now,
      elapsed: () => now,
      sleep: async (ms, signal) => {
        now += ms;
        await new Promise((resolve) => setImmediate(resolve));
        signal?.throwIfAborted();
      },
    },
    signal: ending.signal,
    onError: (error) => errors.push(error),
  });
}

describe('what runs gets its tries back', () => {
  test.each<[string, Given]>([
    ['it is good', {}],
    ['nobody can say, and the record knows it', { state: 'unknown', confirmed: 'A' }],
    ['its tries are used up, and it is all there is', { state: 'bad', next: '', confirmed: 'A' }],
    ['another one is installed', { entry: { phase: 'installed' } }],
    ['it was confirmed by an update', { booted: 'B', entry: { phase: 'confirmed' } }],
  ])('%s', async (_, given) => {
    const start = confirmation(given);
    expect(await start.refresh()).toBe(given.booted ?? 'A');
    expect(marked).toBe(1);
    await start.keep();
    expect(marked).toBe(2);
  });
});

describe('what runs is not confirmed', () => {
  test.each<[string, Given]>([
    ['on trial', { state: 'trial', confirmed: 'A' }],
    ['by nobody, and the record knows another', { state: 'unknown', confirmed: 'B' }],
    ['by nobody, and the record knows none', { state: 'unknown' }],
    ['its tries are used up, and another is next', { state: 'bad', next: 'B', confirmed: 'A' }],
    ['its tries are used up, and the record does not know it', { state: 'bad', next: '' }],
    ['on a trial that its installer calls good', { booted: 'B', entry: { phase: 'trial' } }],
  ])('%s', async (_, given) => {
    const start = confirmation(given);
    expect(await start.refresh()).toBe(given.booted ?? 'A');
    await start.keep();
    expect(marked).toBe(0);
  });
});

test('nothing is confirmed at the start while another is next: it could be taken back', async () => {
  await confirmation({ next: 'B' }).keep();
  expect(marked).toBe(0);
});

test('a start is confirmed once, however often that is begun', async () => {
  const start = confirmation({});
  start.begin();
  start.begin();
  await start.ended;
  expect(marked).toBe(1);
  start.begin();
  await start.ended;
  expect(marked).toBe(1);
  expect(errors).toEqual([]);
});

test('one that was stopped confirms nothing more, and can be begun again', async () => {
  let asked = 0;
  const check = (): boolean => {
    asked += 1;
    return true;
  };
  const start = confirmation({}, { checks: [check], holdMs: 50 });
  start.begin();
  await start.stop();
  expect(marked).toBe(0);
  start.begin();
  await start.ended;
  expect(marked).toBe(1);
  expect(asked).toBeGreaterThan(0);
});
