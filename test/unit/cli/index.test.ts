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

test('a name that would steer the terminal does not', async () => {
  expect((await cli('\x1b[31mx')).stderr).toMatch(/^\?\[31mx\?\n\nUsage:/);
});

test('which release it is, and the help of a command in the other order', async () => {
  const { version } = jest.requireActual<{ version: string }>('../../../package.json');
  expect(await cli('--version')).toMatchObject({ code: 0, stdout: `${version}\n`, stderr: '' });
  expect((await cli('help', 'install')).stdout).toMatch(/^Usage: iotkit-ota install/);
});

test('help of a command, and wrong options', async () => {
  expect(await cli('build', '--help')).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^Usage: iotkit-ota build/),
  });
  expect(await cli('build', '--job')).toMatchObject({
    code: 2,
    stderr: 'iotkit-ota build: there is no option --job; did you mean --jobs?\n',
  });
  expect(await cli('build', '--jobs', 'two')).toMatchObject({
    code: 2,
    stderr: 'iotkit-ota build: --jobs takes a whole number from 1, not "two"\n',
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

test.each([
  [['bild', '--json'], 'there is no command bild'],
  [['--json'], 'there is no command --json'],
  [['doctor', '--json', '--size', 'x'], '--size must be a number'],
  [['build', '--json'], undefined],
  [['status', '--json', '--config', '/none'], undefined],
])('%j: what is wrong is an object, too', async (args, message) => {
  const { code, stdout, stderr } = await cli(...args);
  expect({ code, stderr }).toEqual({ code: 2, stderr: '' });
  const { schema, ok, error } = JSON.parse(stdout);
  expect({ schema, ok }).toEqual({ schema: 1, ok: false });
  if (message === undefined) return;
  expect(error).toEqual({ code: 'ERR_USAGE', message: expect.stringContaining(message) });
});

test('an output that is full is a failure, one that nobody reads further is none', async () => {
  const shell = (line: string) => run('bash', ['-c', line, process.execPath, program]);
  for (const command of ['--help', 'status --help', 'doctor --json']) {
    expect(await shell(`"$0" "$1" ${command} > /dev/full`)).toMatchObject({
      code: 73,
      stderr: 'iotkit-ota: the standard output cannot be written: ENOSPC\n',
    });
  }
  // The reader is gone before anything is written.
  const gone = await shell('exec 3> >(:); wait $!; "$0" "$1" --help >&3; echo $? >&2');
  expect(gone.stderr).toMatch(/^0\n$/);
});
