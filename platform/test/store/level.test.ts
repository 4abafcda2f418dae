import { join } from 'node:path';
import { ClassicLevel } from 'classic-level';
import { ManualClock } from '../../src/base/clock';
import { StateProblems } from '../../src/base/problems';
import { LevelStore } from '../../src/store/level';
import { atEnd } from '../support/clean-up';
import { temporaryFolder } from '../support/start';

/** Its lock is beside it. */
async function newDirectory(): Promise<string> {
  return join(await temporaryFolder(), 'db');
}

/** The smallest record there is. */
function record(id: string) {
  return { folder: 'f', id };
}

async function open(directory: string): Promise<LevelStore> {
  const store = await LevelStore.open(directory);
  atEnd(() => store.close());
  return store;
}

test('a record is there after a restart, in the order of the keys, of its kind alone', async () => {
  const directory = await newDirectory();
  const first = await LevelStore.open(directory);
  first.put('file', 'b', record('b'));
  first.put('file', 'a', record('a'));
  first.put('task', 'a', { name: 'task' });
  first.put('file', 'c', record('c'));
  first.remove('file', 'c');
  await first.close();
  const second = await open(directory);
  expect(await second.load('file')).toEqual([record('a'), record('b')]);
  expect(await second.load('firmware')).toEqual([]);
});

test('of several writes to one key the last one wins', async () => {
  const store = await open(await newDirectory());
  store.put('file', 'a', record('1'));
  store.put('file', 'a', record('2'));
  await store.flush();
  expect(await store.load('file')).toEqual([record('2')]);
  store.put('file', 'a', record('3'));
  store.remove('file', 'a');
  store.remove('file', 'never was');
  await store.flush();
  expect(await store.load('file')).toEqual([]);
});

test('what is queued while a batch is being written is written after it', async () => {
  const store = await open(await newDirectory());
  store.put('file', '1', record('1'));
  const flushed = store.flush();
  await Promise.resolve();
  store.put('file', '2', record('2'));
  await flushed;
  await store.flush();
  expect(await store.load('file')).toEqual([record('1'), record('2')]);
});

test('what is queued after a change was asked for counts more than it, whichever is written first', async () => {
  const store = await open(await newDirectory());
  store.put('file', 'a', record('before'));
  const changed = store.commit([{ kind: 'file', key: 'a', record: record('changed') }]);
  store.put('file', 'a', record('after'));
  store.put('file', 'b', record('b'));
  const removed = store.commit([{ kind: 'file', key: 'b' }]);
  await Promise.all([changed, removed]);
  await store.flush();
  expect(await store.load('file')).toEqual([record('after')]);
});

test('a directory that another store has open is locked', async () => {
  const directory = await newDirectory();
  await open(directory);
  await expect(LevelStore.open(directory)).rejects.toMatchObject({ code: 'ERR_STATE_LOCKED' });
});

/** Lets the writes of the database fail as often as it is told, as those of a full disk. */
function fullDisk(times: number): jest.SpyInstance {
  type Batch = (this: unknown, ...args: unknown[]) => unknown;
  const prototype = ClassicLevel.prototype as unknown as { batch: Batch };
  const real = prototype.batch;
  let left = times;
  const spy = jest.spyOn(prototype, 'batch').mockImplementation(function (this: unknown, ...args) {
    if (left-- > 0) return Promise.reject(new Error('IO error: 1.log: No space left on device'));
    return real.apply(this, args);
  });
  atEnd(() => spy.mockRestore());
  return spy;
}

test('after one ENOSPC the next change is written, and nothing that was reported is lost', async () => {
  const clock = new ManualClock();
  const directory = await newDirectory();
  const store = await LevelStore.open(directory, clock);
  const heard: boolean[] = [];
  store.onHealth(({ degraded }) => heard.push(degraded));
  store.put('file', 'a', record('a'));
  await store.flush();
  fullDisk(1);
  store.put('file', 'b', record('b'));
  const refused = store.commit([{ kind: 'file', key: 'c', record: record('c') }]);
  await expect(refused).rejects.toMatchObject({ code: 'ERR_STATE_FULL' });
  expect(store.health).toEqual({ degraded: true, reason: expect.stringMatching(/No space/) });
  await store.commit([{ kind: 'file', key: 'd', record: record('d') }]);
  expect([store.health, heard]).toEqual([{ degraded: false }, [true, false]]);
  await store.close();
  const again = await open(directory);
  // What was refused is not there, what was reported is.
  expect(await again.load('file')).toEqual(['a', 'b', 'd'].map(record));
});

test('what a failed write has left is older than what was queued since', async () => {
  const store = await open(await newDirectory());
  fullDisk(1);
  store.put('file', 'a', record('1'));
  const failed = store.flush();
  store.put('file', 'a', record('2'));
  await expect(failed).rejects.toMatchObject({ code: 'ERR_STATE_FULL' });
  await store.flush();
  expect(await store.load('file')).toEqual([record('2')]);
});

test('what is queued while the change is written that ends the trouble is written by itself', async () => {
  const store = await open(await newDirectory());
  const batches = fullDisk(1);
  await expect(store.commit([{ kind: 'file', key: 'a' }])).rejects.toThrow();
  const changed = store.commit([{ kind: 'file', key: 'b', record: record('b') }]);
  store.put('file', 'c', record('c'));
  await changed;
  while (batches.mock.calls.length < 3) await new Promise(setImmediate);
  await store.flush();
  expect(await store.load('file')).toEqual(['b', 'c'].map(record));
});

test('while it cannot be opened again, the reason is that of the disk', async () => {
  const store = await open(await newDirectory());
  const cause = new Error('IO error: MANIFEST-000004: No space left on device');
  fullDisk(1);
  const spy = jest
    .spyOn(ClassicLevel.prototype, 'open')
    .mockRejectedValue(new Error('Database failed to open', { cause }));
  atEnd(() => spy.mockRestore());
  for (let i = 0; i < 2; i++)
    await expect(store.commit([{ kind: 'file', key: 'a' }])).rejects.toThrow();
  expect(store.health).toEqual({ degraded: true, reason: cause.message });
});

test('it stays locked while its database is closed, after a failed write', async () => {
  const directory = await newDirectory();
  const store = await open(directory);
  fullDisk(1);
  const real = ClassicLevel.prototype.open;
  const opened: string[] = [];
  const spy = jest.spyOn(ClassicLevel.prototype, 'open').mockImplementation(async function (
    this: ClassicLevel,
  ) {
    // Once the records' database is closed, another platform starts.
    if (opened.push(this.location) === 1) {
      const second = LevelStore.open(directory);
      await expect(second).rejects.toMatchObject({ code: 'ERR_STATE_LOCKED' });
    }
    return real.call(this, {});
  });
  atEnd(() => spy.mockRestore());
  const change = [{ kind: 'file', key: 'a', record: record('a') }] as const;
  await expect(store.commit(change)).rejects.toMatchObject({ code: 'ERR_STATE_FULL' });
  await store.commit(change);
  expect(opened).toEqual([directory, `${directory}-lock`]);
  expect(await store.load('file')).toEqual([record('a')]);
});

test('a store that cannot be opened leaves no lock behind', async () => {
  const directory = await newDirectory();
  const db = new ClassicLevel(directory);
  await db.open();
  await expect(LevelStore.open(directory)).rejects.toMatchObject({ code: 'ERR_STATE_LOCKED' });
  await db.close();
  await open(directory);
});

test('what is queued is tried again by itself, until it is written', async () => {
  const clock = new ManualClock();
  const store = await LevelStore.open(await newDirectory(), clock);
  atEnd(() => store.close());
  fullDisk(1);
  store.put('file', 'a', record('a'));
  await expect(store.flush()).rejects.toMatchObject({ code: 'ERR_STATE_FULL' });
  const healthy = new Promise<void>((resolve) => store.onHealth(() => resolve()));
  clock.advance(30_000);
  await healthy;
  expect(store.health).toEqual({ degraded: false });
  expect(await store.load('file')).toEqual([record('a')]);
});

test('a record that cannot be read is named and left where it is', async () => {
  const directory = await newDirectory();
  const db = new ClassicLevel<string, string>(directory);
  await db.put('device/a', '{"productKey":');
  await db.put('device/b', '{"productKey":"b"}');
  await db.close();
  const problems = new StateProblems();
  const store = await LevelStore.open(directory, new ManualClock(), problems);
  atEnd(() => store.close());
  expect(await store.load('device')).toEqual([]);
  expect(problems.list).toEqual([
    { what: 'record', name: 'device/a', reason: 'it is not JSON' },
    { what: 'record', name: 'device/b', reason: expect.stringMatching(/deviceName/) },
  ]);
  expect(await store.isEmpty()).toBe(false);
});
