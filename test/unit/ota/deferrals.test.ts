import type { NativeJob } from '../../../lib/addon/binding';
import type { ImageIdentity } from '../../../lib/download/image-identity';
import { Deferrals } from '../../../lib/ota/deferrals';
import { FakeJob } from '../support';

const MINUTE_MS = 60_000;

beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask'], now: 0 });
});
afterEach(() => {
  jest.useRealTimers();
});

const image: ImageIdentity = {
  module: undefined,
  version: '2',
  size: 1,
  digest: 'ab',
  files: [],
};

function deferralsOf() {
  const due: NativeJob[] = [];
  const deferrals = new Deferrals((job) => due.push(job));
  return { deferrals, due };
}

test('the job comes at its time, once, even hours later', () => {
  const { deferrals, due } = deferralsOf();
  const job = new FakeJob();
  deferrals.add(image, job, 90 * MINUTE_MS);
  jest.advanceTimersByTime(90 * MINUTE_MS - 1);
  expect([due, deferrals.has(image)]).toEqual([[], true]);
  jest.advanceTimersByTime(1);
  expect([due, deferrals.has(image), jest.getTimerCount()]).toEqual([[job], false, 0]);
});

test('a time that is past is now', () => {
  const { deferrals, due } = deferralsOf();
  deferrals.add(image, new FakeJob(), -1);
  expect(due).toEqual([]);
  jest.advanceTimersByTime(1);
  expect(due).toHaveLength(1);
});

test('a clock that leaps ahead is seen within a minute', () => {
  const { deferrals, due } = deferralsOf();
  deferrals.add(image, new FakeJob(), 10_000 * MINUTE_MS);
  jest.setSystemTime(20_000 * MINUTE_MS);
  jest.advanceTimersByTime(MINUTE_MS);
  expect(due).toHaveLength(1);
});

test('a later deferral takes the place of the first; one that is forgotten never comes', () => {
  const { deferrals, due } = deferralsOf();
  const [first, second] = [new FakeJob(), new FakeJob()];
  deferrals.add(image, first, 1_000);
  deferrals.add({ ...image }, second, 2_000);
  deferrals.add({ ...image, module: 'MCU' }, first, 1_000);
  deferrals.forget({ ...image, module: 'MCU' });
  deferrals.forget({ ...image, module: 'none' });
  jest.advanceTimersByTime(5_000);
  expect(due).toEqual([second]);
});

test('close() leaves no timer', () => {
  const { deferrals } = deferralsOf();
  deferrals.add(image, new FakeJob(), 1_000);
  deferrals.close();
  expect([jest.getTimerCount(), deferrals.has(image)]).toEqual([0, false]);
});
