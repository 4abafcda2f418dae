import { main as agent } from '../../../lib/cli/agent';
import { main as build } from '../../../lib/cli/build';
import { main as consent } from '../../../lib/cli/consent';
import { main as delta } from '../../../lib/cli/delta';
import { main as doctor } from '../../../lib/cli/doctor';
import { main as download } from '../../../lib/cli/download';
import { main as install } from '../../../lib/cli/install';
import { commandOf } from '../../../lib/cli/slots';

type Main = (args: string[]) => Promise<number>;

const commands: ReadonlyArray<readonly [string, Main]> = [
  ['agent', agent],
  ['build', build],
  ['confirm', commandOf('confirm')],
  ['consent', consent],
  ['delta', delta],
  ['doctor', doctor],
  ['download', download],
  ['install', install],
  ['rollback', commandOf('rollback')],
  ['status', commandOf('status')],
];

afterEach(() => jest.restoreAllMocks());

async function helpOf(main: Main): Promise<string> {
  let text = '';
  jest.spyOn(process.stdout, 'write').mockImplementation((part) => {
    text += part;
    return true;
  });
  expect(await main(['--help'])).toBe(0);
  return text;
}

const refusal = async (main: Main, ...args: string[]): Promise<string> =>
  main(args).then(
    (code) => `ended with ${code}`,
    ({ message }: Error) => message,
  );

test.each(commands)('%s takes each option that its help names, as that says', async (_, main) => {
  const help = await helpOf(main);
  const named = [...help.matchAll(/^ +(?:-\w, )?--([\w-]+)( [<\w-]+)?/gm)];
  expect(named.map(([, option]) => option)).toContain('help');
  // What is not known is refused before what is wrong with its value.
  for (const [, option, value] of named) {
    const [wrong, why] = value === undefined ? ['=x', 'takes no value'] : ['', 'needs a value'];
    expect(await refusal(main, `--${option}${wrong}`)).toBe(`--${option} ${why}`);
  }
});

test.each(commands)(
  '%s names each of its exit codes as the documentation does',
  async (_, main) => {
    const help = await helpOf(main);
    if (!help.includes('Exit codes')) return;
    const codes = help.slice(help.indexOf('Exit codes')).match(/\b\d{1,3}\b/g) ?? [];
    const documented = [0, 1, 2, 65, 66, 69, 73, 75, 77, 129, 130, 143].map(String);
    for (const code of codes) expect(documented).toContain(code);
  },
);
