import { IotkitError } from '../../lib/errors';
import { errorCodes } from '../../lib/generated/error-codes';
import { Steps } from '../../lib/steps';

beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask'], now: 0 });
});
afterEach(() => {
  jest.useRealTimers();
});

interface Sent {
  readonly module: string;
  readonly step: number;
  readonly at: number;
}

/** A connection that can be taken away, and what went over it. */
function connection() {
  const sent: Sent[] = [];
  const state = { refusal: 0 };
  const began = performance.now();
  const steps = new Steps((module, step) => {
    if (state.refusal < 0) return state.refusal;
    sent.push({ module, step, at: performance.now() - began });
    return 0;
  });
  const of = (module: string): number[] =>
    sent.filter((it) => it.module === module).map(({ step }) => step);
  const percent = (module: string, step: number): void => steps.send(module, step, '', false);
  const must = (module: string, step: number): void => steps.send(module, step, '', true);
  return {
    steps,
    sent,
    of,
    percent,
    must,
    drop: () => {
      state.refusal = errorCodes.ERR_NOT_CONNECTED.errno;
    },
    fill: () => {
      state.refusal = errorCodes.ERR_QUEUE_FULL.errno;
    },
    drain: () => {
      state.refusal = 0;
    },
    connect: () => {
      state.refusal = 0;
      steps.connected();
    },
  };
}

/** The most messages within any one second. */
function densest(sent: readonly Sent[]): number {
  const times = sent.map(({ at }) => at);
  return Math.max(
    0,
    ...times.map((from) => times.filter((at) => at >= from && at < from + 1000).length),
  );
}

describe('a download', () => {
  test('sends 0 at once, a percentage a second, and its end at once', () => {
    const { must, percent, sent } = connection();
    must('', 0);
    for (let ms = 100; ms <= 3_500; ms += 100) {
      jest.advanceTimersByTime(100);
      percent('', ms / 50);
    }
    must('', 100);
    expect(sent).toEqual([
      { module: '', step: 0, at: 0 },
      { module: '', step: 18, at: 1000 },
      { module: '', step: 38, at: 2000 },
      { module: '', step: 58, at: 3000 },
      { module: '', step: 100, at: 3500 },
    ]);
    expect(jest.getTimerCount()).toBe(0);
  });

  test('the last percentage goes out though nothing follows it', () => {
    const { must, percent, of } = connection();
    must('', 0);
    percent('', 10);
    percent('', 11);
    expect(of('')).toEqual([0]);
    jest.advanceTimersByTime(1000);
    expect(of('')).toEqual([0, 11]);
  });

  test('without a connection it keeps the 0, the latest and the end, in order', () => {
    const { must, percent, of, drop, connect } = connection();
    drop();
    must('a', 0);
    for (let i = 1; i < 60; i += 1) percent('a', i);
    must('b', 0);
    must('b', 100);
    must('a', -2);
    must('a', 0);
    jest.advanceTimersByTime(60_000);
    expect(jest.getTimerCount()).toBe(0);
    connect();
    jest.advanceTimersByTime(2_000);
    expect(of('a')).toEqual([0, 59, -2, 0]);
    expect(of('b')).toEqual([0, 100]);
  });

  test('a connection that is lost again half way loses nothing', () => {
    const { steps, must, of, drop, connect, sent } = connection();
    drop();
    for (const module of ['a', 'b', 'c']) {
      must(module, 0);
      must(module, -3);
    }
    jest.advanceTimersByTime(1000);
    connect();
    drop();
    const before = sent.length;
    must('d', 0);
    steps.connected();
    expect(sent.length).toBe(before);
    connect();
    jest.advanceTimersByTime(1000);
    for (const module of ['a', 'b', 'c']) expect(of(module)).toEqual([0, -3]);
    expect(of('d')).toEqual([0]);
  });

  test('what began and ended many times without a connection is bounded', () => {
    const { must, percent, of, drop, connect } = connection();
    drop();
    for (let i = 0; i < 1000; i += 1) {
      must('', 0);
      percent('', 50);
      must('', -2);
    }
    connect();
    jest.advanceTimersByTime(10_000);
    const steps = of('');
    expect(steps.length).toBeLessThanOrEqual(12);
    expect(steps.slice(-3)).toEqual([0, 50, -2]);
  });

  test('a full queue of the connection is tried again', () => {
    const { must, of, fill, drain } = connection();
    fill();
    must('', -4);
    expect(of('')).toEqual([]);
    drain();
    jest.advanceTimersByTime(1000);
    expect(of('')).toEqual([-4]);
    expect(jest.getTimerCount()).toBe(0);
  });
});

describe('many modules', () => {
  const modules = Array.from({ length: 100 }, (_, i) => `m${i}`);

  test('never exceed the rate, take turns, and all come to their end', () => {
    const { must, percent, sent, of } = connection();
    for (const module of modules) must(module, 0);
    for (let ms = 100; ms <= 60_000; ms += 100) {
      jest.advanceTimersByTime(100);
      for (const module of modules) percent(module, Math.floor(ms / 610));
    }
    for (const module of modules) must(module, 100);
    jest.advanceTimersByTime(60_000);
    expect(densest(sent)).toBeLessThanOrEqual(10);
    const counts = modules.map((module) => of(module).length);
    expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(2);
    for (const module of modules) {
      const steps = of(module);
      expect(steps).toEqual([...steps].sort((a, b) => a - b));
      expect([steps[0], steps.at(-1)]).toEqual([0, 100]);
    }
    expect(jest.getTimerCount()).toBe(0);
  });

  test('failures go out first however much others have to say', () => {
    const { must, percent, sent } = connection();
    for (let ms = 0; ms < 5_000; ms += 100) {
      for (const module of modules) percent(module, 1 + ms / 100);
      jest.advanceTimersByTime(100);
    }
    for (const module of modules.slice(0, 3)) must(module, -2);
    jest.advanceTimersByTime(200);
    const failures = sent.filter(({ step }) => step === -2);
    expect(failures.map(({ at }) => at)).toEqual([5000, 5000, 5200]);
    expect(densest(sent)).toBeLessThanOrEqual(10);
  });

  test('a burst after a long absence keeps to the rate as well', () => {
    const { must, drop, connect, sent } = connection();
    drop();
    for (const module of modules) {
      must(module, 0);
      must(module, -2);
    }
    jest.advanceTimersByTime(3_600_000);
    connect();
    jest.advanceTimersByTime(60_000);
    expect(sent).toHaveLength(200);
    expect(densest(sent)).toBeLessThanOrEqual(10);
  });
});

describe('steps of the user', () => {
  const closed = new IotkitError('ERR_CLOSED');

  test('go out at once, as long as there are not too many', async () => {
    const { steps, of } = connection();
    for (const step of [1, 2, 3]) await steps.ask('', step, '');
    expect(of('')).toEqual([1, 2, 3]);
  });

  test('of waiting percentages the last one counts, for all who sent them', async () => {
    const { steps, sent, of } = connection();
    const all = Array.from({ length: 99 }, (_, i) => steps.ask('', i + 1, ''));
    const done = steps.ask('', 100, '');
    const failed = steps.ask('other', -1, '');
    await jest.advanceTimersByTimeAsync(5_000);
    await Promise.all([...all, done, failed]);
    expect(densest(sent)).toBeLessThanOrEqual(10);
    expect(of('').at(-1)).toBe(100);
    expect(of('').length).toBeLessThan(15);
    expect(of('other')).toEqual([-1]);
  });

  test('codes and ends are all sent, in order', async () => {
    const { steps, of } = connection();
    const wanted = Array.from({ length: 30 }, (_, i) => [0, 100, -1, -4][i % 4] as number);
    const asked = wanted.map((step) => steps.ask('', step, ''));
    await jest.advanceTimersByTimeAsync(10_000);
    await Promise.all(asked);
    expect(of('')).toEqual(wanted);
  });

  test('without a connection they are refused, while those of downloads wait', async () => {
    const { steps, must, of, drop, connect } = connection();
    drop();
    must('', 0);
    await expect(steps.ask('', 7, '')).rejects.toMatchObject({ code: 'ERR_NOT_CONNECTED' });
    await expect(steps.ask('', -1, '')).rejects.toMatchObject({ code: 'ERR_NOT_CONNECTED' });
    connect();
    await steps.ask('', 8, '');
    expect(of('')).toEqual([0, 8]);
  });

  test('those that wait when the connection is lost are refused', async () => {
    const { steps, drop } = connection();
    const asked = Array.from({ length: 20 }, (_, i) => steps.ask(`m${i}`, 0, ''));
    drop();
    const settled = Promise.allSettled(asked);
    await jest.advanceTimersByTimeAsync(1_000);
    const refused = (await settled).filter(({ status }) => status === 'rejected');
    expect(refused.length).toBeGreaterThanOrEqual(10);
    for (const it of refused) {
      expect(it).toMatchObject({ reason: { code: 'ERR_NOT_CONNECTED' } });
    }
  });

  test('too many that wait are refused', async () => {
    const { steps } = connection();
    const asked = Array.from({ length: 300 }, (_, i) => steps.ask(`m${i}`, 1, ''));
    const settled = Promise.allSettled(asked);
    await jest.advanceTimersByTimeAsync(60_000);
    const refused = (await settled).filter(({ status }) => status === 'rejected');
    expect(refused.length).toBeGreaterThan(0);
    for (const it of refused) expect(it).toMatchObject({ reason: { code: 'ERR_QUEUE_FULL' } });
  });

  test('a full queue of the connection is told', async () => {
    const { steps, fill } = connection();
    fill();
    await expect(steps.ask('', 1, '')).rejects.toMatchObject({ code: 'ERR_QUEUE_FULL' });
  });

  test('the end of the device is the end of all: failures go out, what waits is told', async () => {
    const { steps, must, percent, of } = connection();
    for (let i = 0; i < 12; i += 1) must(`m${i}`, -2);
    percent('a', 5);
    must('a', -3);
    const asked = expect(steps.ask('b', 50, '')).rejects.toBe(closed);
    expect(of('a')).toEqual([]);
    steps.close(closed);
    expect(of('a')).toEqual([-3]);
    await asked;
    must('a', -1);
    expect(of('a')).toEqual([-3]);
    expect(jest.getTimerCount()).toBe(0);
  });
});

describe('whatever happens', () => {
  const seed = Number(process.env.STEPS_SEED ?? Date.now() % 0x7fff_ffff);

  function randomFrom(start: number): (below: number) => number {
    let state = start | 1;
    return (below) => {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      return (state >>> 0) % below;
    };
  }

  test(`rate, order and ends are kept (seed ${seed})`, async () => {
    const random = randomFrom(seed);
    const { steps, sent, must, percent, drop, fill, connect, of } = connection();
    const runs = new Map<string, { percent: number }>();
    const asked: Array<Promise<unknown>> = [];
    const step = (): void => {
      const module = `m${random(6)}`;
      const run = runs.get(module) ?? { percent: -1 };
      runs.set(module, run);
      switch (random(12)) {
        case 0:
          drop();
          break;
        case 1:
          fill();
          break;
        case 2:
        case 3:
          connect();
          break;
        case 4:
          asked.push(steps.ask('user', random(105) - 4, '').catch(() => {}));
          break;
        default:
          if (run.percent < 0) {
            must(module, 0);
            run.percent = 0;
          } else if (run.percent < 90) {
            run.percent += 1 + random(9);
            percent(module, run.percent);
          } else {
            must(module, random(2) === 0 ? 100 : -2);
            run.percent = -1;
          }
      }
    };
    for (let i = 0; i < 3000; i += 1) {
      step();
      if (random(3) === 0) jest.advanceTimersByTime(random(700));
    }
    connect();
    for (const [module, { percent: last }] of runs) if (last >= 0) must(module, -4);
    await jest.advanceTimersByTimeAsync(120_000);
    await Promise.all(asked);
    expect(jest.getTimerCount()).toBe(0);
    expect(densest(sent)).toBeLessThanOrEqual(10);
    for (const module of runs.keys()) {
      // Whole runs in order; of long absences only the last ones, of which the first may be cut.
      const text = of(module).map((it) => (it < 0 || it === 100 ? 'E' : it === 0 ? 'B' : `${it} `));
      expect(text.join('')).toMatch(/^(?:B?(?:\d+ )*E)*$/);
      expect(text.at(-1)).toBe('E');
      for (const run of text.join('').split('E')) {
        const percentages = run.replace('B', '').trim().split(' ').map(Number);
        expect(percentages).toEqual([...percentages].sort((a, b) => a - b));
      }
    }
  });
});
