/**
 * `iotkit-ota build`: compiles the addon where no prebuilt one fits. It needs a C and a C++ compiler
 * and nothing else: no make, no python, no node-gyp, no network; the headers of Node-API are
 * packages that were installed with this one.
 */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { withEnd } from '../base/cleanup';
import { expectWords, readArguments } from './arguments';
import { UsageError } from './errors';
import { print } from './output';
import { recipeOf, type Step } from './recipe';

const usage = `Usage: iotkit-ota build [--jobs N]

Compiles the addon into build/Release of the installed package, where it is found before any
prebuilt one. Needs a C and a C++ compiler; CC, CXX, CFLAGS, CXXFLAGS and LDFLAGS are heeded.

  -j, --jobs N   compilers that run side by side (default: one for each processor)
  --help`;

const options = {
  jobs: { type: 'string', short: 'j' },
  help: { type: 'boolean', short: 'h' },
} as const;

// dist/ and lib/ both lie directly below the package.
const root = path.resolve(__dirname, '..', '..');

export async function main(args: string[]): Promise<number> {
  const { values, words } = readArguments(args, options);
  expectWords(words, []);
  if (values.help === true) print(usage);
  else await build(jobsOf(values.jobs));
  return 0;
}

function jobsOf(text: string | undefined): number {
  if (text === undefined) return availableParallelism();
  const jobs = Number(text);
  if (Number.isInteger(jobs) && jobs > 0) return jobs;
  throw new UsageError(`--jobs takes a whole number from 1, not "${text}"`);
}

async function build(jobs: number): Promise<void> {
  const folder = path.join(root, 'build', 'Release');
  await mkdir(folder, { recursive: true });
  const objects = await mkdtemp(path.join(root, 'build', 'objects-'));
  // A compiler that was ended may leave one of its own that still writes there.
  const remove = () => rm(objects, { recursive: true, force: true, maxRetries: 3 });
  await withEnd(() => buildIn(objects, folder, jobs), remove);
}

async function buildIn(objects: string, folder: string, jobs: number): Promise<void> {
  const output = path.join(objects, 'iotkit_ota.node');
  const { compile, link } = recipeOf({
    root,
    objects,
    output,
    env: process.env,
    platform: process.platform,
  });
  print(`compiling ${compile.length} files`);
  await runAll(compile, jobs);
  await run(link);
  await tryToLoad(output);
  // Whole or not at all, and never into a file that a running process has loaded.
  const addon = path.join(folder, 'iotkit_ota.node');
  await rename(output, addon);
  print(addon);
}

/** After a failure no more are started, and those that run are ended. */
async function runAll(steps: readonly Step[], jobs: number): Promise<void> {
  const stop = new AbortController();
  const queue = steps.values();
  const work = async (): Promise<void> => {
    for (const step of queue) await run(step, stop.signal);
  };
  const workers = Array.from({ length: jobs }, work);
  try {
    await Promise.all(workers);
  } catch (error) {
    stop.abort();
    await Promise.allSettled(workers);
    throw error;
  }
}

const execute = promisify(execFile);

async function run({ command, args }: Step, signal?: AbortSignal): Promise<void> {
  try {
    await execute(command, args, {
      cwd: root,
      maxBuffer: 64 * 1024 * 1024,
      ...(signal && { signal }),
    });
  } catch (error) {
    throw explain(command, args, error as NodeJS.ErrnoException & { readonly stderr?: string });
  }
}

function explain(
  command: string,
  args: readonly string[],
  { code, stderr = '' }: NodeJS.ErrnoException & { readonly stderr?: string },
): Error {
  if (code === 'ENOENT') {
    return new Error(
      `there is no ${command} here. Compiling needs a C and a C++ compiler (Debian, Ubuntu: ` +
        'apt-get install gcc g++; Alpine: apk add gcc g++ musl-dev; macOS: xcode-select ' +
        '--install); CC and CXX may name them.',
    );
  }
  return new Error(`${[command, ...args].join(' ')}\nfailed:\n${stderr}`);
}

/** The linker leaves names open that the runtime provides, and so also one that nobody does. */
async function tryToLoad(addon: string): Promise<void> {
  await run({ command: process.execPath, args: ['-e', `require(${JSON.stringify(addon)})`] });
}
