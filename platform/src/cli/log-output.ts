import { writeSync } from 'node:fs';
import { Socket } from 'node:net';

/**
 * Where the log is written. Whatever becomes of it, a full disk or a reader that has gone, the platform
 * serves on. Lines that a disk had no room for are counted, and the count is the next line it takes.
 */
export class LogOutput {
  readonly #stream: NodeJS.WritableStream;
  readonly #lostLine: (lost: number) => string;
  /** Of a file: its stream would be destroyed by the first error, and never write again. */
  readonly #file: number | undefined;
  #lost = 0;
  #isMidLine = false;

  constructor(stream: NodeJS.WritableStream, lostLine: (lost: number) => string) {
    this.#stream = stream;
    this.#lostLine = lostLine;
    const { fd } = stream as { readonly fd?: unknown };
    this.#file = typeof fd === 'number' && !(stream instanceof Socket) ? fd : undefined;
    stream.on('error', () => undefined);
  }

  /** Lines, each with its end. */
  write(lines: string): void {
    if (this.#file === undefined) {
      this.#stream.write(lines);
      return;
    }
    try {
      if (this.#lost > 0) this.#append(this.#file, this.#lostLine(this.#lost));
      this.#lost = 0;
      this.#append(this.#file, lines);
    } catch {
      this.#lost++;
    }
  }

  #append(file: number, lines: string): void {
    let rest = Buffer.from(this.#isMidLine ? `\n${lines}` : lines);
    while (rest.length > 0) {
      rest = rest.subarray(writeSync(file, rest));
      this.#isMidLine = rest.length > 0;
    }
  }
}
