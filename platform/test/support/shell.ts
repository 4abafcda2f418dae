import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { atEnd } from './clean-up';
import { temporaryFolder } from './start';

// The command line as a shell runs it: compiled once for a file of tests, a state directory for each.

const root = join(__dirname, '..', '..', '..');
/** Compiled beside the sources, so that it finds its packages. */
export let compiled: string;
export let stateDir: string;
export let environment: NodeJS.ProcessEnv;

export interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export function runProgram(program: string, args: readonly string[]): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(program, args, { env: environment }, (error, out, err) => {
      resolve({ code: error === null ? 0 : Number(error.code), out, err });
    });
  });
}

export function cli(...args: string[]): Promise<Ended> {
  return runProgram(process.execPath, [join(compiled, 'cli.js'), ...args]);
}

/** Runs a command that must succeed and gives its JSON. */
export async function json<T>(...args: string[]): Promise<T> {
  const { code, out, err } = await cli(...args, '--json');
  expect([code, err]).toEqual([0, '']);
  return JSON.parse(out) as T;
}

/** Starts `serve` and resolves with what it printed when it is ready. */
export async function serve(
  ...args: string[]
): Promise<{ child: ChildProcess; printed: string[] }> {
  const ports = ['mqtt', 'mqtts', 'http', 'https', 'api'].flatMap((name) => [
    `--${name}-port`,
    '0',
  ]);
  const child = spawn(process.execPath, [join(compiled, 'cli.js'), 'serve', ...ports, ...args], {
    env: environment,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  atEnd(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  });
  const printed: string[] = [];
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream });
  await new Promise<void>((resolve, reject) => {
    lines.on('line', (line) => {
      printed.push(line);
      if (line === 'ready') resolve();
    });
    child.once('exit', (code) => reject(new Error(`serve ended with ${code}`)));
  });
  return { child, printed };
}

beforeAll(async () => {
  const cache = join(root, 'platform', '.cache');
  await mkdir(cache, { recursive: true });
  compiled = mkdtempSync(join(cache, 'cli-'));
  environment = { ...process.env };
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const { code, out } = await runProgram(process.execPath, [
    tsc,
    ...['-p', join(root, 'platform'), '--outDir', compiled],
    ...['--tsBuildInfoFile', join(compiled, 'tsbuildinfo')],
  ]);
  if (code !== 0) throw new Error(out);
});

afterAll(() => rmSync(compiled, { recursive: true, force: true }));

beforeEach(async () => {
  stateDir = await temporaryFolder();
  environment = { ...process.env, IOTKIT_PLATFORM_STATE_DIR: stateDir };
});
