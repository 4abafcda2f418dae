/** Arguments as C takes them: a value of another type is refused here, the rest is judged by C. */
import { types } from 'node:util';
import { callback, wrongSecret, wrongType } from '../base/arguments';

/** A string without NUL, or null. A secret is not shown. */
export function cText(name: string, value: unknown, { secret = false } = {}): string | null {
  if (value === null) return null;
  if (typeof value === 'string' && !value.includes('\0')) return value;
  throw (secret ? wrongSecret : wrongType)(name, 'a string without NUL, or null', value);
}

function whole(name: string, value: unknown, type: string, min: number, max: number): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) {
    return value;
  }
  throw wrongType(name, `a whole number that fits ${type}`, value);
}

export const cInt = (name: string, value: unknown): number =>
  whole(name, value, 'int', -(2 ** 31), 2 ** 31 - 1);
export const cUint32 = (name: string, value: unknown): number =>
  whole(name, value, 'uint32_t', 0, 2 ** 32 - 1);
export const cUint16 = (name: string, value: unknown): number =>
  whole(name, value, 'uint16_t', 0, 2 ** 16 - 1);
export const cUint8 = (name: string, value: unknown): number =>
  whole(name, value, 'uint8_t', 0, 2 ** 8 - 1);

/** A Uint8Array, or null. */
export function cBuffer(name: string, value: unknown): Uint8Array | null {
  if (value === null) return null;
  if (types.isUint8Array(value)) return value;
  throw wrongType(name, 'an Uint8Array, or null', value);
}

/** The memory of any typed array, not a copy. */
export function cMemory(name: string, value: unknown): Uint8Array | null {
  if (value === null || types.isUint8Array(value)) return value;
  if (types.isTypedArray(value)) {
    return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  }
  throw wrongType(name, 'a typed array, or null', value);
}

/** Bytes to send: text is sent as UTF-8. */
export function cBytes(name: string, value: unknown): Uint8Array | null {
  if (value === null || types.isUint8Array(value)) return value;
  if (typeof value === 'string') return Buffer.from(value);
  throw wrongType(name, 'a string, an Uint8Array, or null', value);
}

/** A function, or null. */
export function cFunction<T>(name: string, value: T | null): T | null {
  return value === null ? null : callback(name, value);
}
