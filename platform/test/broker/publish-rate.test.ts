import { ManualClock } from '../../src/base/clock';
import { PublishRate } from '../../src/broker/publish-rate';

test('messages of a second are counted by their QoS', () => {
  const clock = new ManualClock(5000);
  const rate = new PublishRate(clock.now);
  expect([rate.count(0), rate.count(0), rate.count(1)]).toEqual([1, 2, 1]);
  clock.advance(999);
  expect([rate.count(0), rate.count(1)]).toEqual([3, 2]);
  clock.advance(1);
  expect([rate.count(0), rate.count(1)]).toEqual([1, 1]);
});

test('a clock that is put back begins a second', () => {
  let now = 5000;
  const rate = new PublishRate(() => now);
  rate.count(0);
  now = 10;
  expect(rate.count(0)).toBe(1);
});
