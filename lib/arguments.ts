import type { InvalidArgument } from './errors';

/** What was given, short enough for a message. */
function describe(value: unknown): string {
  if (typeof value === 'string') {
    return JSON.stringify(value.length > 80 ? `${value.slice(0, 77)}...` : value);
  }
  if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean') {
    return String(value);
  }
  if (value === null || value === undefined) return String(value);
  if (Array.isArray(value)) return 'an array';
  return typeof value === 'function' ? 'a function' : `a value of type ${typeof value}`;
}

function refuse<E extends TypeError | RangeError>(error: E): InvalidArgument {
  return Object.assign(error, { code: 'ERR_INVALID_ARGUMENT' as const });
}

/** The error for a value of the wrong kind. */
export function wrongType(name: string, expected: string, value: unknown): InvalidArgument {
  return refuse(new TypeError(`${name} must be ${expected}, got ${describe(value)}`));
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
    throw wrongType(name, 'a string', secret && value !== undefined ? Symbol() : value);
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
  const expected = `a whole number from ${min} to ${max}`;
  if (typeof value !== 'number') throw wrongType(name, expected, value);
  if (!Number.isInteger(value) || value < min || value > max) {
    throw outOfRange(name, expected, value);
  }
  return value;
}

export function flag(name: string, value: unknown): boolean {
  if (typeof value !== 'boolean') throw wrongType(name, 'a boolean', value);
  return value;
}

export function oneOf<T extends string>(name: string, value: unknown, allowed: readonly T[]): T {
  const found = allowed.find((candidate) => candidate === value);
  if (found !== undefined) return found;
  const expected = `one of ${allowed.join(', ')}`;
  throw typeof value === 'string'
    ? outOfRange(name, expected, value)
    : wrongType(name, expected, value);
}

export function callback<T>(name: string, value: T): T {
  if (typeof value !== 'function') throw wrongType(name, 'a function', value);
  return value;
}

/**
 * An object with no other keys than `keys`: a misspelt option is an error and not silently a
 * default.
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
  const known: ReadonlySet<string> = new Set(keys);
  for (const key of Object.keys(value)) {
    if (!known.has(key)) {
      throw conflict(`${name} has no option ${key}; its options are ${keys.join(', ')}`);
    }
  }
  return value;
}

export function abortSignal(name: string, value: unknown): AbortSignal | undefined {
  if (value === undefined) return undefined;
  const looksRight =
    typeof value === 'object' &&
    value !== null &&
    'aborted' in value &&
    'addEventListener' in value &&
    typeof value.addEventListener === 'function';
  if (!looksRight) throw wrongType(name, 'an AbortSignal', value);
  return value as AbortSignal;
}

/** Applies `check` unless the value is absent. */
export function optional<T, R>(value: T | undefined, check: (value: T) => R): R | undefined {
  return value === undefined ? undefined : check(value);
}
