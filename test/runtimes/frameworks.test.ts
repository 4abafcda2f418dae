import path from 'node:path';
import { UserFolder } from '../support/packed';
import { run } from '../support/process';
import { installRuntimes, node } from '../support/runtimes';
import { Tools } from '../support/tools';

// Test runners and compilers of users, over the packed package.

const tools = new Tools('frameworks', {
  jest: '30',
  mocha: '12',
  vitest: '5',
  typescript5: 'npm:typescript@5',
  typescript7: 'npm:typescript@7',
});

let user: UserFolder;

const test1 = (load: string): string => `${load}
test('an upgrade of a fake platform', async () => {
  const platform = new FakePlatform();
  platform.announce({ version: '2.0.0', data: Buffer.from('image') });
  const upgrade = await platform.device.ota.nextUpgrade();
  if (upgrade.version !== '2.0.0') throw new Error(upgrade.version);
  await platform.device.close();
});
`;

beforeAll(async () => {
  await installRuntimes();
  await tools.install();
  user = await UserFolder.withPackage('@types/node@22');
  await user.write({
    'one.test.js': test1("const { FakePlatform } = require('iotkit-ota/testing');"),
    'two.test.js': test1("const { FakePlatform } = require('iotkit-ota/testing');"),
    'three.spec.mjs': test1("import { FakePlatform } from 'iotkit-ota/testing';"),
    'use.ts': `import { open, IotkitError, type Upgrade } from 'iotkit-ota';
import { IOT_OTA_Init } from 'iotkit-ota/sdk';
import { FakePlatform } from 'iotkit-ota/testing';
export const all = [open, IotkitError, IOT_OTA_Init, FakePlatform];
export async function install(upgrade: Upgrade): Promise<void> {
  await upgrade.download('/tmp/image', { onProgress: ({ received }) => received.toFixed() });
}
`,
  });
}, 300_000);
afterAll(() => user[Symbol.asyncDispose]());

/** Runs a program of a tool to a good end; resolves to all it said. */
async function succeeds(program: string, args: readonly string[]): Promise<string> {
  const ended = await run(node(24), [program, ...args], {
    cwd: user.folder,
    env: { ...process.env, NO_COLOR: '1' },
  });
  const said = ended.stdout + ended.stderr;
  expect({ code: ended.code, said: ended.code === 0 ? '' : said }).toEqual({ code: 0, said: '' });
  return said;
}

test('jest', async () => {
  const jest = tools.file('jest', 'bin', 'jest.js');
  const said = await succeeds(jest, [
    '--rootDir',
    user.folder,
    '--maxWorkers',
    '2',
    '--testRegex',
    '\\.test\\.js$',
  ]);
  expect(said).toMatch(/Tests: +2 passed/);
});

describe('vitest', () => {
  test.each(['threads', 'forks'])('pool of %s', async (pool) => {
    const vitest = tools.file('vitest', 'vitest.mjs');
    const args = ['run', '--globals', '--root', user.folder, '--pool', pool, 'three.spec.mjs'];
    expect(await succeeds(vitest, args)).toMatch(/Tests +1 passed/);
  });
});

test('mocha', async () => {
  const mocha = tools.file('mocha', 'bin', 'mocha.js');
  const said = await succeeds(mocha, [
    '--ui',
    'tdd',
    'one.test.js',
    'two.test.js',
    'three.spec.mjs',
  ]);
  expect(said).toContain('3 passing');
});

describe('TypeScript', () => {
  test.each([
    ['typescript5', 'node10', 'commonjs'],
    ['typescript5', 'node16', 'node16'],
    ['typescript5', 'nodenext', 'nodenext'],
    ['typescript5', 'bundler', 'esnext'],
    ['typescript7', 'nodenext', 'nodenext'],
    ['typescript7', 'bundler', 'esnext'],
  ] as const)('%s, moduleResolution %s', async (compiler, moduleResolution, module) => {
    const tsc = tools.file(compiler, 'bin', 'tsc');
    const flags = ['--noEmit', '--strict', '--exactOptionalPropertyTypes', '--target', 'es2022'];
    const kind = ['--module', module, '--moduleResolution', moduleResolution];
    await succeeds(tsc, [...flags, ...kind, path.join(user.folder, 'use.ts')]);
  });
});
