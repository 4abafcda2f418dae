/** Checks of arguments; each throws an {@link InvalidArgument} that names the option. */
import type { InvalidArgument } from './errors';

/** The given value, short enough for a message. */
function describe(value: unknown): string {
  if (typeof value === 'string') {
    const shown = withoutCredentials(value);
    return JSON.stringify(shown.length > 80 ? `${shown.slice(0, 77)}...` : shown);
  }
  if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean') {
    return String(value);
  }
  if (value === null || value === undefined) return String(value);
  if (Array.isArray(value)) return 'an array';
  return typeof value === 'function' ? 'a function' : `a value of type ${typeof value}`;
}

/** What kind of value it is: all that is shown of a secret. */
function describeKind(value: unknown): string {
  if (value === null || value === undefined || typeof value === 'object') return describe(value);
  return typeof value === 'function' ? 'a function' : `a ${typeof value} (not shown)`;
}

// The user and password of a URL, even of one that is cut or otherwise none, end with the last "@".
function withoutCredentials(text: string): string {
  const end = text.lastIndexOf('@');
  return end > text.indexOf(':') && text.includes(':') ? `...${text.slice(end)}` : text;
}

function refuse<E extends TypeError | RangeError>(error: E): InvalidArgument {
  return Object.assign(error, { code: 'ERR_INVALID_ARGUMENT' as const });
}

/** Whether an argument was refused with this error. */
export function isInvalidArgument(error: unknown): error is InvalidArgument {
  return error instanceof Error && Reflect.get(error, 'code') === 'ERR_INVALID_ARGUMENT';
}

/** The error for a value of the wrong kind. */
export function wrongType(name: string, expected: string, value: unknown): InvalidArgument {
  return refuse(new TypeError(`${name} must be ${expected}, got ${describe(value)}`));
}

/** The same for a value that may be a secret. */
export function wrongSecret(name: string, expected: string, value: unknown): InvalidArgument {
  return refuse(new TypeError(`${name} must be ${expected}, got ${describeKind(value)}`));
}

/** The error for a value of the right kind that is out of range. */
export function outOfRange(name: string, expected: string, value: unknown): InvalidArgument {
  return refuse(new RangeError(`${name} must be ${expected}, got ${describe(value)}`));
}

/** The error for options that do not fit together. */
export function conflict(message: string): InvalidArgument {
  return refuse(new TypeError(message));
}

interface TextRule {
  readonly min?: number;
  readonly max: number;
  readonly pattern?: RegExp;
  readonly expected?: string;
  readonly secret?: boolean;
}

/** A string of `min` to `max` characters without NUL that fits `pattern`. */
export function text(name: string, value: unknown, rule: TextRule): string {
  const { min = 1, max, pattern, secret = false } = rule;
  if (typeof value !== 'string') {
    throw (secret ? wrongSecret : wrongType)(name, 'a string', value);
  }
  const fits =
    value.length >= min &&
    value.length <= max &&
    !value.includes('\0') &&
    (pattern === undefined || pattern.test(value));
  if (fits) return value;
  const expected = rule.expected ?? `${min}-${max} characters without NUL`;
  if (!secret) throw outOfRange(name, expected, value);
  throw refuse(
    new RangeError(`${name} must be ${expected}, got ${value.length} characters (not shown)`),
  );
}

/** A whole number from `min` to `max`. */
export function integer(
  name: string,
  value: unknown,
  { min, max }: { readonly min: number; readonly max: number },
): number {
  const isNumber = typeof value === 'number';
  if (isNumber && Number.isInteger(value) && value >= min && value <= max) return value;
  throw (isNumber ? outOfRange : wrongType)(name, `a whole number from ${min} to ${max}`, value);
}

/** true or false, and nothing that counts as one of them. */
export function flag(name: string, value: unknown): boolean {
  if (typeof value !== 'boolean') throw wrongType(name, 'a boolean', value);
  return value;
}

/** One of the `allowed` strings. */
export function oneOf<T extends string>(name: string, value: unknown, allowed: readonly T[]): T {
  const found = allowed.find((candidate) => candidate === value);
  if (found !== undefined) return found;
  const expected = `one of ${allowed.join(', ')}`;
  throw typeof value === 'string'
    ? outOfRange(name, expected, value)
    : wrongType(name, expected, value);
}

/** A function. */
export function callback<T>(name: string, value: T): T {
  if (typeof value !== 'function') throw wrongType(name, 'a function', value);
  return value;
}

/** Whether what a callback has returned is a promise, of any kind. */
export function isPromise(value: unknown): value is PromiseLike<unknown> {
  return (
    typeof value === 'object' && value !== null && typeof Reflect.get(value, 'then') === 'function'
  );
}

/**
 * An object with no other keys than `keys`: a misspelt option is an error, because it would
 * silently mean the default.
 */
export function options<T extends object>(
  name: string,
  value: T | undefined,
  keys: readonly (keyof T & string)[],
): Partial<T> {
  if (value === undefined) return {};
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw wrongType(name, 'an object', value);
  }
  const known: readonly string[] = keys;
  for (const key of Object.keys(value)) {
    if (!known.includes(key)) {
      throw conflict(`${name} has no option ${key}; its options are ${keys.join(', ')}`);
    }
  }
  return value;
}

/** An AbortSignal, of any realm or a polyfill's, or undefined. What is used of it is checked. */
export function abortSignal(name: string, value: unknown): AbortSignal | undefined {
  if (value === undefined) return undefined;
  const { aborted, addEventListener, removeEventListener } = Object(value) as AbortSignal;
  const looksRight =
    typeof value === 'object' &&
    typeof aborted === 'boolean' &&
    typeof addEventListener === 'function' &&
    typeof removeEventListener === 'function';
  if (!looksRight) throw wrongType(name, 'an AbortSignal', value);
  return value as AbortSignal;
}

/** The value, or `otherwise` where it is absent. null is not absent: its check refuses it. */
export function orElse<T>(value: T | undefined, otherwise: NoInfer<T>): T {
  return value === undefined ? otherwise : value;
}

/** Applies `check` unless the value is absent. */
export function optional<T, R>(value: T | undefined, check: (value: T) => R): R | undefined {
  return value === undefined ? undefined : check(value);
}
