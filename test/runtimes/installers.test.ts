import { existsSync } from 'node:fs';
import { UserFolder } from '../support/packed';
import { run } from '../support/process';
import { bun, installRuntimes, node } from '../support/runtimes';
import { Tools } from '../support/tools';

// The packed tarball into an empty folder. No installer may run a script, or ask to have one allowed.

const tools = new Tools('installers', {
  npm10: 'npm:npm@10',
  npm11: 'npm:npm@11',
  npm12: 'npm:npm@12',
  pnpm10: 'npm:pnpm@10',
  '@pnpm/exe.linux-x64': '12',
  yarn1: 'npm:yarn@1',
  yarn4: 'npm:@yarnpkg/cli-dist@4',
});

interface Installer {
  readonly name: string;
  /** The command that installs a tarball. */
  install(tarball: string): readonly [string, ...string[]];
  readonly files?: Readonly<Record<string, string>>;
  /** The command that runs a program afterwards. */
  readonly runs?: readonly [string, ...string[]];
}

const npm = (name: 'npm10' | 'npm11' | 'npm12', runtime: string): Installer => ({
  name: name.replace('npm', 'npm '),
  install: (tarball) => [
    runtime,
    tools.file(name, 'bin', 'npm-cli.js'),
    'install',
    '--no-audit',
    '--no-fund',
    tarball,
  ],
});

const yarn4 = tools.file('yarn4', 'bin', 'yarn.js');
const newer = node(24);

const installers: readonly Installer[] = [
  npm('npm10', process.execPath),
  npm('npm11', process.execPath),
  npm('npm12', newer),
  {
    name: 'pnpm 10',
    install: (tarball) => [newer, tools.file('pnpm10', 'bin', 'pnpm.cjs'), 'add', tarball],
  },
  {
    name: 'pnpm 12',
    install: (tarball) => [tools.file('@pnpm/exe.linux-x64', 'pnpm'), 'add', tarball],
  },
  {
    name: 'yarn 1',
    install: (tarball) => [newer, tools.file('yarn1', 'bin', 'yarn.js'), 'add', tarball],
  },
  {
    name: 'yarn 4',
    files: { '.yarnrc.yml': 'nodeLinker: node-modules\n', 'yarn.lock': '' },
    install: (tarball) => [newer, yarn4, 'add', `iotkit-ota@file:${tarball}`],
  },
  {
    name: 'yarn 4, Plug and Play',
    files: { '.yarnrc.yml': 'nodeLinker: pnp\n', 'yarn.lock': '' },
    install: (tarball) => [newer, yarn4, 'add', `iotkit-ota@file:${tarball}`],
    runs: [newer, yarn4, 'node'],
  },
  { name: 'bun', install: (tarball) => [bun, 'add', tarball], runs: [bun] },
];

const programs = {
  'required.cjs': "console.log(typeof require('iotkit-ota').open)",
  'imported.mjs': "import { open } from 'iotkit-ota'; console.log(typeof open)",
};

beforeAll(async () => {
  await installRuntimes();
  await tools.install();
}, 300_000);

test.each(installers)('$name', async ({ install, files = {}, runs = [newer] }) => {
  await using user = await UserFolder.make();
  await user.write({ ...files, ...programs });
  const tarball = await user.tarball();
  const options = { cwd: user.folder, env: { ...process.env, CI: '' } };
  const [command, ...args] = install(tarball);
  const { code, stdout, stderr } = await run(command, args, options);
  expect({ code, said: code === 0 ? '' : stdout + stderr }).toEqual({ code: 0, said: '' });
  expect(`${stdout}${stderr}`).not.toMatch(/build scripts|approve|gyp/i);
  expect(existsSync(user.path('node_modules', 'iotkit-ota', 'build'))).toBe(false);
  for (const program of Object.keys(programs)) {
    const [runtime, ...first] = runs;
    const ended = await run(runtime, [...first, user.path(program)], options);
    expect(ended).toMatchObject({ code: 0, stdout: 'function\n' });
  }
});
