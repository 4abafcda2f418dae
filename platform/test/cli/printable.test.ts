import { inJson, printable, toJson } from '../../src/cli/printable';

test.each([
  ['\u001b[2J', '\\u001b[2J'],
  ['a\r\nb\u0000', 'a\\r\\nb\\u0000'],
  ['\u007f\u0085\u009b2J', '\\u007f\\u0085\\u009b2J'],
  ['\u202eexe.\u2066\u200b\ufeff', '\\u202eexe.\\u2066\\u200b\\ufeff'],
  ['\u2028\u2029', '\\u2028\\u2029'],
  ['\u{e0041}', '\\udb40\\udc41'],
  ['grün 中文 😀', 'grün 中文 😀'],
])('%j is printed as %j', (text, expected) => {
  expect(printable(text)).toBe(expected);
  expect(printable(expected)).toBe(expected);
  expect(inJson(text)).toBe(expected);
  expect(toJson({ text })).toBe(`{"text":"${expected}"}`);
});

test('JSON stays the same to its reader', () => {
  const value = { '\u009b': ['\u202e', '\\u202e', '\n', '"'], '\u2028': { a: 1 } };
  for (const indent of [undefined, 2]) expect(JSON.parse(toJson(value, indent))).toEqual(value);
  expect(toJson({ a: 1 }, 2)).toBe('{\n  "a": 1\n}');
  expect(inJson('\\u202e')).not.toBe(inJson('\u202e'));
});
