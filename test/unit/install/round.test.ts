// How modules that are updated together, or one alone, come to nothing: what is written, and in which order.
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkHealth } from '../../../lib/install/health';
import { checkHooks } from '../../../lib/install/hooks';
import { Images } from '../../../lib/install/images';
import type { Installer, SlotState } from '../../../lib/install/installer';
import { tryLock } from '../../../lib/install/lock';
import { checkPolicy } from '../../../lib/install/policy';
import { beginning, RecordFile, recordIo, type UpdateEntry } from '../../../lib/install/record';
import { Reports } from '../../../lib/install/reports';
import { Round } from '../../../lib/install/round';
import type { UpdateHost } from '../../../lib/install/update-host';
import { FakePlatform } from '../../../lib/testing/fake-platform';

let folder: string;
let platform: FakePlatform;
/** The writes of the record and what the installers were told, in their order. */
let log: string[];
let record: RecordFile;
let hosts: Partial<UpdateHost>;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'iotkit-round-'));
  platform = new FakePlatform();
  log = [];
  hosts = {};
  const rename = async (from: string, to: string): Promise<void> => {
    await recordIo.rename(from, to);
    log.push('record');
  };
  record = await RecordFile.open(join(folder, 'update.record'), { ...recordIo, rename });
});
afterEach(async () => {
  await platform.device.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Slots A and B, of which A runs and B is on trial; `next` is what starts next. */
class Slots implements Installer {
  readonly kind = 'slots';
  readonly takes = 'file';
  readonly fallsBack = true;
  activates = false;
  restarts: 'machine' | 'service' = 'service';
  booted = 'A';
  next = 'B';
  readonly states: Record<string, SlotState> = { A: 'good', B: 'trial' };
  readonly #name: string;

  constructor(name: string) {
    this.#name = name;
  }

  async status() {
    const slots = Object.entries(this.states).map(([name, state]) => ({ name, state }));
    return { booted: this.booted, next: this.next, slots };
  }

  async install() {
    return { slot: 'B' };
  }

  async activate(): Promise<void> {}

  async markGood(): Promise<void> {}

  async markBad(slot: string): Promise<void> {
    log.push(`${this.#name}: ${slot} is bad`);
    this.states[slot] = 'bad';
    this.next = 'A';
  }

  async reboot(): Promise<void> {
    log.push(`${this.#name}: restart`);
    this.booted = 'A';
  }
}

function entryOf(module: string, given: Partial<UpdateEntry> = {}): UpdateEntry {
  return {
    ...{ ...beginning, id: '1', module, version: '2.0.0', size: 1, phase: 'activated' },
    ...{ digest: { method: 'sha256', value: '00' }, slotFrom: 'A', slotTo: 'B', attempts: 1 },
    ...given,
  };
}

/** A round of these modules, of which the record has these entries. */
async function roundOf(
  installers: Readonly<Record<string, Installer>>,
  entries: readonly UpdateEntry[],
): Promise<Round> {
  await record.putAll(entries);
  log.length = 0;
  const signal = new AbortController().signal;
  const host = {
    record,
    reports: new Reports(platform.device, signal),
    images: new Images(folder),
    clock: { now: () => 0, elapsed: () => 0, sleep: async () => {} },
    bootId: async () => 'boot-1',
    policy: checkPolicy(undefined),
    hooks: checkHooks(undefined),
    health: checkHealth(undefined),
    vitals: { isConnected: () => true, said: () => undefined },
    limits: { attempts: 3, activations: 3, trials: 3 },
    progress: { download: 70, install: 99 },
    gatherMs: 0,
    signal,
    offered: async () => {},
    consent: async () => {},
    whenReplaced: () => () => {},
    isReplaced: async () => false,
    onEntry: () => {},
    onError: () => {},
    ...hosts,
  };
  const modules = Object.entries(installers).map(([module, installer]) => {
    return { module, installer, version: undefined, base: undefined };
  });
  return new Round(modules, host);
}

const back = (culprit: UpdateEntry, reason: string) => ({ what: 'back', culprit, reason }) as const;

describe('why modules go back', () => {
  test('is what was found first, also where another reason is found later', async () => {
    const round = await roundOf({ os: new Slots('os'), mcu: new Slots('mcu') }, [
      entryOf('os'),
      entryOf('mcu'),
    ]);
    await round.sentence({ culprit: entryOf('os'), reason: 'the disk is broken', step: -4 });
    await round.sentence({ culprit: entryOf('mcu'), reason: 'the motor turns', isReported: true });
    expect(record.entry('os')).toMatchObject({ reason: 'the disk is broken', step: -4 });
    expect(record.entry('mcu')).toMatchObject({
      reason: 'module os: the disk is broken',
      reported: false,
    });
    expect(log).toEqual(['record']);
  });

  test('is in the record before what runs is marked bad, of one module alone too', async () => {
    const os = new Slots('os');
    os.booted = 'B';
    const culprit = entryOf('os', { phase: 'trial' });
    const round = await roundOf({ os }, [culprit]);
    expect(await round.goBack(back(culprit, 'B was not healthy'))).toBe('on');
    expect(record.entry('os')).toMatchObject({ phase: 'trial', reason: 'B was not healthy' });
    expect(log).toEqual(['record']);
    const sentenced = record.entry('os') as UpdateEntry;
    expect(await round.goBack(back(sentenced, sentenced.reason))).toBe('on');
    expect(log).toEqual(['record', 'os: B is bad', 'os: restart']);
  });

  test('says of which module it is, where none of them has started', async () => {
    const round = await roundOf({ os: new Slots('os'), mcu: new Slots('mcu') }, [
      entryOf('os'),
      entryOf('mcu'),
    ]);
    await round.goBack(back(entryOf('mcu'), 'B did not come up'));
    const sentenced = record.entry('mcu') as UpdateEntry;
    await round.goBack(back(sentenced, sentenced.reason));
    expect([record.entry('os'), record.entry('mcu')]).toMatchObject([
      { phase: 'rolledBack', reason: 'module mcu: B did not come up' },
      { phase: 'rolledBack', reason: 'B did not come up' },
    ]);
  });
});

describe('one module runs its new version, the other has not started it', () => {
  async function goBack(mcu: Slots): Promise<void> {
    const os = new Slots('os');
    os.booted = 'B';
    const culprit = entryOf('os', { phase: 'trial', reason: 'it is sick', step: -1 });
    const round = await roundOf({ os, mcu }, [culprit, entryOf('mcu', { reason: 'os is sick' })]);
    expect(await round.goBack(back(culprit, culprit.reason))).toBe('on');
  }

  test('nothing starts the other any more before the first is restarted', async () => {
    await goBack(new Slots('mcu'));
    expect(log).toEqual(['mcu: B is bad', 'os: B is bad', 'os: restart']);
  });

  test('what nothing starts any more is not written again', async () => {
    const mcu = new Slots('mcu');
    mcu.states.B = 'bad';
    await goBack(mcu);
    expect(log).toEqual(['os: B is bad', 'os: restart']);
  });
});

test('what takes the place of one of several is awaited: the others are not activated without it', async () => {
  const waiting = entryOf('mcu', { phase: 'downloaded', slotFrom: '', slotTo: '', attempts: 0 });
  const round = await roundOf({ os: new Slots('os'), mcu: new Slots('mcu') }, [
    entryOf('os', { phase: 'installed' }),
    waiting,
  ]);
  writeFileSync(join(folder, 'mcu.image'), 'older');
  expect(await round.giveUp(waiting)).toBe('idle');
  expect(round.going()).toMatchObject([
    { module: 'os', phase: 'installed' },
    { module: 'mcu', phase: 'announced' },
  ]);
  expect(existsSync(join(folder, 'mcu.image'))).toBe(false);
});

describe('of an installer that activates, whose update fails before it has named a slot', () => {
  test.each([
    ['what it has activated is marked bad', 1, ['os: B is bad']],
    ['what somebody else has activated is left alone where it has begun nothing', 0, []],
  ])('%s', async (_, attempts, marked) => {
    const os = new Slots('os');
    os.activates = true;
    const culprit = entryOf('os', { phase: 'downloaded', slotTo: '', attempts });
    const round = await roundOf({ os }, [culprit]);
    await round.fail(culprit, new Error('not on a Monday'), false);
    expect(record.entry('os')).toMatchObject({ phase: 'failed', reason: 'not on a Monday' });
    expect(log.filter((it) => it !== 'record')).toEqual(marked);
  });
});

test.each([
  ['what has come of several files is kept for the next download', 'announced', true],
  ['several files that are whole take no room any more', 'downloaded', false],
] as const)('after an update that has failed %s', async (_, phase, isKept) => {
  const files = join(folder, 'os.files');
  mkdirSync(files);
  writeFileSync(join(files, 'a.bin.part'), 'half');
  const culprit = entryOf('os', { phase, slotFrom: '', slotTo: '', attempts: 0 });
  const round = await roundOf({ os: new Slots('os') }, [culprit]);
  await round.notFetched(culprit, new Error('no route'));
  expect(existsSync(join(files, 'a.bin.part'))).toBe(isKept);
});

test.each([
  ['A', 'rolledBack', 'the slot that ran before'],
  ['C', 'failed', 'a third one'],
])('an update ends, while %s runs, as %s: it is %s', async (booted, phase) => {
  const os = new Slots('os');
  os.states.C = 'good';
  os.booted = booted;
  const culprit = entryOf('os');
  const round = await roundOf({ os }, [culprit]);
  await round.goBack(back(culprit, 'B did not come up'));
  expect(record.entry('os')).toMatchObject({ phase, reason: 'B did not come up' });
});

test('what was not installed is not taken for what runs, where nobody knows what does', async () => {
  const os = new Slots('os');
  os.booted = ''; // as of directories without a link
  const culprit = entryOf('os', { phase: 'installing', slotTo: '', attempts: 3 });
  const round = await roundOf({ os }, [culprit]);
  await round.goBack(back(culprit, 'cut off 3 times while it was installed'));
  expect(record.entry('os')).toMatchObject({ phase: 'failed' });
  expect(log).toEqual(['record']);
});

test('a hook that ends with the agent is no error', async () => {
  const agent = new AbortController();
  const errors: unknown[] = [];
  const entry = entryOf('os', { phase: 'confirmed' });
  const afterwards = async (afterConfirm: () => unknown): Promise<void> => {
    const hooks = checkHooks({ afterConfirm });
    hosts = { signal: agent.signal, hooks, onError: (error) => errors.push(error) };
    const round = await roundOf({ os: new Slots('os') }, [entry]);
    await round.afterwards('afterConfirm', entry);
  };
  const broken = new Error('broken');
  await afterwards(() => Promise.reject(broken));
  expect(errors).toEqual([broken]);
  await afterwards(() => {
    agent.abort();
    return new Promise(() => {});
  });
  expect(errors).toEqual([broken]);
});

describe('an application may go on', () => {
  /** Whether it may, each time that it was asked. */
  let free: boolean[];
  let look: () => Promise<void>;
  beforeEach(() => {
    const path = join(folder, 'update.lock');
    free = [];
    look = async () => {
      const lock = await tryLock(path);
      free.push(lock !== undefined);
      await lock?.release();
    };
    hosts = { policy: checkPolicy({ lock: { path } }) };
  });

  test('while a hook hears of the failure', async () => {
    hosts = { ...hosts, hooks: checkHooks({ afterFailure: () => look() }) };
    const culprit = entryOf('os', { phase: 'installing', slotTo: '' });
    const round = await roundOf({ os: new Slots('os') }, [culprit]);
    await round.gate.mayInstall(culprit);
    await look();
    await round.fail(culprit, new Error('no room'), false);
    expect(free).toEqual([false, true]);
  });

  test('while a service that goes back is not restarted yet', async () => {
    hosts = { ...hosts, clock: { now: () => 0, elapsed: () => 0, sleep: () => look() } };
    const os = new Slots('os');
    os.booted = 'B';
    os.reboot = async () => {};
    const culprit = entryOf('os', { phase: 'trial', reason: 'it is sick', step: -1 });
    const round = await roundOf({ os }, [culprit]);
    await round.gate.mayInstall(culprit);
    await look();
    expect(await round.goBack(back(culprit, culprit.reason))).toBe('on');
    expect(free).toEqual([false, true]);
  });
});
