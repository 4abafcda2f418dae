import { print, table } from '../../src/cli/output';

test('columns are aligned, and no line ends in blanks', () => {
  const rows = [
    ['NAME', 'X', 'LAST'],
    ['a', 'longer', ''],
    ['bcdefg', '', 'z'],
  ];
  expect(table(rows)).toBe('NAME    X       LAST\na       longer\nbcdefg          z\n');
});

test('an answer is printed for a person, or as JSON', () => {
  const printed: unknown[] = [];
  const write = jest.spyOn(process.stdout, 'write').mockImplementation((text) => {
    printed.push(text);
    return true;
  });
  try {
    print({ stateDir: '' }, { a: 1 }, () => 'text\n');
    print({ stateDir: '', json: true }, { a: 1 }, () => 'text\n');
  } finally {
    write.mockRestore();
  }
  expect(printed).toEqual(['text\n', '{\n  "a": 1\n}\n']);
});
