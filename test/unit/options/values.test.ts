import { text } from '../../../lib/base/arguments';
import { bandwidth, hostRule, milliseconds, notBelow } from '../../../lib/options/values';
import { refusalOf } from '../support';

test('times are 1 ms to an hour, or the default', () => {
  expect([milliseconds('t', undefined, 7), milliseconds('t', 3_600_000, 7)]).toEqual([
    7, 3_600_000,
  ]);
  for (const value of [0, 3_600_001, 1.5]) {
    expect(refusalOf(() => milliseconds('t', value, 7)).message).toMatch(/^t must be a whole/);
  }
});

test('a maximum is not below its minimum', () => {
  notBelow('max', 5, 'min', 5);
  expect(refusalOf(() => notBelow('max', 4, 'min', 5)).message).toBe(
    'max must be at least min (5), got 4',
  );
});

test('a bandwidth is 1,024 bytes per second and more; 0 is no limit', () => {
  expect([bandwidth('b', undefined), bandwidth('b', 1024)]).toEqual([0, 1024]);
  expect(refusalOf(() => bandwidth('b', 1023)).message).toMatch(/^b must be a whole/);
});

test.each(['a', 'broker.local', '127.0.0.1', '::1', 'fe80::1%eth0', 'a_b-c'])(
  '%s is a host',
  (host) => {
    expect(text('host', host, hostRule)).toBe(host);
  },
);

test.each(['', 'a b', 'a/b', 'a@b', 'x'.repeat(254)])('%j is no host', (host) => {
  expect(refusalOf(() => text('host', host, hostRule)).message).toMatch(/^host must be a host/);
});
