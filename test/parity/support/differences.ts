import { readFileSync } from 'node:fs';
import path from 'node:path';

const document = path.join(__dirname, '../../../docs/differences.md');
const anchors = new Set(
  [...readFileSync(document, 'utf8').matchAll(/<a id="([\w-]+)">/g)].map((match) => match[1]),
);

/** One thing that was recorded of the vendor's SDK, and what ours does. */
export interface Cell {
  readonly where: string;
  readonly vendor: string;
  readonly ours: string;
}

/**
 * Cells that differ for one reason: a row of docs/differences.md. `where` and `ours` must match
 * whole.
 */
export interface Rule {
  readonly where: RegExp;
  readonly ours: RegExp;
  readonly anchor: string;
}

export interface Verdict {
  readonly same: number;
  readonly onPurpose: ReadonlyMap<string, number>;
  readonly unexplained: readonly Cell[];
}

/**
 * Judges every cell; a rule that names no row of the document, or explains nothing, is an error
 * itself.
 */
export function judge(cells: readonly Cell[], rules: readonly Rule[]): Verdict {
  let same = 0;
  const onPurpose = new Map<string, number>();
  const unexplained: Cell[] = [];
  const used = new Set<Rule>();
  for (const cell of cells) {
    if (cell.vendor === cell.ours) {
      same++;
      continue;
    }
    const rule = rules.find(
      ({ where, ours }) => whole(where, cell.where) && whole(ours, cell.ours),
    );
    if (!rule) {
      unexplained.push(cell);
      continue;
    }
    used.add(rule);
    onPurpose.set(rule.anchor, (onPurpose.get(rule.anchor) ?? 0) + 1);
  }
  for (const rule of rules) {
    if (!anchors.has(rule.anchor)) throw new Error(`docs/differences.md has no row ${rule.anchor}`);
    if (!used.has(rule)) throw new Error(`nothing differs as ${rule.where} (${rule.anchor}) says`);
  }
  return { same, onPurpose, unexplained };
}

const whole = (pattern: RegExp, text: string) =>
  new RegExp(`^(?:${pattern.source})$`, 's').test(text);

/** Judges, says how many cells are the same, and fails on one that nothing explains. */
export function report(what: string, cells: readonly Cell[], rules: readonly Rule[]): void {
  const { same, onPurpose, unexplained } = judge(cells, rules);
  const rows = [...onPurpose].map(([anchor, count]) => `${anchor} ${count}`).join(', ');
  const differ = cells.length - same - unexplained.length;
  process.stdout.write(
    `${what}: ${cells.length} recorded cells, ${same} same, ${differ} differ on purpose (${rows})
`,
  );
  expect(unexplained).toEqual([]);
}
