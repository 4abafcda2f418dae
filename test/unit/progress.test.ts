import { IotkitError } from '../../lib/errors';
import { type Progress, ProgressMeter, ProgressViews } from '../../lib/progress';
import { failureStep, Reporter } from '../../lib/reporter';

beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask'], now: 0 });
});
afterEach(() => {
  jest.useRealTimers();
});

describe('ProgressMeter', () => {
  test('emits 0 %, at most every 100 ms, and 100 %', () => {
    const seen: number[] = [];
    const meter = new ProgressMeter(1_000, ({ received }) => seen.push(received));
    meter.update(0, true);
    for (let i = 1; i < 100; i += 1) {
      jest.advanceTimersByTime(10);
      meter.update(i * 10);
    }
    meter.update(1_000); // not yet verified
    meter.update(1_000, true);
    expect(seen).toEqual([0, 100, 200, 300, 400, 500, 600, 700, 800, 900, 1000]);
  });

  test('the rate is that of the last two seconds', () => {
    const seen: Progress[] = [];
    const meter = new ProgressMeter(1e9, (progress) => seen.push(progress));
    let received = 0;
    meter.update(0, true);
    const run = (seconds: number, rate: number): number | undefined => {
      for (let i = 0; i < seconds * 10; i += 1) {
        jest.advanceTimersByTime(100);
        received += rate / 10;
        meter.update(received);
      }
      return seen.at(-1)?.bytesPerSecond;
    };
    expect(run(3, 1_000_000)).toBe(1_000_000);
    expect(run(3, 50_000)).toBe(50_000);
  });

  test('beginning again at 0 is no negative rate', () => {
    const seen: Progress[] = [];
    const meter = new ProgressMeter(1e6, (progress) => seen.push(progress));
    meter.update(0, true);
    jest.advanceTimersByTime(100);
    meter.update(500_000);
    jest.advanceTimersByTime(100);
    meter.update(1_000);
    expect(seen.at(-1)).toEqual({ received: 1_000, size: 1e6, bytesPerSecond: 0 });
  });
});

describe('ProgressViews', () => {
  const at = (received: number): Progress => ({ received, size: 10, bytesPerSecond: 0 });

  test('a slow consumer sees 0 %, the latest and the end', async () => {
    const views = new ProgressViews();
    const view = views.open(undefined);
    for (const received of [0, 1, 2, 9, 10]) views.emit(at(received));
    views.end();
    const seen: number[] = [];
    for await (const { received } of view) seen.push(received);
    expect(seen).toEqual([0, 10]);
  });

  test('a view that was opened after the end follows the next consumption', async () => {
    const views = new ProgressViews();
    views.emit(at(10));
    views.end();
    const view = views.open(undefined);
    views.emit(at(0));
    expect((await view.next()).value).toEqual(at(0));
  });
});

describe('Reporter', () => {
  const reporterOf = (size: number) => {
    const sent: number[] = [];
    return { reporter: new Reporter(size, (step) => sent.push(step)), sent };
  };

  test('0, at most one growing percentage per second, 100', () => {
    const { reporter, sent } = reporterOf(1_000);
    reporter.start();
    for (let ms = 0; ms < 5_000; ms += 50) {
      jest.advanceTimersByTime(50);
      reporter.update((ms + 50) / 5);
    }
    reporter.succeed();
    expect(sent).toEqual([0, 20, 40, 60, 80, 100]);
  });

  test('percentages never go back, and 100 is for success alone', () => {
    const { reporter, sent } = reporterOf(1_000);
    reporter.start();
    for (const received of [500, 200, 509, 510, 1_000]) {
      jest.advanceTimersByTime(2_000);
      reporter.update(received);
    }
    expect(sent).toEqual([0, 50, 51]);
  });

  test('an image of unknown size has no percentages', () => {
    const { reporter, sent } = reporterOf(0);
    reporter.start();
    jest.advanceTimersByTime(2_000);
    reporter.update(7);
    expect(sent).toEqual([0]);
  });

  test('a failure is sent with its code and what happened', () => {
    const sent: unknown[] = [];
    const reporter = new Reporter(10, (...step) => sent.push(step));
    reporter.fail(new IotkitError('ERR_DIGEST_MISMATCH', 'x'.repeat(2_000)));
    expect(sent).toEqual([[-3, expect.stringMatching(/^ERR_DIGEST_MISMATCH: .{200,240}$/)]]);
  });
});

test.each([
  ['ERR_NO_SPACE', -4],
  ['ERR_FILE_ACCESS', -4],
  ['ERR_DIGEST_MISMATCH', -3],
  ['ERR_SIZE_MISMATCH', -3],
  ['ERR_SIGNATURE', -3],
  ['ERR_TRUNCATED', -2],
  ['ERR_CHANGED', -2],
  ['ERR_CONNECTION_RESET', -2],
  ['ERR_TLS_CERTIFICATE', -2],
  ['ERR_HTTP_STATUS', -2],
  ['ERR_URL_EXPIRED', -2],
  ['ERR_THREAD', -1],
  ['ERR_NO_MEMORY', -1],
] as const)('%s is step %i', (code, step) => {
  expect(failureStep(new IotkitError(code))).toBe(step);
});

test('what is no error of ours is step -1', () => {
  expect(failureStep(new TypeError('x'))).toBe(-1);
});
