/** Checks that several groups of options share. */
import { integer, orElse, outOfRange } from '../base/arguments';

export const HOUR_MS = 3_600_000;
export const DAY_MS = 24 * HOUR_MS;

/** The name or address of a host. */
export const hostRule = {
  max: 253,
  pattern: /^[A-Za-z0-9._:%-]+$/,
  expected: 'a host name or address',
} as const;

/** 1 ms to an hour. */
export function milliseconds(name: string, value: number | undefined, otherwise: number): number {
  return integer(name, orElse(value, otherwise), { min: 1, max: HOUR_MS });
}

export function notBelow(name: string, value: number, floorName: string, floor: number): void {
  if (value < floor) throw outOfRange(name, `at least ${floorName} (${floor})`, value);
}

/** A speed limit as the addon takes it; 0: no limit. */
export function bandwidth(name: string, value: number | undefined): number {
  if (value === undefined) return 0;
  return integer(name, value, { min: 1024, max: Number.MAX_SAFE_INTEGER });
}
