import { ManualClock } from '../../src/base/clock';
import { Jobs } from '../../src/engine/jobs';
import type { Task } from '../../src/engine/task-states';
import { Events } from '../../src/events/events';
import type { RetryPolicy } from '../../src/index';
import { atEnd } from '../support/clean-up';
import { MemoryStore } from '../support/memory-store';

const MINUTE_MS = 60_000;
const key = { productKey: 'pk', deviceName: 'lamp' };
let store: MemoryStore;
let clock: ManualClock;
let due: Task[];
let jobs: Jobs;

function open(): Jobs {
  const opened = new Jobs(store, clock, new Events(clock));
  opened.onDue((task) => due.push(task));
  atEnd(() => opened.close());
  return opened;
}

async function create(
  more: {
    timeoutMinutes?: number;
    retry?: RetryPolicy;
    module?: string;
    multiModule?: boolean;
  } = {},
): Promise<Task> {
  const job = await jobs.create(
    {
      firmwareId: 'f',
      version: '2',
      requireConfirmation: false,
      delivery: 'push',
      protocol: 'https',
      ...more,
    },
    [key],
  );
  return jobs.tasks(job.id)[0] as Task;
}

/** Moves a task to `upgrading`. */
function begin(task: Task): void {
  jobs.move(task, 'pushed', 'delivered');
  jobs.move(task, 'upgrading', 'progress', { step: 1, desc: 'begun' });
}

beforeEach(() => {
  store = new MemoryStore();
  clock = new ManualClock();
  due = [];
  jobs = open();
});

test('a task is active until it ends, and each move is in its history', async () => {
  const task = await create();
  expect(jobs.active(key, undefined)).toBe(task);
  begin(task);
  expect(jobs.move(task, 'pushed', 'delivered')).toBe(false);
  expect(jobs.move(task, 'succeeded', 'version-reported')).toBe(true);
  expect(jobs.active(key, undefined)).toBeUndefined();
  expect(task.history.map(({ reason }) => reason)).toEqual([
    'created',
    'delivered',
    'progress',
    'version-reported',
  ]);
  expect(task).toMatchObject({ step: 1, desc: 'begun' });
});

test('a firmware is in use from when its job is asked for', async () => {
  const created = create();
  expect(jobs.uses('f')).toBe(true);
  const task = await created;
  expect(jobs.uses('f')).toBe(true);
  jobs.move(task, 'cancelled', 'cancelled-by-operator');
  expect(jobs.uses('f')).toBe(false);
});

test('a second task of a device is a conflict; with multiModule one of another module is none', async () => {
  const first = await create();
  expect(await create()).toMatchObject({ state: 'failed', history: [{ reason: 'conflict' }] });
  expect((await create({ module: 'mcu' })).state).toBe('failed');
  expect((await create({ multiModule: true })).state).toBe('failed');
  expect((await create({ module: 'mcu', multiModule: true })).state).toBe('pending');
  expect(jobs.active(key, undefined)).toBe(first);
  expect(jobs.activeOf(key)).toHaveLength(2);
  expect([jobs.uses('f'), jobs.uses('g')]).toEqual([true, false]);
});

test('the time-out runs from the first progress, and strikes once', async () => {
  const task = await create({ timeoutMinutes: 10, retry: { attempts: 1, delayMinutes: 0 } });
  clock.advance(100 * MINUTE_MS);
  begin(task);
  clock.advance(10 * MINUTE_MS - 1);
  expect(task.state).toBe('upgrading');
  clock.advance(1);
  expect(task).toMatchObject({ state: 'failed', retries: 0 });
});

test('a failure of the device is retried after the delay, as often as agreed', async () => {
  const task = await create({ retry: { attempts: 1, delayMinutes: 10 } });
  jobs.move(task, 'pushed', 'delivered');
  jobs.move(task, 'failed', 'device-failed', { step: -1 });
  expect(task).toMatchObject({ state: 'pushed', retries: 1 });
  clock.advance(10 * MINUTE_MS - 1);
  expect(due).toEqual([]);
  clock.advance(1);
  expect(due).toEqual([task]);
  jobs.move(task, 'failed', 'device-failed', { step: -1 });
  expect(task).toMatchObject({ state: 'failed', retries: 1 });
});

test('what an operator changes and cannot be kept did not happen', async () => {
  const task = await create();
  store.refusal = new Error('no room');
  await expect(create()).rejects.toThrow('no room');
  expect(jobs.list()).toHaveLength(1);
  const cancelling = jobs.moveAll([task], 'cancelled', 'cancelled-by-operator');
  await expect(cancelling).rejects.toThrow('no room');
  expect(task.state).toBe('pending');
  store.refusal = undefined;
  await jobs.moveAll([task], 'cancelled', 'cancelled-by-operator');
  await jobs.moveAll([task], 'pending', 'confirmed');
  expect(task.state).toBe('cancelled');
  expect((await create()).upgradeId).toMatch(/^000003-/);
});

test('a restart finds jobs and tasks, and their timers', async () => {
  const task = await create({ timeoutMinutes: 10 });
  begin(task);
  const before = jobs.list();
  jobs.close();
  clock.advance(20 * MINUTE_MS);
  expect(task.state).toBe('upgrading');
  jobs = open();
  await jobs.load();
  expect(jobs.list()).toEqual(before);
  clock.advance(0);
  expect(jobs.get(task.upgradeId)).toMatchObject({ settled: true, tasks: [{ state: 'failed' }] });
});

test('an upgrade that is not there is an error with a code', async () => {
  expect(jobs.get('x')).toBeUndefined();
  expect(() => jobs.job('x')).toThrow(expect.objectContaining({ code: 'ERR_UPGRADE_UNKNOWN' }));
});
