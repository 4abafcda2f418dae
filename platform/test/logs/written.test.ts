import { type LogMessage, writtenSince } from '../../src/logs/written';

const BEGAN = Date.UTC(2026, 10, 30, 12, 0, 0, 1);
const MINUTE = 60_000;

/** A message that was received so many minutes after the upgrade began, with what its entries say. */
function message(minutes: number, ...times: (number | string)[]): LogMessage {
  const entries = times.map((time) => ({
    utcTime: typeof time === 'string' ? time : new Date(time).toISOString(),
    logLevel: 'INFO' as const,
    module: 'm',
    code: '0',
    logContent: '',
  }));
  return { receivedAt: BEGAN + minutes * MINUTE, entries };
}

/** The places of the entries that stay. */
function kept(messages: LogMessage | readonly LogMessage[], index = 0): number[] {
  const all = [messages].flat();
  const stay = writtenSince(all, index, BEGAN);
  return (all[index] as LogMessage).entries.flatMap((entry, i) =>
    stay.includes(entry) ? [i] : [],
  );
}

const at = (minutes: number): number => BEGAN + minutes * MINUTE;
const unset = (seconds: number): number => seconds * 1000;

test('what was written before is left out, where the clock is right', () => {
  expect(kept(message(5, at(-9000), at(-1), at(1), at(5)))).toEqual([2, 3]);
});

test.each([
  ['never set', message(5, unset(1), unset(200))],
  ['unset until the middle', message(5, unset(1), unset(3), at(4), at(5))],
  ['a year behind', message(5, at(-525_600), at(-525_590))],
  ['a year ahead', message(5, at(0), at(525_600))],
  ['set to the past at last', message(5, at(-30), unset(7))],
  ['unknown', message(5, 'yesterday', 'now')],
])('all of it stays of a device whose clock is %s', (_, received) => {
  expect(kept(received)).toEqual(received.entries.map((_, i) => i));
});

test('an entry without a time stays, beside others that are left out', () => {
  expect(kept(message(5, at(-10), 'x', at(5), ''))).toEqual([1, 2, 3]);
});

test('a clock that is some minutes wrong is allowed for', () => {
  const behind = message(5, at(-7), at(-2), at(2));
  expect(kept(behind)).toEqual([1, 2]);
  const ahead = message(5, at(2), at(4), at(8));
  expect(kept(ahead)).toEqual([1, 2]);
});

test('a device that writes whole seconds loses nothing', () => {
  const second = BEGAN - 1;
  expect(kept({ ...message(0, second - 2000, second), receivedAt: BEGAN + 1 })).toEqual([1]);
});

test('the messages of one upload have one clock, that of its end', () => {
  const old = Array.from({ length: 40 }, (_, i) => at(-500 + i));
  const upload = [message(5, ...old), message(5.1, ...old), message(5.2, at(-1), at(5.2))];
  expect(kept(upload, 0)).toEqual([]);
  expect(kept(upload, 1)).toEqual([]);
  expect(kept(upload, 2)).toEqual([1]);
  expect(kept([message(5, ...old), message(9, at(9))])).toHaveLength(40);
  expect(kept([message(5, ...old.slice(1)), message(5.1, at(5.1))])).toHaveLength(39);
});
