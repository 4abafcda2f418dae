import { ManualClock, systemClock } from '../../src/base/clock';

describe('ManualClock', () => {
  test('calls what falls due in its order, at its time', () => {
    const clock = new ManualClock(1000);
    const calls: [string, number][] = [];
    const note = (name: string) => () => calls.push([name, clock.now()]);
    clock.at(1300, note('c'));
    clock.at(1100, note('a'));
    const cancelled = clock.at(1150, note('x'));
    clock.at(1200, () => {
      note('b')();
      clock.at(clock.now() + 50, note('b2'));
    });
    cancelled.cancel();
    clock.advance(250);
    expect(calls).toEqual([
      ['a', 1100],
      ['b', 1200],
      ['b2', 1250],
    ]);
    expect(clock.now()).toBe(1250);
    clock.advance(1000);
    expect(calls.at(-1)).toEqual(['c', 1300]);
  });
});

describe('systemClock', () => {
  test('calls at a time that has passed in the next turn, and not when cancelled', async () => {
    let called = false;
    systemClock
      .at(0, () => {
        throw new Error('it was cancelled');
      })
      .cancel();
    await new Promise<void>((resolve) => {
      systemClock.at(systemClock.now() - 5, () => {
        called = true;
        resolve();
      });
      expect(called).toBe(false);
    });
  });

  test.each([-3_600_000, 3_600_000])(
    'a timer takes its time when the clock is put by %d ms',
    (jump) => {
      jest.useFakeTimers();
      try {
        let called = false;
        systemClock.at(Date.now() + 2000, () => {
          called = true;
        });
        jest.setSystemTime(Date.now() + jump);
        jest.advanceTimersByTime(1999);
        expect(called).toBe(false);
        jest.advanceTimersByTime(1);
        expect(called).toBe(true);
      } finally {
        jest.useRealTimers();
      }
    },
  );

  test('does not call early when the time is further than a timer reaches', () => {
    jest.useFakeTimers();
    try {
      let called = false;
      const days = 60 * 86_400_000;
      systemClock.at(Date.now() + days, () => {
        called = true;
      });
      jest.advanceTimersByTime(days - 1);
      expect(called).toBe(false);
      jest.advanceTimersByTime(1);
      expect(called).toBe(true);
    } finally {
      jest.useRealTimers();
    }
  });
});
