import type { Qos } from '../../../lib/messaging/arguments';
import { Pacer, PLATFORM_RATES, type Rates } from '../../../lib/messaging/pacer';

beforeEach(() => jest.useFakeTimers({ now: 0 }));
afterEach(() => jest.useRealTimers());

/** When messages go, of which there are always more, in milliseconds. */
function times(pacer: Pacer, qos: Qos, forMs: number): number[] {
  const sent: number[] = [];
  const began = performance.now();
  while (performance.now() - began < forMs) {
    const wait = pacer.take(qos);
    if (wait === 0) sent.push(performance.now());
    else jest.advanceTimersByTime(Math.ceil(wait));
  }
  return sent;
}

/** The most of any second. */
function mostOf(sent: readonly number[]): number {
  return Math.max(...sent.map((at) => sent.filter((it) => it >= at && it < at + 1_000).length));
}

const idle = { asksForBlocks: () => false, takeTurn: () => 0 };

test.each([
  { qos: 0, most: 20, rates: PLATFORM_RATES },
  { qos: 1, most: 10, rates: PLATFORM_RATES },
  { qos: 0, most: 90, rates: { qos0: 100, qos1: 1 } },
  { qos: 0, most: 10, rates: { qos0: 20, qos1: 1 } },
  { qos: 2, most: 50, rates: { qos0: 1, qos1: 50 } },
] as const)(
  '$most of QoS $qos go in any second, and hardly less, of $rates',
  ({ qos, most, rates }) => {
    const sent = times(new Pacer(rates, idle), qos, 10_000);
    expect(mostOf(sent)).toBeLessThanOrEqual(most);
    expect(sent.length).toBeGreaterThan(most * 5);
  },
);

test('without a rate everything goes at once', () => {
  const pacer = new Pacer({ qos0: 0, qos1: 0 }, idle);
  for (let i = 0; i < 1_000; i++) expect([pacer.take(0), pacer.take(1)]).toEqual([0, 0]);
});

test('beside blocks of firmware the turns are those of progress reports', () => {
  const waits = [0, 200, 0];
  let asksForBlocks = true;
  const rates: Rates = { qos0: 30, qos1: 0 };
  const pacer = new Pacer(rates, {
    asksForBlocks: () => asksForBlocks,
    takeTurn: () => waits.shift() ?? 1_000,
  });
  expect([pacer.take(0), pacer.take(0), pacer.take(0), pacer.take(0)]).toEqual([0, 200, 0, 1_000]);
  asksForBlocks = false;
  expect(pacer.take(0)).toBe(0);
});

test('version reports count', () => {
  const pacer = new Pacer(PLATFORM_RATES, idle);
  for (let i = 0; i < 3; i++) pacer.noteReport();
  expect(pacer.take(1)).toBeGreaterThan(0);
});

test('what goes with QoS 1 only every other time counts half', () => {
  const pacer = new Pacer(PLATFORM_RATES, idle);
  for (let i = 0; i < 3; i++) pacer.noteReport(0.5);
  expect(pacer.take(1)).toBe(0);
  expect(pacer.take(1)).toBeGreaterThan(0);
});
