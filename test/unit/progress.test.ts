import { type Progress, ProgressMeter, ProgressViews } from '../../lib/progress';

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
