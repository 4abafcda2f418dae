import { printable, printableLine } from '../../../lib/cli/printable';

test.each([
  ['the introducer of control sequences', '\u009b31m', '?31m'],
  ['an escape', '\x1b[2J', '?[2J'],
  ['a carriage return', '\rforged', '?forged'],
  ['DEL', '\x7f', '?'],
  ['what turns the direction', '\u202eversion', '?version'],
  ['separators', '\u2028\u2029', '??'],
])('%s does not steer', (_, text, shown) => {
  expect(printable(text)).toBe(shown);
});

test('all else stays, newlines as well, which a line has none of', () => {
  const text = 'größe 1\n  版本 2';
  expect(printable(text)).toBe(text);
  expect(printableLine(text)).toBe('größe 1 版本 2');
});
