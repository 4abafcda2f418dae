// The plots of docs/performance.md, as SVG.

import type { Figures } from './figures';
import { QUIET_LOAD } from './goals';
import { type DevicesFigures, type Dot, dotsOf } from './growth';
import { floorOf, rowsOf, stagesOf } from './ratios';
import { names } from './report';
import { rowName, type Section } from './section';
import { svgFile } from './svg';

interface Bar {
  readonly section: string;
  readonly name: string;
  readonly value: number;
  readonly ours: boolean;
}

const FLOOR = 'floor: the stages alone';
const fills = { ours: '#1f6feb', others: '#9aa4ae' };

/** File names and their SVG. */
export async function plotsOf(figures: Figures): Promise<Map<string, string>> {
  const free = figures.sections.filter((section) => section.placement === 'free');
  const cpu = free.flatMap((section) => [
    {
      section: rowName(section).toUpperCase(),
      name: FLOOR,
      value: floorOf('file', stagesOf(section)).reduce((a, b) => a + b, 0),
      ours: false,
    },
    ...barsOf(section, figures.cores, 'cpuSecondsPerGiB'),
  ]);
  const speed = free.flatMap((section) => barsOf(section, figures.cores, 'megabytesPerSecond'));
  const cpuPlot = await plot(cpu, 'CPU seconds a GiB: less is better', 2);
  if (figures.load[0] > QUIET_LOAD) return new Map([['performance-cpu.svg', cpuPlot]]);
  return new Map([
    ['performance-cpu.svg', cpuPlot],
    ['performance-speed.svg', await plot(speed, 'MB/s: more is better', 0)],
  ]);
}

const barsOf = (
  section: Section,
  cores: number,
  what: 'cpuSecondsPerGiB' | 'megabytesPerSecond',
): Bar[] =>
  rowsOf(section, cores).map((row) => ({
    section: rowName(section).toUpperCase(),
    name: names[row.peer],
    value: row[what],
    ours: ['file', 'file-other', 'chunks', 'recycled'].includes(row.peer),
  }));

/** How a process grows with its devices; empty where nothing was measured. */
export async function devicesPlot(figures: DevicesFigures): Promise<Map<string, string>> {
  const dots = dotsOf(figures);
  if (dots.length === 0) return new Map();
  const label = 'MiB resident, by devices in one process: less is better';
  const lines = { x: 'devices', y: 'mebibytes', z: 'name' };
  const svg = await svgFile(label, (Plot) => ({
    height: 420,
    marginRight: 130,
    x: { label: 'devices', type: 'log', grid: true },
    y: { label: 'MiB', grid: true },
    marks: [
      Plot.line(dots, { ...lines, stroke: ({ ours }: Dot) => (ours ? fills.ours : fills.others) }),
      Plot.dot(dots, { ...lines, fill: ({ ours }: Dot) => (ours ? fills.ours : fills.others) }),
      Plot.text(dots, Plot.selectLast({ ...lines, text: 'name', dx: 6, textAnchor: 'start' })),
    ],
  }));
  return new Map([['performance-devices.svg', svg]]);
}

function plot(bars: readonly Bar[], label: string, digits: number): Promise<string> {
  const order = [...new Set(bars.map(({ name }) => name))];
  return svgFile(label, (Plot) => ({
    height: 60 + bars.length * 22,
    marginLeft: 190,
    marginRight: 110,
    x: { label, grid: true },
    y: { label: null, domain: order },
    fy: { label: null },
    marks: [
      Plot.barX(bars, {
        fy: 'section',
        y: 'name',
        x: 'value',
        fill: ({ ours }: Bar) => (ours ? fills.ours : fills.others),
      }),
      Plot.text(bars, {
        fy: 'section',
        y: 'name',
        x: 'value',
        text: ({ value }: Bar) => value.toFixed(digits),
        dx: 4,
        textAnchor: 'start',
      }),
    ],
  }));
}
