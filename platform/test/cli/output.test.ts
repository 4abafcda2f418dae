import { print, table } from '../../src/cli/output';

test('columns are aligned, and no line ends in blanks', () => {
  const rows = [
    ['NAME', 'X', 'LAST'],
    ['a', 'longer', ''],
    ['bcdefg', '', 'z'],
  ];
  expect(table(rows)).toBe('NAME    X       LAST\na       longer\nbcdefg          z\n');
});

test('no cell steers the terminal', () => {
  expect(table([['a\u001b[2J\u009b2J', '\u202eb\nc'], ['x']])).toBe(
    'a\\u001b[2J\\u009b2J  \\u202eb\\nc\nx\n',
  );
});

test('an answer is printed for a person, or as JSON', () => {
  const printed: unknown[] = [];
  const write = jest.spyOn(process.stdout, 'write').mockImplementation((text) => {
    printed.push(text);
    return true;
  });
  try {
    print({ stateDir: '' }, { a: 1 }, () => 'text\n');
    print({ stateDir: '', json: true }, { a: '\u009b' }, () => 'text\n');
  } finally {
    write.mockRestore();
  }
  expect(printed).toEqual(['text\n', '{\n  "a": "\\u009b"\n}\n']);
});
