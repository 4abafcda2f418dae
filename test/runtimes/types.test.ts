import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { run } from '../support/process';

// What a project of a user's own sees of our types, however it resolves modules.

const root = path.resolve(__dirname, '..', '..');

const program = `
import { connect, type ConnectOptions, IotkitError, type Progress, stats, type Upgrade } from 'iotkit-ota';

export async function update(options: ConnectOptions): Promise<number> {
  await using device = await connect(options);
  let received = 0;
  for await (const upgrade of device.ota.upgrades()) {
    const announced: Upgrade = upgrade;
    await announced.download('/tmp/image', { onProgress: (progress: Progress) => { received = progress.received; } });
    for await (const chunk of announced) received += (chunk satisfies Uint8Array).length;
    for await (const chunk of announced.stream()) received += (chunk satisfies Uint8Array).length;
  }
  return received + stats().threads;
}

export function isLate(error: unknown): boolean {
  // @ts-expect-error there is no such code
  if (IotkitError.is(error) && error.code === 'ERR_NO_SUCH_CODE') return false;
  return IotkitError.is(error) && error.code === 'ERR_TIMEOUT';
}

// @ts-expect-error it is a function
export const wrong: string = connect;
`;

const assigned = `
import iotkit = require('iotkit-ota');
export const threads: number = iotkit.stats().threads;
`;

let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'iotkit-ota-types-'));
  const modules = path.join(directory, 'node_modules');
  await mkdir(path.join(modules, '@types'), { recursive: true });
  await symlink(root, path.join(modules, 'iotkit-ota'));
  await symlink(
    path.join(root, 'node_modules', '@types', 'node'),
    path.join(modules, '@types', 'node'),
  );
  const files = { 'module.mts': program, 'script.cts': program, 'assigned.cts': assigned };
  for (const [name, text] of Object.entries(files)) {
    await writeFile(path.join(directory, name), text);
  }
});
afterAll(() => rm(directory, { recursive: true, force: true }));

/** What is there besides the language. */
type Environment = { readonly lib: readonly string[]; readonly types: readonly string[] };
const withNode: Environment = { lib: ['es2022', 'esnext.disposable'], types: ['node'] };
const withoutNode: Environment = { lib: ['es2022', 'dom', 'esnext.disposable'], types: [] };

test.each([
  ['node16', 'node16', ['module.mts', 'script.cts', 'assigned.cts']],
  ['nodenext', 'nodenext', ['module.mts', 'script.cts', 'assigned.cts']],
  ['bundler', 'esnext', ['module.mts']],
  ['bundler', 'preserve', ['module.mts', 'script.cts', 'assigned.cts']],
  ['nodenext', 'nodenext', ['module.mts'], withoutNode],
])(
  'moduleResolution %s, module %s, files %j',
  async (moduleResolution, module, include, environment = withNode) => {
    const compilerOptions = {
      moduleResolution,
      module,
      target: 'es2022',
      ...environment,
      strict: true,
      exactOptionalPropertyTypes: true,
      noEmit: true,
    };
    const project = path.join(directory, `${moduleResolution}-${module}-${include.length}.json`);
    await writeFile(project, JSON.stringify({ compilerOptions, include }));
    const tsc = path.join(root, 'node_modules', 'typescript', 'bin', 'tsc');
    const { code, stdout } = await run(process.execPath, [tsc, '-p', project]);
    expect(stdout).toBe('');
    expect(code).toBe(0);
  },
);
