import path from 'node:path';
import { run } from '../support/process';

const cli = path.resolve(__dirname, '..', '..', 'dist', 'cli', 'index.js');
const iotkitOta = (...args: string[]) => run(process.execPath, [cli, ...args]);

test('the package has the command', () => {
  const { bin } = require('../../package.json') as { bin: Record<string, string> };
  expect(path.resolve(__dirname, '..', '..', bin['iotkit-ota'] ?? '')).toBe(cli);
});

test.each([['--help'], ['-h'], ['help'], []])('%j names the commands', async (...args) => {
  const { code, stdout } = await iotkitOta(...args);
  expect([code, /^ {2}doctor {2}/m.test(stdout)]).toEqual([0, true]);
});

test.each(['nonsense', 'constructor', '__proto__', ''])('there is no command %j', async (name) => {
  const { code, stdout, stderr } = await iotkitOta(name);
  expect([code, stdout]).toEqual([2, '']);
  expect(stderr).toMatch(/^ {2}doctor {2}/m);
});

test('a command has help of its own', async () => {
  const { code, stdout } = await iotkitOta('doctor', '--help');
  expect([code, stdout.split('\n')[0]]).toEqual([0, 'Usage: iotkit-ota doctor [options]']);
});

test('wrong usage of a command is told from a failure', async () => {
  const { code, stdout, stderr } = await iotkitOta('doctor', '--nonsense');
  expect([code, stdout]).toEqual([2, '']);
  expect(stderr).toContain('--nonsense');
});
