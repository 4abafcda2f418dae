// A section as text.
import { type Goal, goalsOf } from './goals';
import { type Row, stagesOf } from './ratios';
import { type Peer, rowName, type Section } from './section';

export const names: Readonly<Record<Peer, string>> = {
  node: 'Node get → hash → file',
  undici: 'undici → hash → file',
  curl: 'curl -o, then sum',
  alone: 'C library alone → file',
  'alone-fetch': 'C library alone, no file',
  file: 'iotkit-ota → file',
  'file-other': '… with the other threads',
  chunks: 'iotkit-ota chunks, fresh',
  recycled: 'iotkit-ota chunks, recycled',
};

const MIB = 2 ** 20;
const WIDTH = 10;

const fixed = (digits: number, value: number | undefined): string => value?.toFixed(digits) ?? '-';

/** Columns that say nothing where other programs want the processors. */
export const quietColumns: readonly string[] = [
  'MB/s',
  'of limit',
  '÷ Node',
  '÷ undici',
  '÷ curl',
  '÷ C alone',
  'event loop',
  'JS thread',
];

/** Heads and cells of the columns, for text and for the page. */
export const columns: readonly (readonly [head: string, cell: (row: Row) => string])[] = [
  ['MB/s', (row) => fixed(0, row.megabytesPerSecond)],
  ['CPU s/GiB', (row) => fixed(2, row.cpuSecondsPerGiB)],
  ['CPU ÷ floor', (row) => fixed(2, row.cpuOverFloor)],
  ['of limit', (row) => fixed(2, row.shareOfLimit)],
  ['÷ Node', (row) => fixed(2, row.speedOver.node)],
  ['÷ undici', (row) => fixed(2, row.speedOver.undici)],
  ['÷ curl', (row) => fixed(2, row.speedOver.curl)],
  ['÷ C alone', (row) => fixed(2, row.speedOver[alike(row.peer)])],
  ['CPU ÷ Node', (row) => fixed(2, row.cpuOver.node)],
  ['event loop', (row) => fixed(3, row.eventLoop)],
  ['JS thread', (row) => fixed(3, row.jsThread)],
  ['MiB', (row) => fixed(1, row.rssOverIdleBytes && row.rssOverIdleBytes / MIB)],
  ['server', (row) => fixed(2, row.serverCpuPerGiB)],
];

/** The program over the C library that does the same work. */
const alike = (peer: Peer): Peer =>
  peer === 'chunks' || peer === 'recycled' || peer === 'alone-fetch' ? 'alone-fetch' : 'alone';

const where = { free: '', apart: ', a core each', together: ', on one core' };

export const title = (section: Section): string =>
  `${rowName(section).toUpperCase()}, ${section.size / MIB} MiB${where[section.placement]}`;

export function toText(section: Section, rows: readonly Row[]): string {
  const runs = Math.max(...Object.values(section.costs).map((costs) => costs.length));
  const floor = [...stagesOf(section)].map(([stage, cpu]) => `${stage} ${cpu.toFixed(2)}`);
  return [
    `${title(section)}, medians of ${runs}; floor, CPU s/GiB: ${floor.join(', ')}`,
    toLine(
      '',
      columns.map(([head]) => head),
    ),
    ...rows.map((row) =>
      toLine(
        names[row.peer],
        columns.map(([, cell]) => cell(row)),
      ),
    ),
    ...goalsOf(rows, section.placement).map(goalLine),
    '',
  ].join('\n');
}

const toLine = (first: string, rest: readonly string[]): string =>
  `  ${first.padEnd(27)}${rest.map((text) => text.padStart(WIDTH + 2)).join('')}`;

export const goalLine = ({ what, value, goal, met }: Goal): string =>
  `  ${met ? 'met   ' : 'missed'} ${what}: ${value.toFixed(3)}, goal ${goal}`;
