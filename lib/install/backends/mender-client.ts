// Tested by test/peers/install/mender.test.ts.
/** The client of Mender, run once for each call: what it is called, and what it says. */
import { type ErrorCode, IotkitError } from '../../base/errors';
import { failureOf, type RunOptions, type RunResult, run } from '../child';
import { Machine } from '../detect';
import { assertProgram } from '../program';

/** @internal */
export interface MenderClientOptions {
  /** The program and what comes before each subcommand; undefined: what the machine has. */
  readonly command: readonly string[] | undefined;
  readonly timeoutMs: number;
}

/** `commit` and `rollback` where no update is under way. */
const NOTHING_TO_DO = 2;
/** Dots that version 3 writes from 0 to 100 %. */
const DOTS = 70;

/** @internal */
export class MenderClient {
  constructor(private readonly options: MenderClientOptions) {}

  /** @throws IotkitError ERR_INSTALL_UNAVAILABLE: there is none */
  async check(): Promise<void> {
    const [program = ''] = this.#argv([]);
    await assertProgram(program);
  }

  /** Installs and activates. With `stdin` the artifact is that, otherwise the file. */
  async install(
    file: string | undefined,
    options: Pick<RunOptions, 'stdin' | 'signal'>,
    onProgress: (fraction: number, step: string) => void,
  ): Promise<void> {
    const words = new Words();
    const argv =
      file === undefined
        ? // It opens a path, and what Node.js gives a child as its input cannot be opened by one.
          ['sh', '-c', 'cat | "$@"', 'sh', ...this.#argv(['install', '/dev/stdin'])]
        : this.#argv(['install', file]);
    const result = await this.#run(argv, words, {
      ...options,
      onWords: () => onProgress(Math.min(1, words.dots / DOTS), words.step),
    });
    if (result.code !== 0) throw failed(argv, result, words);
  }

  /** Whether there was an update to confirm. */
  commit(): Promise<boolean> {
    return this.#end('commit');
  }

  /** Whether there was an update to take back. */
  rollback(): Promise<boolean> {
    return this.#end('rollback');
  }

  async #end(how: 'commit' | 'rollback'): Promise<boolean> {
    const words = new Words();
    const argv = this.#argv([how]);
    const result = await this.#run(argv, words, {});
    if (result.code === 0) return true;
    if (result.code === NOTHING_TO_DO) return false;
    throw failed(argv, result, words);
  }

  #argv(args: readonly string[]): readonly string[] {
    const { command } = this.options;
    if (command !== undefined) return [...command, ...args];
    const machine = new Machine(process.env.PATH ?? '', '/');
    // Since version 4 there are two programs; this is the one that installs.
    return [machine.tool('mender-update') ?? machine.tool('mender') ?? 'mender', ...args];
  }

  #run(
    argv: readonly string[],
    words: Words,
    { onWords, ...options }: Partial<RunOptions> & { readonly onWords?: () => void },
  ): Promise<RunResult> {
    return run({
      argv,
      timeoutMs: this.options.timeoutMs,
      env: { LC_ALL: 'C' },
      ...options,
      onLine: (line) => {
        words.take(line);
        onWords?.();
      },
    });
  }
}

/** What it writes: `…time="…" level=error msg="…"`, with the dots of its progress in between. */
class Words {
  step = '';
  dots = 0;
  error = '';

  take(line: string): void {
    this.dots += /^\.*/.exec(line)?.[0].length ?? 0;
    const [, level, quoted = ''] =
      /\b(?:level|severity)=(\w+)\b.*?\bmsg="((?:[^"\\]|\\.)*)"/.exec(line) ?? [];
    const message = quoted.replace(/\\(.)/g, '$1');
    if (level === 'error' || level === 'fatal') this.error = message;
    else if (level === 'info') this.step = message;
  }
}

const causes: ReadonlyArray<readonly [RegExp, ErrorCode]> = [
  [/no space left|larger than the size/i, 'ERR_NO_SPACE'],
  [
    /not compatible|sign|checksum|not supported by this|read artifact|corrupt|unexpected EOF|depend/i,
    'ERR_INSTALL_REFUSED',
  ],
];

function failed(argv: readonly string[], result: RunResult, { error }: Words): IotkitError {
  const code = causes.find(([cause]) => cause.test(error))?.[1] ?? 'ERR_INSTALL_FAILED';
  return new IotkitError(code, error === '' ? failureOf(argv, result) : `Mender: ${error}`);
}
