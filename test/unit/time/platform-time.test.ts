import type { NativeReading } from '../../../lib/addon/binding';
import { IotkitError } from '../../../lib/base/errors';
import { checkTimeOptions, TimeRequests } from '../../../lib/time/platform-time';
import { FakeDevice, refusalOf } from '../support';

const reading = (offset: number, uncertainty: number): NativeReading => ({
  time: 1_700_000_000_000,
  at: 5,
  offset,
  uncertainty,
});

beforeEach(() => {
  jest.useFakeTimers();
});
afterEach(() => {
  jest.useRealTimers();
});

/** A connection whose answers come as `answers` has them; undefined: none. */
function rig(...answers: Array<NativeReading | IotkitError | undefined>) {
  const native = new FakeDevice();
  const measured: NativeReading[] = [];
  const device = { holdWhile: <T>(operation: Promise<T>) => operation };
  const requestTime = (): string | number => {
    const id = native.requestTime();
    const answer = typeof id === 'string' ? answers.shift() : undefined;
    if (answer !== undefined) Promise.resolve().then(() => give(String(id), answer));
    return id;
  };
  const time = new TimeRequests(device, { requestTime }, (it) => measured.push(it));
  const give = (id: string, answer: NativeReading | IotkitError): void => {
    if (answer instanceof IotkitError) time.onRefused(answer, id);
    else time.onTime(answer, id);
  };
  const ask = (options = {}) => time.ask(checkTimeOptions(options));
  return { native, time, ask, measured };
}

test('of several exchanges the one with the shortest way counts', async () => {
  jest.setSystemTime(1000);
  const { ask, native, measured } = rig(reading(5, 9), reading(7, 2), reading(6, 4), reading(8, 3));
  expect(await ask()).toEqual({ time: 1007, offset: 7, uncertainty: 2 });
  expect(native.timeRequests).toHaveLength(4);
  expect(measured).toEqual([reading(7, 2)]);
});

test('lost messages and bad answers cost their exchange alone', async () => {
  const { ask } = rig(undefined, new IotkitError('ERR_NOTICE_FIELD'), reading(5, 9), undefined);
  const asked = ask({ timeout: 4000 });
  await jest.advanceTimersByTimeAsync(1000);
  await jest.advanceTimersByTimeAsync(3000);
  expect(await asked).toMatchObject({ offset: 5 });
});

test.each([
  ['nothing came', [undefined, undefined], { code: 'ERR_TIMEOUT' }],
  [
    'the answers were none',
    [new IotkitError('ERR_NOTICE_JSON'), new IotkitError('ERR_NOTICE_JSON')],
    { code: 'ERR_NOTICE_JSON' },
  ],
])('where %s it says so', async (_, answers, error) => {
  const { ask, measured } = rig(...answers);
  const refused = expect(ask({ exchanges: 2, timeout: 100 })).rejects.toMatchObject(error);
  await jest.advanceTimersByTimeAsync(100);
  await refused;
  expect(measured).toEqual([]);
});

test('the time-out is for all exchanges together, and named as it was given', async () => {
  const { ask } = rig();
  const refused = expect(ask({ timeout: 900 })).rejects.toMatchObject({
    detail: 'the platform did not answer within 900 ms',
  });
  await jest.advanceTimersByTimeAsync(900);
  await refused;
});

test('without a connection it waits for one', async () => {
  const { ask, native, time } = rig(reading(5, 1));
  native.isConnected = false;
  const asked = ask({ exchanges: 1 });
  native.isConnected = true;
  time.onConnected();
  expect(await asked).toMatchObject({ offset: 5 });
});

test('a signal ends it at once, and so does the end of the device', async () => {
  const { ask, time, native } = rig();
  const stop = new AbortController();
  const left = ask({ signal: stop.signal });
  stop.abort(new Error('enough'));
  await expect(left).rejects.toThrow('enough');
  const asked = ask();
  time.close(new IotkitError('ERR_CLOSED'));
  await expect(asked).rejects.toMatchObject({ code: 'ERR_CLOSED' });
  await expect(ask()).rejects.toMatchObject({ code: 'ERR_CLOSED' });
  expect(native.timeRequests).toHaveLength(2);
});

test('an answer that nobody waits for is nobody’s', () => {
  const { time } = rig();
  time.onTime(reading(1, 1), '9');
  expect(time.onRefused(new IotkitError('ERR_NOTICE_JSON'), '')).toBe(false);
});

test.each([
  [{ exchanges: 0 }, 'exchanges'],
  [{ exchanges: 17 }, 'exchanges'],
  [{ timeout: 0 }, 'timeout'],
  [{ signal: 1 }, 'signal'],
  [{ tries: 1 }, 'tries'],
])('%j is refused by name', (options, name) => {
  expect(refusalOf(() => checkTimeOptions(options as never)).message).toContain(name);
});
