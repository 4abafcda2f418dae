// The part of docs/performance.md about one image for many devices, from what share.mjs has measured.
import { svgFile } from './svg';

/** How the devices got their files. */
export type Way = 'linked' | 'copied' | 'each';

/** Medians of so many devices in one process. */
export interface SharedRow {
  readonly devices: number;
  readonly way: Way;
  /** Seconds, of the program and of the server. */
  readonly cpu: number;
  readonly serverCpu: number;
  /** The highest resident size over that before the first download. */
  readonly memoryKiB: number;
  readonly requests: number;
  /** Sent by the server. */
  readonly bytes: number;
  /** Bytes that the files take on the disk. */
  readonly onDisk: number;
  /** How many files there are, whatever their names. */
  readonly files: number;
}

/** `share.json`. */
export interface SharedFigures {
  /** ISO 8601. */
  readonly date: string;
  /** Size of the image. */
  readonly mib: number;
  readonly runs: number;
  /** Of the machine, before. */
  readonly load: number;
  readonly cpu: string;
  readonly cores: number;
  /** The file system of the files. */
  readonly disk: string;
  readonly rows: readonly SharedRow[];
}

const TITLE = '## One image for many';
const NEXT = '## What was changed for speed';
const MIB = 2 ** 20;
const names: Readonly<Record<Way, string>> = {
  linked: 'hard links',
  copied: 'copies',
  each: 'each for itself',
};

/** The page with this part as `figures` have it: in the place of the one that is there, or before the last part. */
export function replaceShared(page: string, figures: SharedFigures): string {
  const end = page.indexOf(NEXT);
  const begin = page.indexOf(TITLE);
  if (end < 0) throw new Error(`the page has no "${NEXT}"`);
  return page.slice(0, begin < 0 ? end : begin) + sharedPart(figures) + page.slice(end);
}

function sharedPart({ mib, runs, load, cpu, cores, disk, rows }: SharedFigures): string {
  const cells = rows.map((row) => [
    `${row.devices}`,
    names[row.way],
    `${row.requests}`,
    (row.bytes / MIB).toFixed(0),
    row.cpu.toFixed(2),
    row.serverCpu.toFixed(2),
    (row.memoryKiB / 1024).toFixed(1),
    `${row.files}`,
    (row.onDisk / MIB).toFixed(0),
  ]);
  return `${TITLE}

An image of ${mib} MiB that many devices of one process want at once, each for a file of its own
([docs/download.md](download.md#one-image-for-many)), by [bench/share.mjs](../bench/share.mjs): by hard links
(\`share: 'link'\`), by copies, and with \`share: false\`. Medians of ${runs} runs in turn, ${cores} × ${cpu}, load of
the machine ${load.toFixed(1)}. CPU is that of all threads of the program, in seconds; the server sends from memory over
loopback, so that a fetch costs no network, and the files are on ${disk}. Memory is what the downloads take over the
program with its devices. A download that begins when no other waits any more fetches anew: links are soon made.

![CPU time of the program](performance-share-cpu.svg)

![Memory](performance-share-memory.svg)

| devices | | requests | MiB fetched | CPU | CPU of the server | MiB of memory | files | MiB on disk |
|--:|---|--:|--:|--:|--:|--:|--:|--:|
${cells.map((row) => `| ${row.join(' | ')} |`).join('\n')}

`;
}

/** File names and their SVG. */
export async function sharedPlots({ rows }: SharedFigures): Promise<Map<string, string>> {
  const cpu = rows.map((row) => ({ ...point(row), value: row.cpu }));
  const memory = rows.map((row) => ({ ...point(row), value: row.memoryKiB / 1024 }));
  return new Map([
    ['performance-share-cpu.svg', await lines(cpu, 'CPU seconds of the program: less is better')],
    ['performance-share-memory.svg', await lines(memory, 'MiB of memory: less is better')],
  ]);
}

const point = ({ devices, way }: SharedRow) => ({ devices, way: names[way] });

interface Point {
  readonly devices: number;
  readonly way: string;
  readonly value: number;
}

function lines(points: readonly Point[], label: string): Promise<string> {
  const most = Math.max(...points.map(({ devices }) => devices));
  return svgFile(label, (Plot) => ({
    height: 320,
    marginRight: 110,
    x: { label: 'devices', grid: true },
    y: { label, grid: true, zero: true },
    color: { domain: Object.values(names), range: ['#1f6feb', '#2da44e', '#9aa4ae'] },
    marks: [
      Plot.line(points, { x: 'devices', y: 'value', stroke: 'way', strokeWidth: 2 }),
      Plot.dot(points, { x: 'devices', y: 'value', fill: 'way' }),
      Plot.text(
        points.filter(({ devices }) => devices === most),
        {
          x: 'devices',
          y: 'value',
          text: ({ way }: Point) => way,
          dx: 8,
          textAnchor: 'start',
        },
      ),
    ],
  }));
}
