import { expectWords, readArguments } from '../../../lib/cli/arguments';
import { UsageError } from '../../../lib/cli/errors';

const options = {
  out: { type: 'string', short: 'o' },
  connections: { type: 'string' },
  json: { type: 'boolean', short: 'j' },
} as const;

test('options and words in any order, in any way of writing them', () => {
  for (const args of [
    ['a', '-o', 'x', 'b', '--json'],
    ['--json', '--out=x', 'a', 'b'],
    ['-jox', 'a', '--', 'b'],
  ]) {
    const found = { values: { out: 'x', json: true }, words: ['a', 'b'] };
    expect(readArguments(args, options)).toEqual(found);
  }
  expect(readArguments(['--', '--json', '-o'], options)).toEqual({
    ...{ values: {}, words: ['--json', '-o'] },
  });
  expect(readArguments(['-', '--out=-x'], options)).toEqual({
    values: { out: '-x' },
    words: ['-'],
  });
});

test.each([
  [['--conections', '4'], 'there is no option --conections; did you mean --connections?'],
  [['--colour'], 'there is no option --colour; see --help'],
  [['-x'], 'there is no option -x; see --help'],
  [['--__proto__'], 'there is no option --__proto__; see --help'],
  [['--toString=1'], 'there is no option --toString; see --help'],
  [['--no-json'], 'there is no option --no-json'],
  [['--out'], '--out needs a value'],
  [['--out='], '--out must not be empty'],
  [['-o', ''], '--out must not be empty'],
  [['--out', '--json'], '--out needs a value; if it is --json, write --out=--json'],
  [['--out', 'a', '-o', 'b'], '--out is given more than once'],
  [['--json', '--json'], '--json is given more than once'],
  [['--json=yes'], '--json takes no value'],
])('%j is wrong usage', (args, message) => {
  expect(() => readArguments(args, options)).toThrow(UsageError);
  expect(() => readArguments(args, options)).toThrow(message);
});

test('as many words as a command takes', () => {
  expectWords(['a'], ['<url>']);
  expect(() => expectWords([], ['<url>'])).toThrow('<url> is missing; see --help');
  expect(() => expectWords(['a', 'b'], ['<url>'])).toThrow('b is one too many; see --help');
  expect(() => expectWords(['http://me:hush@x/?s=hush'], [])).toThrow('http://… is one too many');
  expect(() => expectWords(['a'], [])).toThrow(UsageError);
});
