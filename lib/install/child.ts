/**
 * Runs a program of somebody else's, as installers and hooks do: argv without a shell, in a process
 * group of its own that ends as a whole, with a bound on time and on what is kept of its output.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';
import { IotkitError } from '../base/errors';
import { throwIfAborted, whenAborted } from '../base/signals';
import { unavailable } from './program';

/** @internal */
export interface RunOptions {
  /** The program, looked up in `PATH`, and its arguments. */
  readonly argv: readonly string[];
  /** What is set besides the environment of this process; undefined: removed from it. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  readonly cwd?: string | undefined;
  /**
   * What the program reads. A stream that throws ends the program before its input ends, so it
   * never takes a part for the whole; `run()` then rejects with what was thrown. Where a program
   * succeeds without having read all of it, the rest is read here: only a stream's end says whether
   * its bytes were the right ones.
   */
  readonly stdin?: AsyncIterable<Uint8Array> | Uint8Array | string | undefined;
  /** Milliseconds; then the group gets SIGTERM, and `graceMs` later SIGKILL. Default: no end. */
  readonly timeoutMs?: number | undefined;
  /** Between SIGTERM and SIGKILL. Default 5,000. */
  readonly graceMs?: number | undefined;
  /** Ends the group in the same way; `run()` then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Each line of its output as it comes, without the line break; the longest are cut. */
  readonly onLine?: ((line: string, from: 'stdout' | 'stderr') => void) | undefined;
}

/** @internal */
export interface RunResult {
  /** null: a signal ended it. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** The last 4 KiB of both outputs, as they came: to be shown, never to decide by. */
  readonly tail: string;
  /** The first MiB of its standard output. */
  readonly stdout: string;
  /** The first 4,096 characters of its standard error. Where one line of it decides, `onLine` sees them all. */
  readonly stderr: string;
}

const TAIL_MAX = 4096;
const STDOUT_MAX = 1024 * 1024;
const STDERR_MAX = 4096;
const LINE_MAX = 64 * 1024;
const GRACE_MS = 5000;
/** How long output is awaited after the program has ended: what it left behind may hold the pipes. */
const DRAIN_MS = 500;

/**
 * @internal Runs a program to its end. It rejects when the program cannot run or did not end by
 * itself, never because of its exit code: {@link runOrThrow} does.
 *
 * @throws IotkitError ERR_INSTALL_UNAVAILABLE (there is no such program, or it may not be run),
 *   ERR_INSTALL_TIMEOUT; the signal's reason; what `stdin` throws
 */
export async function run(options: RunOptions): Promise<RunResult> {
  throwIfAborted(options.signal);
  const child = start(options);
  const output = new Output(options.onLine);
  output.read(child.stdout as Readable, 'stdout');
  output.read(child.stderr as Readable, 'stderr');
  const ending = new Ending(child, options);
  const fed = feed(child, options.stdin, ending).catch((error: unknown) => ending.stop(error));
  try {
    const { code, signal } = await ending.ended;
    await fed;
    ending.throwIfStopped(output.tail);
    const { tail, stdout, stderr } = output;
    return { code, signal, tail, stdout, stderr };
  } finally {
    ending.release();
  }
}

/**
 * @internal As {@link run}, for a program that succeeds with 0.
 *
 * @throws IotkitError ERR_INSTALL_FAILED (with its last words) and those of {@link run}
 */
export async function runOrThrow(options: RunOptions): Promise<RunResult> {
  const result = await run(options);
  if (result.code === 0) return result;
  throw new IotkitError('ERR_INSTALL_FAILED', failureOf(options.argv, result));
}

/** @internal Which program failed how, and what it said last. */
export function failureOf(argv: readonly string[], { code, signal, tail }: RunResult): string {
  const how = signal === null ? `ended with ${code}` : `was ended by ${signal}`;
  const words = tail.trim();
  return words === '' ? `${argv[0]} ${how}` : `${argv[0]} ${how}: ${words}`;
}

function start({ argv, env, cwd, stdin }: RunOptions): ChildProcess {
  const [program = '', ...args] = argv;
  return spawn(program, args, {
    detached: true, // a group of its own
    env: { ...process.env, ...withoutNul(env) },
    ...(cwd !== undefined && { cwd }),
    stdio: [stdin === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
  });
}

/** A variable ends at a NUL, so Node.js takes none that has one. */
function withoutNul(env: RunOptions['env'] = {}): RunOptions['env'] {
  return Object.fromEntries(
    Object.entries(env).map(([name, value]) => [name, value?.replaceAll('\0', '\ufffd')]),
  );
}

async function feed(
  child: ChildProcess,
  input: RunOptions['stdin'],
  ending: Ending,
): Promise<void> {
  const { stdin } = child;
  if (stdin === null || input === undefined) return;
  // A program that has read enough closes its input: what that means, its exit code says.
  const gone = new Promise<undefined>((resolve) => {
    const onGone = (): void => resolve(undefined);
    stdin.on('error', onGone).on('close', onGone);
  });
  const chunks = chunksOf(input)[Symbol.asyncIterator]();
  for (;;) {
    const asked = chunks.next();
    const next = await Promise.race([asked, gone]);
    if (next?.done) break;
    if (next === undefined) return leave(chunks, asked, ending);
    const written = new Promise<void>((resolve) => stdin.write(next.value, () => resolve()));
    await Promise.race([written, gone]);
  }
  stdin.end();
}

/**
 * The program reads no more. If it succeeds the input is read to its end, which throws where the
 * bytes were the wrong ones: GNU tar stops at the end mark of an archive, whatever comes after it.
 */
async function leave(
  chunks: AsyncIterator<Uint8Array>,
  asked: Promise<IteratorResult<Uint8Array>>,
  ending: Ending,
): Promise<void> {
  if (await ending.hasSucceeded()) {
    let next = await Promise.race([asked, ending.stopped]);
    while (next?.done === false) next = await Promise.race([chunks.next(), ending.stopped]);
    if (next !== undefined) return;
  }
  // Whoever makes the chunks may be in the middle of one: nobody waits for that.
  chunks.return?.().catch(() => {});
}

function chunksOf(input: NonNullable<RunOptions['stdin']>): AsyncIterable<Uint8Array> {
  if (typeof input === 'string') return listOf(Buffer.from(input));
  return input instanceof Uint8Array ? listOf(input) : input;
}

async function* listOf(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

/** The end of one program: by itself, or because it was stopped. */
class Ending {
  readonly ended: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
  /** Resolves when it is stopped, which it may be after its exit too: while the input is read. */
  readonly stopped: Promise<undefined>;
  readonly #child: ChildProcess;
  readonly #options: RunOptions;
  readonly #timers: NodeJS.Timeout[] = [];
  readonly #stopListening: () => void;
  #stopped: { readonly reason: unknown } | undefined;
  #onStopped: (() => void) | undefined;
  #hasExited = false;

  constructor(child: ChildProcess, options: RunOptions) {
    this.#child = child;
    this.#options = options;
    this.ended = new Promise((resolve, reject) => {
      child.once('error', (cause) => reject(unavailable(`${options.argv[0]}`, cause)));
      child.once('exit', () => this.#exited());
      child.once('close', (code, signal) => resolve({ code, signal }));
    });
    this.stopped = new Promise((resolve) => {
      this.#onStopped = () => resolve(undefined);
    });
    this.#stopListening = whenAborted(options.signal, (reason) => this.stop(reason));
    const { timeoutMs } = options;
    if (timeoutMs !== undefined) this.#after(timeoutMs, () => this.stop(timedOut));
  }

  /** Whether the program came to its end by itself, and said that all is well. */
  async hasSucceeded(): Promise<boolean> {
    const code = await this.ended.then((end) => end.code).catch(() => null);
    return code === 0 && this.#stopped === undefined;
  }

  /** Ends the group; the reason is what `run()` rejects with. */
  stop(reason: unknown): void {
    if (this.#stopped !== undefined) return;
    this.#stopped = { reason };
    this.#onStopped?.();
    // What stays of the group then is meant to stay, or its number is already another group's.
    if (this.#hasExited) return;
    this.#kill('SIGTERM');
    this.#after(this.#options.graceMs ?? GRACE_MS, () => this.#kill('SIGKILL'));
  }

  throwIfStopped(tail: string): void {
    if (this.#stopped === undefined) return;
    const { reason } = this.#stopped;
    if (reason !== timedOut) throw reason;
    const { argv, timeoutMs } = this.#options;
    const words = tail.trim() === '' ? '' : `: ${tail.trim()}`;
    throw new IotkitError('ERR_INSTALL_TIMEOUT', `${argv[0]} ran over ${timeoutMs} ms${words}`);
  }

  release(): void {
    this.#stopListening();
    for (const timer of this.#timers) clearTimeout(timer);
  }

  // What a stopped program has left behind ends with it; what another has started, such as a
  // service, may stay, and must not hold up the end by the pipes that it has inherited.
  #exited(): void {
    this.#hasExited = true;
    if (this.#stopped !== undefined) this.#kill('SIGKILL');
    this.#after(DRAIN_MS, () => {
      this.#child.stdout?.destroy();
      this.#child.stderr?.destroy();
    });
    this.#child.stdin?.destroy();
  }

  #kill(signal: NodeJS.Signals): void {
    const { pid } = this.#child;
    if (pid === undefined) return;
    try {
      process.kill(-pid, signal);
    } catch {
      // the group is gone
    }
  }

  #after(ms: number, call: () => void): void {
    this.#timers.push(setTimeout(call, ms));
  }
}

const timedOut = Symbol('timedOut');

/** What is kept of a program's output. */
class Output {
  tail = '';
  stdout = '';
  stderr = '';
  readonly #onLine: RunOptions['onLine'];

  constructor(onLine: RunOptions['onLine']) {
    this.#onLine = onLine;
  }

  read(stream: Readable, from: 'stdout' | 'stderr'): void {
    const decoder = new StringDecoder('utf8');
    let line = '';
    stream.on('error', () => {});
    stream.on('data', (bytes: Buffer) => {
      // No text that is reported, logged or handed to another program may hold a NUL.
      const text = decoder.write(bytes).replaceAll('\0', '\ufffd');
      this.#keep(text, from);
      const lines = (line + text).split('\n');
      line = (lines.pop() ?? '').slice(0, LINE_MAX);
      for (const whole of lines) this.#onLine?.(whole.slice(0, LINE_MAX), from);
    });
    stream.on('end', () => {
      if (line !== '') this.#onLine?.(line, from);
    });
  }

  #keep(text: string, from: 'stdout' | 'stderr'): void {
    this.tail = lastBytes(this.tail + text);
    if (from === 'stdout') this.stdout = (this.stdout + text).slice(0, STDOUT_MAX);
    else this.stderr = (this.stderr + text).slice(0, STDERR_MAX);
  }
}

/** The last 4 KiB, without a character that is cut. */
function lastBytes(text: string): string {
  const bytes = Buffer.from(text);
  if (bytes.length <= TAIL_MAX) return text;
  return bytes
    .subarray(bytes.length - TAIL_MAX)
    .toString()
    .replace(/^\ufffd+/, '');
}
