import type { TaskState, UpgradeOptions } from '../../src/index';
import { EngineRig, GRACE_MS, MINUTE_MS } from '../support/engine';

type Stage = 'pending' | 'pushed' | 'upgrading';

let rig: EngineRig;
let id: string;

beforeEach(async () => {
  rig = await EngineRig.open();
});

/** Brings a task to a stage: from version 1 to version 2. */
async function reach(stage: Stage, options: Partial<UpgradeOptions> = {}): Promise<void> {
  rig.connect();
  rig.inform('1');
  if (stage === 'pending') rig.disconnect();
  id = await rig.start(rig.addFirmware(), options);
  if (stage === 'upgrading') rig.progress(1);
  expect(rig.task(id).state).toBe(stage);
  if (stage === 'pending') rig.connect();
  rig.announced();
}

const TIMEOUT = { timeoutMinutes: 10 } as const;
const RETRY = { retry: { attempts: 1, delayMinutes: 10 } } as const;

interface Row {
  readonly report: string;
  readonly at: readonly Stage[];
  readonly options?: Partial<UpgradeOptions>;
  readonly act: (rig: EngineRig) => void;
  /** The state after it; absent: as before. */
  readonly state?: TaskState;
  readonly reason?: string;
  /** Versions announced by it. */
  readonly announced?: readonly string[];
}

const LIVE: readonly Stage[] = ['pending', 'pushed', 'upgrading'];

/** The table of a device's task, row by row. */
const TABLE: readonly Row[] = [
  {
    report: 'the source version: nothing but the notice again, as after a restart',
    at: ['pushed', 'upgrading'],
    act: (rig) => rig.inform('1'),
    announced: ['2'],
  },
  {
    report: 'the source version: the first notice',
    at: ['pending'],
    act: (rig) => rig.inform('1'),
    state: 'pushed',
    announced: ['2'],
  },
  {
    report: 'the target version, with or without progress',
    at: LIVE,
    act: (rig) => rig.inform('2'),
    state: 'succeeded',
    reason: 'version-reported',
  },
  {
    report: 'another version: the new source',
    at: ['pushed'],
    act: (rig) => rig.inform('1.5'),
    announced: ['2'],
  },
  {
    report: 'another version',
    at: ['upgrading'],
    act: (rig) => rig.inform('1.5'),
    state: 'failed',
    reason: 'wrong-version',
  },
  {
    report: 'another version, and then the source version, before it upgrades',
    at: ['pushed'],
    act: (rig) => {
      rig.inform('1.5');
      rig.progress(1);
      rig.inform('1.5');
    },
    state: 'upgrading',
    announced: ['2', '2'],
  },
  {
    report: 'another version, with a retry: hidden',
    at: ['upgrading'],
    options: RETRY,
    act: (rig) => rig.inform('1.5'),
    reason: 'retry',
  },
  ...[0, 1, 100].map((step) => ({
    report: `step ${step}`,
    at: LIVE,
    act: (rig: EngineRig) => rig.progress(step),
    state: 'upgrading' as const,
    reason: 'progress',
  })),
  ...[-1, -2, -3, -4].map((step) => ({
    report: `step ${step}`,
    at: LIVE,
    act: (rig: EngineRig) => rig.progress(step),
    state: 'failed' as const,
    reason: 'device-failed',
  })),
  {
    report: 'a negative step, with a retry: hidden',
    at: LIVE,
    options: RETRY,
    act: (rig) => rig.progress(-2),
    reason: 'retry',
  },
  {
    report: 'no report in time, which never begins without progress',
    at: ['pending', 'pushed'],
    options: TIMEOUT,
    act: (rig) => {
      rig.disconnect();
      rig.clock.advance(1440 * MINUTE_MS);
    },
  },
  {
    report: 'no report in time',
    at: ['upgrading'],
    options: { ...TIMEOUT, retry: { attempts: 5, delayMinutes: 0 } },
    act: (rig) => rig.clock.advance(10 * MINUTE_MS),
    state: 'failed',
    reason: 'time-out',
  },
  {
    report: 'no report, and no time-out asked for',
    at: ['upgrading'],
    act: (rig) => {
      rig.disconnect();
      rig.clock.advance(30 * 1440 * MINUTE_MS);
    },
  },
  {
    report: 'gone, and back with a report',
    at: ['pushed', 'upgrading'],
    act: (rig) => {
      rig.disconnect();
      rig.connect();
      rig.inform('1');
    },
    announced: ['2'],
  },
  {
    report: 'gone, and back without a report: after a while',
    at: ['pushed', 'upgrading'],
    act: (rig) => {
      rig.disconnect();
      rig.connect();
      rig.clock.advance(GRACE_MS - 1);
      expect(rig.announced()).toEqual([]);
      rig.clock.advance(1);
    },
    announced: ['2'],
  },
  {
    report: 'back for the first time',
    at: ['pending'],
    act: (rig) => rig.clock.advance(GRACE_MS),
    state: 'pushed',
    reason: 'delivered',
    announced: ['2'],
  },
];

const CASES = TABLE.flatMap((row) => row.at.map((stage) => [stage, row.report, row] as const));

test.each(CASES)('a task, %s: %s', async (stage, _, row) => {
  await reach(stage, row.options);
  row.act(rig);
  const task = rig.task(id);
  expect(task.state).toBe(row.state ?? stage);
  if (row.reason !== undefined) expect(task.history.at(-1)?.reason).toBe(row.reason);
  expect(rig.announced()).toEqual(row.announced ?? []);
});

describe('the source version', () => {
  test('is kept in the task, over a restart too', async () => {
    await reach('upgrading');
    expect(rig.task(id).sourceVersion).toBe('1');
    const [stored] = await rig.store.load<{ sourceVersion?: string }>('task');
    expect(stored).toMatchObject({ sourceVersion: '1' });
  });

  test('is learned while upgrading where the device never reported one', async () => {
    rig.connect();
    rig.clock.advance(GRACE_MS);
    id = await rig.start(rig.addFirmware());
    rig.progress(1);
    rig.inform('1');
    expect(rig.task(id)).toMatchObject({ state: 'upgrading', sourceVersion: '1' });
    rig.inform('1.5');
    expect(rig.task(id).state).toBe('failed');
  });

  test('of a retry is what runs then', async () => {
    await reach('upgrading', RETRY);
    rig.inform('1.5');
    rig.inform('1.6');
    rig.clock.advance(10 * MINUTE_MS);
    rig.inform('1.6');
    expect(rig.task(id)).toMatchObject({ state: 'upgrading', sourceVersion: '1.6', retries: 1 });
    rig.inform('1.7');
    expect(rig.task(id).state).toBe('failed');
  });

  test('of another module is another matter', async () => {
    await reach('upgrading');
    rig.inform('7', 'MCU');
    expect(rig.task(id).state).toBe('upgrading');
  });
});

describe('while the job is being written, a device', () => {
  test('that is removed gets a cancelled task', async () => {
    const started = rig.start(rig.addFirmware());
    await rig.devices.remove(rig.key);
    const task = rig.task(await started);
    expect([task.state, task.history.at(-1)?.reason]).toEqual(['cancelled', 'device-removed']);
  });

  test('that reports the target has nothing to do', async () => {
    rig.connect();
    rig.inform('1');
    const started = rig.start(rig.addFirmware());
    rig.inform('2');
    expect(rig.task(await started).state).toBe('succeeded');
    expect(rig.announced()).toEqual([]);
  });

  test('that reports another version starts from there', async () => {
    rig.connect();
    rig.inform('1');
    const started = rig.start(rig.addFirmware());
    rig.inform('1.5');
    expect(rig.task(await started)).toMatchObject({ state: 'pushed', sourceVersion: '1.5' });
  });
});

describe('a retry', () => {
  test('is pushed after its delay, and not before, whatever the device says', async () => {
    await reach('upgrading', RETRY);
    rig.progress(-2);
    rig.progress(-2);
    rig.inform('1');
    rig.pull();
    expect(rig.announced()).toEqual(['-']);
    rig.clock.advance(10 * MINUTE_MS - 1);
    expect(rig.announced()).toEqual([]);
    rig.clock.advance(1);
    expect(rig.announced()).toEqual(['2']);
    expect(rig.task(id)).toMatchObject({ state: 'upgrading', retries: 1 });
    rig.progress(-3);
    expect(rig.task(id).state).toBe('failed');
  });

  test('does not stop the time-out that the first progress started', async () => {
    await reach('upgrading', { timeoutMinutes: 30, ...RETRY });
    rig.clock.advance(15 * MINUTE_MS);
    rig.progress(-2);
    rig.clock.advance(10 * MINUTE_MS);
    expect(rig.announced()).toEqual(['2']);
    rig.progress(5);
    rig.clock.advance(5 * MINUTE_MS);
    expect(rig.task(id).history.at(-1)).toMatchObject({ state: 'failed', reason: 'time-out' });
  });
});

describe('the notice is decided when the version is reported', () => {
  const delta = { version: '9.1', isDiff: true, sourceVersions: ['9.0.0'] };

  test('not at SUBSCRIBE by one from before: no delta for a version that is gone', async () => {
    rig.connect();
    rig.inform('9.0.0');
    rig.disconnect();
    id = await rig.start(rig.addFirmware(delta));
    rig.connect();
    rig.subscribe();
    expect(rig.announced()).toEqual([]);
    rig.inform('9.0.5');
    expect(rig.announced()).toEqual([]);
    expect(rig.task(id).state).toBe('pending');
    rig.inform('9.0.0');
    expect(rig.announced()).toEqual(['9.1']);
  });

  test('a delta is for a device that reports alone; a full package comes after a while', async () => {
    rig.connect();
    rig.inform('9.0.0');
    rig.disconnect();
    const deltaId = await rig.start(rig.addFirmware(delta));
    rig.connect();
    rig.clock.advance(10 * GRACE_MS);
    rig.pull();
    expect(rig.announced()).toEqual(['-']);
    await rig.upgrades.cancel(deltaId);
    id = await rig.start(rig.addFirmware({ version: '9.2', sourceVersions: ['9.0.0'] }));
    expect(rig.announced()).toEqual(['9.2']);
  });

  test('a subscription after the report brings it, once', async () => {
    rig.broker.subscribed = false;
    rig.connect();
    rig.inform('1');
    id = await rig.start(rig.addFirmware());
    expect(rig.task(id).state).toBe('pending');
    rig.subscribe();
    rig.subscribe();
    expect(rig.announced()).toEqual(['2']);
    expect(rig.task(id).state).toBe('pushed');
  });

  test('a module that was never reported is not upgraded on a guess', async () => {
    rig.connect();
    id = await rig.start(rig.addFirmware({ module: 'MCU' }));
    rig.clock.advance(10 * GRACE_MS);
    expect(rig.announced()).toEqual([]);
    rig.inform('1', 'MCU');
    expect(rig.announced()).toEqual(['2']);
  });
});

describe('where connections are not seen', () => {
  beforeEach(() => {
    rig.broker.showsConnections = false;
    rig.inform('1');
  });

  test('presence is unknown, and a notice is not delivered because it was sent', async () => {
    expect(rig.devices.get(rig.key)).toMatchObject({ presence: 'unknown', online: false });
    id = await rig.start(rig.addFirmware());
    expect(rig.announced()).toEqual(['2']);
    expect(rig.task(id).state).toBe('pending');
    rig.inform('1');
    expect(rig.announced()).toEqual(['2']);
    expect(rig.task(id).state).toBe('pushed');
  });

  test('a device that got it all the same goes on from there', async () => {
    id = await rig.start(rig.addFirmware());
    rig.progress(5);
    expect(rig.task(id).state).toBe('upgrading');
  });

  test('a delta goes out with a report alone', async () => {
    const image = rig.addFirmware({ isDiff: true, sourceVersions: ['1'] });
    id = await rig.start(image);
    rig.notices.start();
    expect(rig.announced()).toEqual([]);
    rig.inform('1');
    expect(rig.announced()).toEqual(['2']);
  });
});

describe('one active task per device', () => {
  test('unless the batch says per module', async () => {
    await reach('pushed');
    const mcu = rig.addFirmware({ module: 'MCU' });
    const second = await rig.start(mcu);
    expect(rig.task(second).history).toMatchObject([{ state: 'failed', reason: 'conflict' }]);
    const third = await rig.start(mcu, { multiModule: true });
    expect(rig.task(third).state).toBe('pending');
    const fourth = await rig.start(mcu, { multiModule: true });
    expect(rig.task(fourth).state).toBe('failed');
  });
});
