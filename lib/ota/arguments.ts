/** Checks of what several calls of this room take. */
import { optional, outOfRange, text } from '../base/arguments';

const nameRule = {
  max: 64,
  pattern: /^[A-Za-z0-9._-]+$/,
  expected: '1-64 letters, digits, ".", "-" and "_"',
} as const;
const DESC_MAX_BYTES = 1024;

export function checkVersion(name: string, value: string): string {
  return text(name, value, nameRule);
}

/** `''`: the default module, which the platform also calls `default`. */
export function checkModule(value: string | undefined): string {
  const module = optional(value, (it) => text('module', it, nameRule)) ?? '';
  return module === 'default' ? '' : module;
}

/** The text of a report to the platform. */
export function checkDesc(name: string, value: string): string {
  text(name, value, { min: 0, max: DESC_MAX_BYTES });
  if (Buffer.byteLength(value) > DESC_MAX_BYTES) {
    throw outOfRange(name, 'at most 1,024 bytes', value);
  }
  return value;
}
