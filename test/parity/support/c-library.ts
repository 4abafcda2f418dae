import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import type { Backend } from './run';
import type { Arg, Event, Reply } from './scenario';

/** The C library in a process of its own, without Node. */
export class CLibrary implements Backend {
  readonly events: Event[] = [];
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #waiting: { resolve: (reply: Reply) => void; reject: (error: Error) => void }[] = [];
  readonly #closed: Promise<unknown[]>;
  #errors = '';
  #ended: Error | undefined;

  constructor(program: string) {
    this.#child = spawn(program, [], { stdio: ['pipe', 'pipe', 'pipe'] });
    this.#closed = once(this.#child, 'close');
    this.#child.stdin.on('error', () => undefined); // `close` says why
    this.#child.stderr.on('data', (chunk: Buffer) => {
      this.#errors += chunk.toString();
    });
    createInterface({ input: this.#child.stdout }).on('line', (line) => this.#take(line));
    this.#child.on('close', (code, signal) => {
      this.#ended = new Error(`the driver ended: ${signal ?? code} ${this.#errors}`);
      for (const { reject } of this.#waiting.splice(0)) reject(this.#ended);
    });
  }

  call(fn: string, args: readonly Arg[]): Promise<Reply> {
    return new Promise((resolve, reject) => {
      if (this.#ended) return reject(this.#ended);
      this.#waiting.push({ resolve, reject });
      this.#child.stdin.write(`${lineOf(fn, args)}\n`);
    });
  }

  /** Ends it; it must end well. */
  async close(): Promise<void> {
    this.#child.stdin.end();
    const [code, signal] = await this.#closed;
    if (code !== 0) throw new Error(`the driver ended with ${signal ?? code}: ${this.#errors}`);
  }

  #take(line: string): void {
    const { answer, events } = JSON.parse(line) as { answer: Reply; events: Event[] };
    this.events.push(...events);
    this.#waiting.shift()?.resolve(answer);
  }
}

/** A line of driver.h. */
export function lineOf(fn: string, args: readonly Arg[]): string {
  return [fn, ...args.map(token)].join('\t');
}

function token(arg: Arg): string {
  if (arg === null) return '~';
  if (typeof arg === 'number') return `n${arg}`;
  if (typeof arg === 'string') return `s${Buffer.from(arg, 'utf8').toString('hex')}`;
  if ('handle' in arg) return `@${arg.handle}`;
  if ('buffer' in arg) return `b${arg.buffer},${arg.at ?? 0}`;
  return `p${arg.pointer === 'NULL' ? 0 : 1},${arg.length ?? 8}`;
}
