import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { checkWindow, type MaintenanceWindow } from '../../../lib/install/window';

const HOUR = 3_600_000;
const loader = join(__dirname, '../../../scripts/lib/load-typescript.mjs');

/** The hours until a window is open, at each of these times; in a process that lives in this zone. */
function hoursUntilOpen(TZ: string, window: MaintenanceWindow, ...times: string[]): number[] {
  const code = `
    import { loadTypeScript } from ${JSON.stringify(loader)};
    const { checkWindow, untilOpen, isOpen } = loadTypeScript('lib/install/window.ts');
    const window = checkWindow(${JSON.stringify(window)});
    const hours = ${JSON.stringify(times)}.map((time) => {
      const ms = untilOpen(window, Date.parse(time));
      if ((ms === 0) !== isOpen(window, Date.parse(time))) throw new Error(time);
      return ms / ${HOUR};
    });
    console.log(JSON.stringify(hours));`;
  const argv = ['--input-type=module', '-e', code];
  return JSON.parse(
    execFileSync(process.execPath, argv, { env: { ...process.env, TZ } }).toString(),
  );
}

test('open from `from` until before `to`, over midnight too', () => {
  const times = ['22:59', '23:00', '23:59', '00:00', '01:29', '01:30'];
  const hours = hoursUntilOpen(
    'Asia/Shanghai',
    { from: '23:00', to: '01:30' },
    ...times.map((time) => `2026-05-04T${time}+08:00`),
  );
  expect(hours).toEqual([1 / 60, 0, 0, 0, 0, 21.5]);
});

test('the days are those on which it opens', () => {
  const hours = hoursUntilOpen(
    'UTC',
    { from: '22:00', to: '02:00', days: [6] },
    '2026-05-09T23:00Z', // a Saturday
    '2026-05-10T01:00Z',
    '2026-05-09T01:00Z',
    '2026-05-10T02:00Z',
  );
  expect(hours).toEqual([0, 0, 21, 6 * 24 + 20]);
});

test('closed while the clock is not set', () => {
  const times = ['1970-01-01T01:00Z', '2024-12-31T01:00Z', '2025-01-01T01:00Z'];
  const hours = hoursUntilOpen('UTC', { from: '00:00', to: '04:00' }, ...times);
  expect(hours.map((it) => it > 0)).toEqual([true, true, false]);
});

test('the night on which an hour is left out', () => {
  // After 01:59 comes 03:00.
  const before = '2026-03-29T00:30+01:00';
  const until = (from: string, to: string): number[] =>
    hoursUntilOpen('Europe/Berlin', { from, to }, before);
  expect(until('02:00', '04:00')).toEqual([1.5]);
  expect(until('02:10', '02:50')).toEqual([24 + 40 / 60]); // in the next night
  expect(until('05:00', '06:00')).toEqual([3.5]);
});

test('the night on which an hour comes twice', () => {
  // After 02:59 comes 02:00 again.
  const window = { from: '02:30', to: '03:00' };
  const times = ['2026-10-25T02:45+02:00', '2026-10-25T02:45+01:00'];
  expect(hoursUntilOpen('Europe/Berlin', window, ...times)).toEqual([0, 0]);
  const later = { from: '05:00', to: '06:00' };
  expect(hoursUntilOpen('Europe/Berlin', later, '2026-10-25T00:30+02:00')).toEqual([5.5]);
});

test.each([
  [{ from: '24:00', to: '02:00' }, 'window.from'],
  [{ from: '02:00', to: '2:30' }, 'window.to'],
  [{ from: '02:00', to: '02:00' }, 'window.to'],
  [{ from: '02:00', to: '03:00', days: [] }, 'window.days'],
  [{ from: '02:00', to: '03:00', days: [7] }, 'window.days[0]'],
])('%j is refused: %s', (window, name) => {
  expect(() => checkWindow(window)).toThrow(name);
});
