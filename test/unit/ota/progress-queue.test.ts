import { IotkitError } from '../../../lib/base/errors';
import { errorCodes } from '../../../lib/generated/error-codes';
import { ProgressPace } from '../../../lib/ota/progress-pace';
import { ProgressQueue } from '../../../lib/ota/progress-queue';
import { randomFrom } from '../support';

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
  const queue = new ProgressQueue((module, step) => {
    if (state.refusal < 0) return state.refusal;
    sent.push({ module, step, at: performance.now() - began });
    return 0;
  });
  const of = (module: string): number[] =>
    sent.filter((it) => it.module === module).map(({ step }) => step);
  const percent = (module: string, step: number): void => queue.send(module, step, '', false);
  const must = (module: string, step: number): void => queue.send(module, step, '', true);
  return {
    queue,
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
      queue.connected();
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

test('default and no name are one module with one rate, reported as it was called', () => {
  const { percent, must, sent } = connection();
  must('default', 0);
  percent('', 1);
  percent('default', 2);
  expect(sent).toHaveLength(1);
  jest.advanceTimersByTime(1_000);
  expect(sent.map(({ module, step }) => [module, step])).toEqual([
    ['default', 0],
    ['default', 2],
  ]);
  must('', 100);
  expect(sent.at(-1)).toMatchObject({ module: '', step: 100 });
});

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
    const { queue, must, of, drop, connect, sent } = connection();
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
    queue.connected();
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
    const { queue, of } = connection();
    for (const step of [1, 2, 3]) await queue.submit('', step, '');
    expect(of('')).toEqual([1, 2, 3]);
  });

  test('of waiting percentages the last one counts, for all who sent them', async () => {
    const { queue, sent, of } = connection();
    const all = Array.from({ length: 99 }, (_, i) => queue.submit('', i + 1, ''));
    const done = queue.submit('', 100, '');
    const failed = queue.submit('other', -1, '');
    await jest.advanceTimersByTimeAsync(5_000);
    await Promise.all([...all, done, failed]);
    expect(densest(sent)).toBeLessThanOrEqual(10);
    expect(of('').at(-1)).toBe(100);
    expect(of('').length).toBeLessThan(15);
    expect(of('other')).toEqual([-1]);
  });

  test('codes and ends are all sent, in order', async () => {
    const { queue, of } = connection();
    const wanted = Array.from({ length: 30 }, (_, i) => [0, 100, -1, -4][i % 4] as number);
    const asked = wanted.map((step) => queue.submit('', step, ''));
    await jest.advanceTimersByTimeAsync(10_000);
    await Promise.all(asked);
    expect(of('')).toEqual(wanted);
  });

  test('without a connection they are refused, while those of downloads wait', async () => {
    const { queue, must, of, drop, connect } = connection();
    drop();
    must('', 0);
    await expect(queue.submit('', 7, '')).rejects.toMatchObject({ code: 'ERR_NOT_CONNECTED' });
    await expect(queue.submit('', -1, '')).rejects.toMatchObject({ code: 'ERR_NOT_CONNECTED' });
    connect();
    await queue.submit('', 8, '');
    expect(of('')).toEqual([0, 8]);
  });

  test('those that wait when the connection is lost are refused', async () => {
    const { queue, drop } = connection();
    const asked = Array.from({ length: 20 }, (_, i) => queue.submit(`m${i}`, 0, ''));
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
    const { queue } = connection();
    const asked = Array.from({ length: 300 }, (_, i) => queue.submit(`m${i}`, 1, ''));
    const settled = Promise.allSettled(asked);
    await jest.advanceTimersByTimeAsync(60_000);
    const refused = (await settled).filter(({ status }) => status === 'rejected');
    expect(refused.length).toBeGreaterThan(0);
    for (const it of refused) expect(it).toMatchObject({ reason: { code: 'ERR_QUEUE_FULL' } });
  });

  test('a full queue of the connection rejects', async () => {
    const { queue, fill } = connection();
    fill();
    await expect(queue.submit('', 1, '')).rejects.toMatchObject({ code: 'ERR_QUEUE_FULL' });
  });

  test('the end of the device is the end of all: failures go out, what waits rejects', async () => {
    const { queue, must, percent, of } = connection();
    for (let i = 0; i < 12; i += 1) must(`m${i}`, -2);
    percent('a', 5);
    must('a', -3);
    const asked = expect(queue.submit('b', 50, '')).rejects.toBe(closed);
    expect(of('a')).toEqual([]);
    queue.close(closed);
    expect(of('a')).toEqual([-3]);
    await asked;
    must('a', -1);
    expect(of('a')).toEqual([-3]);
    expect(jest.getTimerCount()).toBe(0);
  });
});

describe('whatever happens', () => {
  const seed = Number(process.env.STEPS_SEED ?? Date.now() % 0x7fff_ffff);

  test(`rate, order and ends are kept (seed ${seed})`, async () => {
    const random = randomFrom(seed);
    const { queue, sent, must, percent, drop, fill, connect, of } = connection();
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
          asked.push(queue.submit('user', random(105) - 4, '').catch(() => {}));
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

test('it is known of which modules a failure waits, and when it has been sent', async () => {
  const { queue, must, percent, drop, connect, sent } = connection();
  drop();
  must('', 0);
  must('', -2);
  percent('MCU', 5);
  must('BMS', -1);
  expect(queue.failing()).toEqual(['', 'BMS']);
  await queue.failuresSent('MCU');
  const told: string[] = [];
  const both = ['default', 'BMS'].map((module) =>
    queue.failuresSent(module).then(() => told.push(module)),
  );
  await Promise.resolve();
  expect(told).toEqual([]);
  connect();
  jest.advanceTimersByTime(1_000);
  await Promise.all(both);
  expect(sent.map(({ step }) => step)).toEqual(expect.arrayContaining([-2, -1]));
  expect(queue.failing()).toEqual([]);
  await queue.failuresSent('');
});

test('who waits for a failure to be sent hears of the end', async () => {
  const { queue, must, drop } = connection();
  drop();
  must('', -1);
  const sent = queue.failuresSent('');
  const error = new IotkitError('ERR_CLOSED');
  queue.close(error);
  await expect(sent).rejects.toBe(error);
});

test('turns that others take come off the same rate, and leave some to reports', () => {
  const { queue, must, of } = connection();
  expect([queue.takeTurn(), queue.takeTurn(), queue.takeTurn()]).toEqual([0, 0, 0]);
  expect(queue.takeTurn()).toBe(200);
  for (const step of [-1, -2, -3]) must('a', step);
  expect(of('a')).toEqual([-1, -2]);
  expect(queue.takeTurn()).toBe(600);
  jest.advanceTimersByTime(200);
  expect(of('a')).toEqual([-1, -2, -3]);
});

describe('several devices on one connection', () => {
  function several(count: number) {
    const pace = new ProgressPace();
    const sent: Sent[] = [];
    const began = performance.now();
    const queues = Array.from({ length: count }, (_, i) => {
      const send = (_module: string, step: number): number => {
        sent.push({ module: `${i}`, step, at: performance.now() - began });
        return 0;
      };
      return new ProgressQueue(send, pace);
    });
    return { sent, queues };
  }

  test('share the rate, and take turns', () => {
    const { sent, queues } = several(40);
    for (let second = 0; second < 10; second += 1) {
      for (const queue of queues) queue.send('', 10 * second + 1, '', false);
      jest.advanceTimersByTime(1_000);
    }
    expect(densest(sent)).toBeLessThanOrEqual(10);
    expect(sent.length).toBeGreaterThanOrEqual(50);
    // Nobody goes twice before everybody has gone once.
    expect(new Set(sent.slice(0, 40).map(({ module }) => module)).size).toBe(40);
  });

  test('let failures of any of them go first', () => {
    const { sent, queues } = several(20);
    for (const queue of queues) queue.send('', 50, '', true);
    const before = sent.length;
    queues[19]?.send('other', -1, '', true);
    jest.advanceTimersByTime(1_000);
    expect(sent[before]).toMatchObject({ module: '19', step: -1 });
  });

  test('one that closes disturbs no other', () => {
    const { sent, queues } = several(10);
    for (const queue of queues) queue.send('', 50, '', false);
    queues[9]?.close(new IotkitError('ERR_CLOSED'));
    jest.advanceTimersByTime(5_000);
    expect(sent.map(({ module }) => Number(module)).sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
  });
});
