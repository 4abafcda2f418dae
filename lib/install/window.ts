/** Maintenance windows: the hours of the day, in local time, in which an update may be installed. */
import { options as checkOptions, conflict, integer, text, wrongType } from '../base/arguments';

/**
 * Hours in which updates are installed, in the local time of this machine (`TZ`), whatever daylight
 * saving time does to the day. Closed while the machine does not know the time: before 2025.
 */
export interface MaintenanceWindow {
  /** When it opens, such as `'02:00'`. */
  readonly from: string;
  /** When it closes, such as `'04:30'`; before `from` it is on the next day. */
  readonly to: string;
  /** The days on which it opens, 0 (Sunday) to 6. Default: each day. */
  readonly days?: readonly number[] | undefined;
}

/** @internal Minutes after midnight. */
export interface CheckedWindow {
  readonly from: number;
  readonly to: number;
  readonly days: ReadonlySet<number>;
}

const DAY_MINUTES = 24 * 60;
/** A clock that says less was not set since the machine started, and knows no time of day. */
const CLOCK_SET_MIN = Date.UTC(2025, 0);
const everyDay = [0, 1, 2, 3, 4, 5, 6];

/** @internal Throws an `InvalidArgument` that names the option. */
export function checkWindow(given: MaintenanceWindow): CheckedWindow {
  const options = checkOptions('window', given, ['from', 'to', 'days']);
  const from = minutesOf('window.from', options.from);
  const to = minutesOf('window.to', options.to);
  if (from === to) throw conflict('window.to must be another time than window.from');
  const days = options.days ?? everyDay;
  if (!Array.isArray(days) || days.length === 0) {
    throw wrongType('window.days', 'an array of 0 (Sunday) to 6', days);
  }
  return {
    from,
    to,
    days: new Set(days.map((day, i) => integer(`window.days[${i}]`, day, { min: 0, max: 6 }))),
  };
}

function minutesOf(name: string, given: unknown): number {
  const pattern = /^([01]\d|2[0-3]):[0-5]\d$/;
  const [hours = 0, minutes = 0] = text(name, given, {
    max: 5,
    pattern,
    expected: "a time of day such as '02:30'",
  })
    .split(':')
    .map(Number);
  return hours * 60 + minutes;
}

/**
 * @internal Whether it is open at `time`, milliseconds since the epoch; never while nobody has set the clock.
 */
export function isOpen({ from, to, days }: CheckedWindow, time: number): boolean {
  if (time < CLOCK_SET_MIN) return false;
  const date = new Date(time);
  const minutes = date.getHours() * 60 + date.getMinutes();
  const today = date.getDay();
  if (from < to) return days.has(today) && minutes >= from && minutes < to;
  if (minutes >= from) return days.has(today);
  return minutes < to && days.has((today + 6) % 7);
}

/**
 * @internal Milliseconds from `time` until it is open; 0: it is. One that falls into an hour that daylight
 * saving time leaves out opens on the next of its days.
 */
export function untilOpen(window: CheckedWindow, time: number): number {
  if (isOpen(window, time)) return 0;
  const date = new Date(time);
  // Two weeks: the only day of the week may be one on which the hour is left out.
  for (let day = 0; day <= 15; day += 1) {
    const [year, month, of] = [date.getFullYear(), date.getMonth(), date.getDate() + day];
    const opens = new Date(year, month, of, 0, window.from).getTime();
    if (opens > time && isOpen(window, opens)) return opens - time;
  }
  return DAY_MINUTES * 60_000;
}
