// Tested by test/unit/cli/progress-line.test.ts
/** How far a command has come: one line on a terminal, written over and over; nothing elsewhere. */

/** As much of a terminal as a line needs. */
export interface Terminal {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  write(text: string): unknown;
}

const BAR_MAX = 40;

export class ProgressLine {
  readonly #terminal: Terminal | undefined;
  #shown = '';

  /** @param isWanted false: nothing is shown, on a terminal either */
  constructor(isWanted = true, terminal: Terminal = process.stderr) {
    this.#terminal = isWanted && terminal.isTTY === true ? terminal : undefined;
  }

  show(text: string): void {
    if (this.#terminal === undefined) return;
    // A line that is broken could not be written over.
    const line = text.slice(0, Math.max(1, this.#columns() - 1));
    if (line === this.#shown) return;
    this.#terminal.write(`\r${line.padEnd(this.#shown.length)}`);
    this.#shown = line;
  }

  /** A bar, from 0 to 1, after its name and before what else there is to say. */
  bar(name: string, fraction: number, more = ''): void {
    const width = Math.max(0, Math.min(BAR_MAX, this.#columns() - name.length - more.length - 12));
    const done = Math.floor(fraction * width);
    const percent = `${Math.floor(100 * fraction)} %`.padStart(5);
    this.show(`${name} [${'#'.repeat(done)}${'.'.repeat(width - done)}] ${percent} ${more}`);
  }

  /** A serial console knows nothing of its width, and says 0. */
  #columns(): number {
    return this.#terminal?.columns || 80;
  }

  end(): void {
    if (this.#shown !== '') this.#terminal?.write(`\r${' '.repeat(this.#shown.length)}\r`);
    this.#shown = '';
  }
}

/** Bytes in the unit that fits. */
export function inUnits(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const power = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(1, bytes)) / 10));
  const value = bytes / 1024 ** power;
  return `${power === 0 ? value : value.toFixed(1)} ${units[power]}`;
}
