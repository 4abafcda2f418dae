import path from 'node:path';
import { run } from '../../support/process';

const root = path.resolve(__dirname, '..', '..', '..');
const { bin } = jest.requireActual<{ bin: Record<string, string> }>('../../../package.json');
const program = path.join(root, bin['iotkit-ota'] ?? 'no bin');

const cli = (...args: string[]) => run(process.execPath, [program, ...args]);

test('without a command, or asked for help, it lists the commands', async () => {
  for (const args of [[], ['--help'], ['-h'], ['help']]) {
    const { code, stdout, stderr } = await cli(...args);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^Usage: iotkit-ota <command>/);
    expect(stdout).toContain('build ');
  }
});

test.each(['bild', 'toString', '__proto__'])('%s is no command', async (name) => {
  const { code, stdout, stderr } = await cli(name);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toMatch(new RegExp(`^${name}\\?\n\nUsage:`));
});

test('help of a command, and wrong options', async () => {
  expect(await cli('build', '--help')).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^Usage: iotkit-ota build/),
  });
  expect(await cli('build', '--job')).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/^iotkit-ota: Unknown option '--job'/),
  });
  expect(await cli('build', '--jobs', 'two')).toMatchObject({
    code: 1,
    stderr: 'iotkit-ota: --jobs takes a whole number from 1, not "two"\n',
  });
});

test.each([
  [['bild']],
  [['agent', '--config', 'none.json']],
  [['agent', '--check', '--config', 'none.json']],
  [['agent', 'x']],
  [['build', '--job']],
  [['confirm', '--config', 'none.json']],
  [['consent', '--config', 'none.json']],
  [['delta']],
  [['doctor', '--timeout', 'x']],
  [['doctor', '--wrong']],
  [['download']],
  [['download', 'x', '--connections', 'y']],
  [['install', 'x', '--config', 'none.json']],
  [['rollback', '--config', 'none.json']],
  [['status', '--config', 'none.json']],
])('with --json a failure is one object on stdout: %j', async (args) => {
  const { code, stdout, stderr } = await cli(...args, '--json');
  expect({ code, stderr }).toEqual({ code: 2, stderr: '' });
  expect(JSON.parse(stdout)).toMatchObject({
    ...{ schema: 1, ok: false },
    error: { code: expect.stringMatching(/^ERR/), message: expect.stringMatching(/./) },
  });
});
