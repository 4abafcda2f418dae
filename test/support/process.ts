import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';

/** A program that was started for a test, and is ended by its owner. */
export interface Running {
  readonly pid: number;
  /** All it has written so far. */
  readonly output: () => string;
  /** Ends it by a signal, SIGTERM unless another is given; resolves when it is gone. */
  readonly stop: (signal?: NodeJS.Signals) => Promise<void>;
}

/** How a program has ended, and what it said. */
export interface Ended {
  /** null: by a signal. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunningOptions {
  /** What it writes when it can be used. */
  readonly ready: RegExp;
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** Whom it runs as. Default: us. */
  readonly uid?: number;
  readonly gid?: number;
}

/**
 * Starts a program and resolves when it says that it is ready; rejects with its output when it
 * ends before.
 */
export async function start(
  command: string,
  args: readonly string[],
  { ready, env = process.env, ...options }: RunningOptions,
): Promise<Running> {
  const child = spawn(command, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env,
    ...options,
  });
  const output = collect(child);
  const kill = (): boolean => child.kill();
  process.once('exit', kill);
  child.once('close', () => process.off('exit', kill));
  await becomesReady(child, output, ready, command);
  return {
    pid: child.pid as number,
    output: output.text,
    stop: (signal = 'SIGTERM') => stop(child, signal),
  };
}

/** Runs a program to its end. */
export async function run(
  command: string,
  args: readonly string[],
  options: { readonly env?: NodeJS.ProcessEnv; readonly cwd?: string } = {},
): Promise<Ended> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  return {
    code,
    signal,
    stdout: Buffer.concat(stdout).toString(),
    stderr: Buffer.concat(stderr).toString(),
  };
}

/** As {@link run}, but anything but exit code 0 throws with what the program said. */
export async function runWell(
  command: string,
  args: readonly string[],
  options: { readonly env?: NodeJS.ProcessEnv; readonly cwd?: string } = {},
): Promise<string> {
  const { code, stdout, stderr } = await run(command, args, options);
  if (code !== 0) {
    throw new Error(`${command} ${args.join(' ')} ended with ${code}:\n${stdout}${stderr}`);
  }
  return stdout;
}

interface Output {
  readonly text: () => string;
  readonly onText: (listener: () => void) => void;
}

function collect(child: ChildProcess): Output {
  let text = '';
  const listeners: Array<() => void> = [];
  const add = (chunk: Buffer): void => {
    text += chunk.toString();
    for (const listener of listeners) listener();
  };
  child.stdout?.on('data', add);
  child.stderr?.on('data', add);
  return { text: () => text, onText: (listener) => listeners.push(listener) };
}

function becomesReady(
  child: ChildProcess,
  output: Output,
  ready: RegExp,
  command: string,
): Promise<void> {
  return new Promise((resolve, reject) => {
    output.onText(() => {
      if (ready.test(output.text())) resolve();
    });
    child.on('error', (error) => reject(new Error(`cannot run ${command}: ${error.message}`)));
    child.on('close', (code, signal) => {
      reject(new Error(`${command} ended with ${signal ?? code} at its start:\n${output.text()}`));
    });
  });
}

async function stop(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const closed = once(child, 'close');
  child.kill(signal);
  await closed;
}
