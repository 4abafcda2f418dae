import type { CommonOptions } from './flags';
import { printable, toJson } from './printable';

/** Prints an answer as JSON, or as `human` has it. */
export function print(options: CommonOptions, answer: unknown, human: () => string): void {
  process.stdout.write(options.json ? `${toJson(answer, 2)}\n` : human());
}

/** Rows as aligned columns, two spaces apart; no cell steers the terminal. */
export function table(cells: readonly (readonly string[])[]): string {
  const rows = cells.map((row) => row.map(printable));
  const widths: number[] = [];
  for (const row of rows) {
    for (const [index, cell] of row.entries()) {
      widths[index] = Math.max(widths[index] ?? 0, cell.length);
    }
  }
  const line = (row: readonly string[]): string =>
    row
      .map((cell, index) => cell.padEnd(widths[index] ?? 0))
      .join('  ')
      .trimEnd();
  return `${rows.map(line).join('\n')}\n`;
}
