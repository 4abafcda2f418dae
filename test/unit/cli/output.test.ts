import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { complain, jsonOf, print, printJson } from '../../../lib/cli/output';

const steering = /(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u;
/** All that steers a terminal, an emoji that is joined by such a character, and a tag of plane 14. */
const controls = String.fromCharCode(...Array.from({ length: 0xa0 }, (_, i) => i));
const hostile = `${controls}\u202e\u2028\u{1f469}\u200d\u{1f680}\u{e0041}größe`;

afterEach(() => jest.restoreAllMocks());

test.each([undefined, 2])('JSON says the same, and steers nothing (indented by %j)', (indent) => {
  const value = { [hostile]: [hostile, 7, null] };
  const json = jsonOf(value, indent);
  expect(json).not.toMatch(steering);
  expect(json.split('\n')).toHaveLength(indent === undefined ? 1 : 7);
  expect(JSON.parse(json)).toEqual(value);
});

test('each kind of output goes where it belongs, and steers nothing', () => {
  const written: string[] = [];
  for (const name of ['stdout', 'stderr'] as const) {
    jest.spyOn(process[name], 'write').mockImplementation((text) => {
      written.push(`${name}: ${text}`);
      return true;
    });
  }
  print('one \u009b2J');
  printJson({ two: '\u009b2J' });
  complain('three \u202e');
  expect(written).toEqual([
    'stdout: one ?2J\n',
    'stdout: {"two":"\\u009b2J"}\n',
    'stderr: three ?\n',
  ]);
});

test('nothing of the command line writes in another way', () => {
  const root = path.resolve(__dirname, '../../../lib/cli');
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' });
  // The entry has to work before it has loaded anything; lookup.ts is a program that doctor reads.
  const others = files.filter((file) => {
    return file.endsWith('.ts') && !['output.ts', 'index.ts', 'doctor/lookup.ts'].includes(file);
  });
  expect(others.length).toBeGreaterThan(30);
  const writing = others.filter((file) => {
    return /console\.\w|process\.std\w+\.write/.test(readFileSync(path.join(root, file), 'utf8'));
  });
  // The agent's log goes to a stream that may fail.
  expect(writing).toEqual(['agent.ts']);
});
