import {
  cBuffer,
  cBytes,
  cFunction,
  cInt,
  cMemory,
  cText,
  cUint8,
  cUint16,
  cUint32,
} from '../../../lib/sdk/arguments';
import { refusalOf } from '../support';

const bytes = new Uint8Array([1, 2]);

test('null is NULL for all that may be NULL', () => {
  for (const check of [cText, cBuffer, cMemory, cBytes, cFunction]) {
    expect(check('it', null)).toBeNull();
    expect(refusalOf(() => check('it', undefined)).message).toMatch(
      /^it must be .*, got undefined/,
    );
  }
});

test.each([
  [cInt, -(2 ** 31), 2 ** 31 - 1, 'int'],
  [cUint32, 0, 2 ** 32 - 1, 'uint32_t'],
  [cUint16, 0, 2 ** 16 - 1, 'uint16_t'],
  [cUint8, 0, 2 ** 8 - 1, 'uint8_t'],
])('a number must fit: %#', (check, min, max, type) => {
  expect([check('n', min), check('n', max)]).toEqual([min, max]);
  for (const value of [min - 1, max + 1, 0.5, Number.NaN, '1', 1n, null]) {
    const { message } = refusalOf(() => check('n', value));
    expect(message).toContain(`n must be a whole number that fits ${type}, got`);
  }
});

test('a text has no NUL, and a secret one is not shown', () => {
  expect([cText('t', ''), cText('t', 'a')]).toEqual(['', 'a']);
  for (const value of ['a\0', 5, bytes]) refusalOf(() => cText('t', value));
  const { message } = refusalOf(() => cText('t', 'hunter2\0', { secret: true }));
  expect(message).not.toContain('hunter2');
});

test('a buffer is the memory itself; of text the bytes are sent', () => {
  expect([cBuffer('b', bytes) === bytes, cBytes('b', bytes) === bytes]).toEqual([true, true]);
  expect(cBytes('b', 'ä')).toEqual(Buffer.from([0xc3, 0xa4]));
  for (const value of ['x', [1], new Uint32Array(1), bytes.buffer]) {
    refusalOf(() => cBuffer('b', value));
  }
  for (const value of [[1], new Uint32Array(1)]) refusalOf(() => cBytes('b', value));
});

test("any typed array's memory is taken where it lies", () => {
  const words = new Uint32Array(4).subarray(1, 3);
  const memory = cMemory('m', words);
  expect([memory?.buffer === words.buffer, memory?.byteOffset, memory?.byteLength]).toEqual([
    true,
    4,
    8,
  ]);
  for (const value of ['x', new DataView(new ArrayBuffer(1)), new ArrayBuffer(1)]) {
    refusalOf(() => cMemory('m', value));
  }
});

test('a function is one', () => {
  const f = (): void => {};
  expect(cFunction('f', f)).toBe(f);
  refusalOf(() => cFunction('f', {}));
});
