import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { scenarios } from './scenarios';

const root = path.join(__dirname, '../..');
const rows = readFileSync(path.join(root, 'docs/differences.md'), 'utf8')
  .split('\n')
  .filter((line) => line.startsWith('| <a id='))
  .map((line) =>
    line
      .slice(1, -1)
      .split('|')
      .map((cell) => cell.trim()),
  )
  .map((cells) => ({
    anchor: /id="([\w-]+)"><\/a>(.*)$/.exec(cells[0] ?? ''),
    cells: cells.length,
    shownBy: cells[4] ?? '',
  }));

const vendorTests = readdirSync(__dirname)
  .filter((name) => name.startsWith('vendor'))
  .map((name) => readFileSync(path.join(__dirname, name), 'utf8'))
  .join('');

/** Whether there is what a row says shows it. */
function exists(kind: string, name: string): boolean {
  if (kind === 'vendor') return new RegExp(`\\('${name}[,']|\\n\\s+'${name}[,']`).test(vendorTests);
  if (kind === 'parity') return scenarios.some((scenario) => scenario.name.startsWith(name));
  return existsSync(path.join(root, 'deps/iotkit/test', name));
}

test('each difference has an anchor of its own and names what shows it', () => {
  expect(rows.length).toBeGreaterThan(40);
  expect(new Set(rows.map(({ anchor }) => anchor?.[1])).size).toBe(rows.length);
  const missing: string[] = [];
  for (const { anchor, cells, shownBy } of rows) {
    expect([cells, anchor?.[1]]).toEqual([5, anchor?.[2]]);
    let kind = '';
    for (const item of shownBy.split('; ')) {
      const [, prefix = '', rest = item] = /^(parity|vendor): (.*)$/.exec(item) ?? [];
      kind = prefix || (/^(?:\w+\/)+test_\w+\.c$/.test(item) ? 'c' : kind);
      if (!exists(kind, rest)) missing.push(`${anchor?.[1]}: ${item}`);
    }
  }
  expect(missing).toEqual([]);
});
