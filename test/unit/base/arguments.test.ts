import vm from 'node:vm';
import {
  abortSignal,
  callback,
  conflict,
  flag,
  integer,
  isPromise,
  oneOf,
  optional,
  options,
  orElse,
  outOfRange,
  text,
  wrongSecret,
  wrongType,
} from '../../../lib/base/arguments';
import { refusalOf } from '../support';

describe('an error', () => {
  test.each([
    [5, '5'],
    [5n, '5'],
    [true, 'true'],
    [null, 'null'],
    [undefined, 'undefined'],
    ['a"b', '"a\\"b"'],
    ['x'.repeat(81), `"${'x'.repeat(77)}..."`],
    [[1], 'an array'],
    [() => {}, 'a function'],
    [{}, 'a value of type object'],
    [Symbol('x'), 'a value of type symbol'],
  ])('shows %p as %s', (value, shown) => {
    expect(wrongType('it', 'better', value).message).toBe(`it must be better, got ${shown}`);
  });

  test('is of the kind of what is wrong, and has the code', () => {
    expect(wrongType('it', 'x', 1)).toBeInstanceOf(TypeError);
    expect(outOfRange('it', 'x', 1)).toBeInstanceOf(RangeError);
    expect(conflict('both')).toBeInstanceOf(TypeError);
    for (const error of [wrongType('it', 'x', 1), outOfRange('it', 'x', 1), conflict('both')]) {
      expect(error.code).toBe('ERR_INVALID_ARGUMENT');
    }
  });
});

test('credentials in what is shown are not', () => {
  const shown = (value: string): string => wrongType('it', 'x', value).message;
  expect(shown('mqtts://user:hunter2@host/path')).toBe('it must be x, got "...@host/path"');
  expect(shown(`a:${'b'.repeat(200)}@host`)).toBe('it must be x, got "...@host"');
  expect(shown('no password@host')).toBe('it must be x, got "no password@host"');
  expect(shown('host@a:1')).toBe('it must be x, got "host@a:1"');
});

test('of a secret only its kind is shown', () => {
  const shown = [1, 'abc', true, ['abc'], { abc: 1 }, null, undefined, () => {}].map(
    (value) => wrongSecret('it', 'x', value).message.split('got ')[1],
  );
  expect(shown).toEqual([
    'a number (not shown)',
    'a string (not shown)',
    'a boolean (not shown)',
    'an array',
    'a value of type object',
    'null',
    'undefined',
    'a function',
  ]);
});

describe('text', () => {
  test.each([
    ['a', { max: 1 }],
    ['', { min: 0, max: 1 }],
    ['ab', { max: 9, pattern: /^[a-z]+$/ }],
  ])('%j is accepted by %j', (value, rule) => {
    expect(text('it', value, rule)).toBe(value);
  });

  test.each<[unknown, Parameters<typeof text>[2], string]>([
    ['', { max: 1 }, 'it must be 1-1 characters without NUL, got ""'],
    ['ab', { max: 1 }, 'it must be 1-1 characters without NUL, got "ab"'],
    ['a\0', { max: 9 }, 'it must be 1-9 characters without NUL'],
    ['A', { max: 9, pattern: /^[a-z]+$/, expected: 'small' }, 'it must be small, got "A"'],
    [5, { max: 9 }, 'it must be a string, got 5'],
    ['abc', { max: 1, secret: true }, 'got 3 characters (not shown)'],
    [['abc'], { max: 1, secret: true }, 'it must be a string, got an array'],
    [undefined, { max: 1, secret: true }, 'it must be a string, got undefined'],
  ])('%j is refused by %j', (value, rule, message) => {
    const refusal = refusalOf(() => text('it', value, rule));
    expect(refusal.message).toContain(message);
    if (rule.secret) expect(refusal.message).not.toContain('abc');
  });
});

test('integers are whole and within their range', () => {
  const range = { min: 1, max: 3 };
  expect([integer('n', 1, range), integer('n', 3, range)]).toEqual([1, 3]);
  for (const value of [0, 4, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
    expect(refusalOf(() => integer('n', value, range))).toBeInstanceOf(RangeError);
  }
  for (const value of ['1', 1n, null, undefined]) {
    expect(refusalOf(() => integer('n', value, range))).toBeInstanceOf(TypeError);
  }
});

test('flags and callbacks are nothing that counts as one', () => {
  const nothing = (): void => {};
  expect([flag('f', true), flag('f', false), callback('c', nothing)]).toEqual([
    true,
    false,
    nothing,
  ]);
  for (const value of [0, 1, 'true', null]) refusalOf(() => flag('f', value));
  for (const value of [{}, 'f', null]) refusalOf(() => callback('c', value));
});

test('one of several words', () => {
  expect(oneOf('w', 'b', ['a', 'b'])).toBe('b');
  expect(refusalOf(() => oneOf('w', 'c', ['a', 'b'])).message).toBe(
    'w must be one of a, b, got "c"',
  );
  expect(refusalOf(() => oneOf('w', 1, ['a', 'b']))).toBeInstanceOf(TypeError);
});

test('options have no keys but the known ones', () => {
  expect(options('o', undefined, [])).toEqual({});
  const given = { a: 1 };
  expect(options('o', given, ['a'])).toBe(given);
  expect(refusalOf(() => options('o', { b: 1 } as object, [])).message).toMatch(
    /^o has no option b; /,
  );
  for (const value of [null, [], 'x', 1, () => {}]) {
    expect(refusalOf(() => options('o', value as object, [])).message).toMatch(/^o must be an obj/);
  }
});

test('a signal may be of another realm, if it looks like one', () => {
  const { signal } = new AbortController();
  expect([abortSignal('s', signal), abortSignal('s', undefined)]).toEqual([signal, undefined]);
  const foreign = vm.runInNewContext(
    '({ aborted: false, addEventListener() {}, removeEventListener() {} })',
  );
  expect(abortSignal('s', foreign)).toBe(foreign);
  const half = { aborted: false, addEventListener() {} };
  const words = { aborted: 'no', addEventListener() {}, removeEventListener() {} };
  for (const value of [null, {}, { aborted: true }, half, words, 'x', new AbortController()]) {
    refusalOf(() => abortSignal('s', value));
  }
});

test('undefined is absent, null is not', () => {
  const values: (number | undefined)[] = [undefined, 2, null as never];
  expect(values.map((value) => orElse(value, 1))).toEqual([1, 2, null]);
});

test('a promise is what has then()', () => {
  const foreign = vm.runInNewContext('Promise.resolve()');
  const values = [Promise.resolve(), foreign, {}, null, undefined, () => {}, 'then'];
  expect(values.map(isPromise)).toEqual([true, true, false, false, false, false, false]);
});

test('what is absent is not checked', () => {
  const check = jest.fn((value: number) => value + 1);
  expect([optional(undefined, check), optional(1, check)]).toEqual([undefined, 2]);
  expect(check).toHaveBeenCalledTimes(1);
});
