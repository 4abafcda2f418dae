import { IotkitError } from '../../../lib/base/errors';
import { type Progress, ProgressFeeds, ProgressMeter } from '../../../lib/download/progress';

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
    meter.complete();
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

  test('the rate comes down to 0 when nothing comes', () => {
    const seen: Progress[] = [];
    const meter = new ProgressMeter(1e9, (progress) => seen.push(progress));
    meter.update(0, true);
    jest.advanceTimersByTime(500);
    meter.update(1_000_000);
    jest.advanceTimersByTime(60_000);
    expect(seen.map(({ bytesPerSecond }) => bytesPerSecond)).toEqual([0, 2e6, 666_667, 0]);
    expect(jest.getTimerCount()).toBe(0);
    meter.update(1_500_000);
    expect(seen.at(-1)).toEqual({ received: 1_500_000, size: 1e9, bytesPerSecond: 0 });
    jest.advanceTimersByTime(100);
    meter.update(1_600_000);
    expect(seen.at(-1)?.bytesPerSecond).toBe(1_000_000);
    meter.end();
    const all = seen.length;
    jest.advanceTimersByTime(60_000);
    expect(seen.length).toBe(all);
  });

  test('a retry is told at once, until it is over', () => {
    const seen: Progress[] = [];
    const meter = new ProgressMeter(10, (progress) => seen.push(progress));
    const retrying = { attempt: 1, error: new IotkitError('ERR_CONNECT'), at: new Date(5) };
    meter.update(0, true);
    meter.waiting({ retrying }, true);
    meter.waiting({ retrying }, true);
    meter.update(0, true);
    meter.waiting({}, true);
    const at0 = { received: 0, size: 10, bytesPerSecond: 0 };
    expect(seen).toEqual([at0, { ...at0, retrying }, { ...at0, retrying }, at0]);
  });

  test('a pause is told at once, and what was before the first bytes with them', () => {
    const seen: Progress[] = [];
    const meter = new ProgressMeter(10, (progress) => seen.push(progress));
    meter.waiting({ paused: true }, false);
    expect(seen).toEqual([]);
    meter.update(4, true);
    const at4 = { received: 4, size: 10, bytesPerSecond: 0 };
    expect(seen).toEqual([{ ...at4, paused: true }]);
    meter.waiting({}, true); // the next bytes say so
    expect(seen).toHaveLength(1);
    meter.waiting({ paused: true }, true);
    meter.waiting({ paused: true }, true);
    meter.waiting({}, true);
    meter.update(5, true);
    expect(seen.slice(1)).toEqual([
      { ...at4, paused: true },
      { ...at4, received: 5, bytesPerSecond: expect.any(Number) },
    ]);
    expect(seen.at(-1)).not.toHaveProperty('paused');
  });
});

describe('ProgressFeeds', () => {
  const at = (received: number): Progress => ({ received, size: 10, bytesPerSecond: 0 });

  test('a slow consumer sees 0 %, the latest and the end', async () => {
    const views = new ProgressFeeds();
    const view = views.open(undefined);
    for (const received of [0, 1, 2, 9, 10]) views.emit(at(received));
    views.end();
    const seen: number[] = [];
    for await (const { received } of view) seen.push(received);
    expect(seen).toEqual([0, 10]);
  });

  test('a view that was opened after the end follows the next consumption', async () => {
    const views = new ProgressFeeds();
    views.emit(at(10));
    views.end();
    const view = views.open(undefined);
    views.emit(at(0));
    expect((await view.next()).value).toEqual(at(0));
  });
});
