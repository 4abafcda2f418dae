/** docs/download.md says what the code does, as far as a test can tell. */
import fs from 'node:fs';
import path from 'node:path';
import { type ErrorCode, IotkitError } from '../../../lib/base/errors';
import { failureStep } from '../../../lib/download/reporter';
import { errorCodes } from '../../../lib/generated/error-codes';
import { connections } from '../../integration/download-cases/connections';
import { framing } from '../../integration/download-cases/framing';
import { heads } from '../../integration/download-cases/heads';
import { parallel } from '../../integration/download-cases/parallel';
import { policies } from '../../integration/download-cases/policies';
import { ranges } from '../../integration/download-cases/ranges';
import { redirects } from '../../integration/download-cases/redirects';
import { statuses } from '../../integration/download-cases/statuses';

const root = path.join(__dirname, '../../..');
const file = path.join(root, 'docs/download.md');
const text = fs.readFileSync(file, 'utf8');

/** A row of a table by the names of its columns. */
type Row = Readonly<Record<string, string>>;

function cellsOf(line: string): string[] {
  const cells = line.split('|').slice(1, -1);
  return cells.map((cell) => cell.trim());
}

/** All rows of all tables. */
function rowsOf(markdown: string): Row[] {
  const tables = markdown.match(/(?:^\|.*\n)+/gm) ?? [];
  return tables.flatMap((table) => {
    const [head = '', , ...lines] = table.trim().split('\n');
    const names = cellsOf(head);
    return lines.map((line) => {
      const cells = cellsOf(line);
      expect(cells).toHaveLength(names.length);
      return Object.fromEntries(names.map((name, i) => [name, cells[i] ?? '']));
    });
  });
}

function codesOf(markdown: string): ErrorCode[] {
  return [...markdown.matchAll(/\bERR_[A-Z_]+\b/g)].map(([code]) => code as ErrorCode);
}

const rows = rowsOf(text);
const failures = rows.flatMap(({ code = '', step = '' }) =>
  codesOf(code).map((it) => ({ code: it, step })),
);

test('every code is one', () => {
  const unknown = codesOf(text).filter((code) => !(code in errorCodes));
  expect(unknown).toEqual([]);
});

test.each(failures.filter(({ step }) => /^-\d$/.test(step)))('$code is step $step', (row) => {
  expect(failureStep(new IotkitError(row.code))).toBe(Number(row.step));
});

test('what is retried may succeed later, what is not may not', () => {
  const wrong = rows
    .filter((row) => /^-\d$/.test(row.step ?? '') && row['what the engine does'] !== undefined)
    .flatMap((row) => codesOf(row.code ?? '').map((code) => ({ code, row })))
    .filter(({ code, row }) => {
      const again = row['what the engine does']?.startsWith('again') ?? false;
      return again && !errorCodes[code].retryable;
    });
  expect(wrong).toEqual([]);
});

test('what the case tables end with is told', () => {
  const all = [connections, framing, heads, parallel, policies, ranges, redirects, statuses].flat();
  const ends = new Set(all.flatMap(({ ends, chunks }) => [ends, chunks?.ends ?? ends]));
  ends.delete('ok');
  const told = new Set<string>(codesOf(text));
  expect([...ends].filter((code) => !told.has(code))).toEqual([]);
});

test('every option of fetch is told, and no other', () => {
  const source = fs.readFileSync(path.join(root, 'lib/options/fetch.ts'), 'utf8');
  const [, declared = ''] = /export interface FetchOptions \{\n(.*?)\n\}/s.exec(source) ?? [];
  const options = [...declared.matchAll(/^ {2}readonly (\w+)\?:/gm)].map(([, name]) => name);
  const told = rows
    .filter((row) => 'TypeScript' in row)
    .flatMap(({ TypeScript = '' }) => [...TypeScript.matchAll(/`(\w+)[^`]*`/g)])
    .map(([, name]) => name);
  expect(told.toSorted()).toEqual(options.toSorted());
});

test('the defaults are those of the C SDK', () => {
  const source = fs.readFileSync(path.join(root, 'deps/iotkit/src/download/options.c'), 'utf8');
  const constants = [...source.matchAll(/^#define (\w+) (\d+)$/gm)];
  const told = new Map(
    rows
      .filter((row) => 'TypeScript' in row)
      .flatMap(({ C = '', default: value = '' }) => {
        const names = [...C.matchAll(/`(\w+)`/g)].map(([, name]) => name);
        const values = value.match(/\d[\d,]*(?=,? |$)/g) ?? [];
        return names.map((name, i) => [name, values[i]?.replaceAll(',', '')] as const);
      }),
  );
  expect(constants.length).toBeGreaterThan(5);
  for (const [, name = '', value] of constants) {
    expect([name, told.get(name.toLowerCase())]).toEqual([name, value]);
  }
});

test('links lead somewhere', () => {
  const headings = [...text.matchAll(/^#+ (.*)$/gm)].map(
    ([, heading = '']) =>
      `#${heading
        .toLowerCase()
        .replace(/[^\w -]/g, '')
        .replaceAll(' ', '-')}`,
  );
  const links = [...text.matchAll(/\]\(([^)]+)\)/gs)].map(([, link = '']) => link);
  const dead = links.filter((link) =>
    link.startsWith('#')
      ? !headings.includes(link)
      : !fs.existsSync(path.join(path.dirname(file), link)),
  );
  expect(dead).toEqual([]);
});
