// docs/performance.md, from figures and notes.
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Figures, Notes } from './figures';
import { type Goal, goalsOf, QUIET_LOAD, quietGoals } from './goals';
import { type DevicesFigures, devicesGoals, growthHeads, growthRows } from './growth';
import { devicesPlot, plotsOf } from './plots';
import { type Row, rowsOf, stagesOf } from './ratios';
import { columns, names, quietColumns } from './report';
import { rowName, type Section } from './section';
import { replaceShared, type SharedFigures, sharedPlots } from './shared';

const MIB = 2 ** 20;

/** Where the figures are that other programs have written at another time. */
export interface WrittenFiles {
  readonly notes: string;
  readonly devices: string;
  readonly shared: string;
}

/** Writes the page and its plots into `folder`. */
export async function writePage(
  figures: Figures,
  folder: string,
  { notes, devices, shared }: WrittenFiles,
): Promise<void> {
  const read = JSON.parse(await readFile(notes, 'utf8')) as Notes;
  const ofDevices = JSON.parse(await readFile(devices, 'utf8')) as DevicesFigures;
  const ofShared = JSON.parse(await readFile(shared, 'utf8')) as SharedFigures;
  const plots = [
    ...(await plotsOf(figures)),
    ...(await devicesPlot(ofDevices)),
    ...(await sharedPlots(ofShared)),
  ];
  for (const [name, svg] of plots) await writeFile(path.join(folder, name), svg);
  const page = replaceShared(pageOf(figures, read, ofDevices), ofShared);
  await writeFile(path.join(folder, 'performance.md'), page);
}

/** The page's text. */
export function pageOf(figures: Figures, notes: Notes, devices: DevicesFigures = {}): string {
  const free = figures.sections.filter((section) => section.placement === 'free');
  const bound = figures.sections.filter((section) => section.placement !== 'free');
  return [
    '# Speed',
    '',
    '<!-- Written by `npm run bench -- --write`. Reasons and history: bench/notes.json -->',
    '',
    introduction(figures),
    '',
    '![CPU time a GiB, beside that of the stages alone](performance-cpu.svg)',
    '',
    ...(isBusy(figures) ? [] : ['![Speed](performance-speed.svg)', '']),
    '## Goals',
    '',
    goalsTable(figures, notes),
    '',
    '## The floor',
    '',
    floorTable(free),
    '',
    '## Each kind of download',
    '',
    ...free.flatMap((section) => [
      `### ${rowName(section).toUpperCase()}`,
      '',
      rowsTable(rowsOf(section, figures.cores), isBusy(figures)),
      '',
    ]),
    ...(bound.length === 0 || isBusy(figures)
      ? []
      : ['## Bound to cores', '', boundTable(figures, bound), '']),
    ...devicesSection(devices, notes),
    '## What was changed for speed',
    '',
    historyTable(notes),
    '',
  ].join('\n');
}

/** What devices of one process take, from the last run of bench/devices.mjs; empty: there was none. */
export function devicesSection(devices: DevicesFigures, notes: Notes): string[] {
  const runs = (['tcp', 'tls'] as const).flatMap((protocol) => {
    const run = devices[protocol];
    return run === undefined ? [] : [{ title: protocol.toUpperCase(), run }];
  });
  if (runs.length === 0) return [];
  const busy = runs.some(({ run }) => run.load > QUIET_LOAD);
  const goals = devicesGoals(devices).map((goal) => goalRow([goal], notes, busy));
  return [
    '## Devices in one process',
    '',
    `Connected, subscribed and otherwise idle, a mosquitto beside; load of the machine ${runs
      .map(({ title, run }) => `${run.load.toFixed(1)} (${title})`)
      .join(', ')}. KiB each is the`,
    'growth of the resident size since the first device, after a collection of garbage. The young generation of V8 is',
    'part of it: it holds garbage alone, grows to 32 MiB in every process that makes much of it, and V8 gives it back',
    'to the system when the program rests: the goals are about that.',
    '',
    '![Resident size by devices](performance-devices.svg)',
    '',
    table(['', 'goal', '10,000 devices', '', 'why'], goals),
    '',
    ...runs.flatMap(({ title, run }) => [
      `### ${title}`,
      '',
      table(growthHeads, growthRows(run)),
      '',
    ]),
  ];
}

const isBusy = ({ load }: Figures): boolean => load[0] > QUIET_LOAD;

function introduction(figures: Figures): string {
  const { sections, cores, cpu, kernel, node, openssl, server, load } = figures;
  const size = (sections[0]?.size ?? 0) / MIB;
  const runs = Math.max(
    ...sections.flatMap(({ costs }) => Object.values(costs).map((c) => c.length)),
  );
  const [before, after] = load.map((value) => value.toFixed(1));
  const busy = isBusy(figures)
    ? `: other programs ran beside it, so this page leaves out all that depends on time that
passes, and has CPU time and memory alone`
    : '';
  return `One image of ${size} MiB of random bytes in memory, sent by ${server} over loopback, fetched,
digested, compared and written to a file in memory; medians of ${runs} alternating runs.
${cores} × ${cpu}, ${kernel}, Node.js ${node} with OpenSSL ${openssl}; load of the machine
${before} before and ${after} after${busy}.

The floor is what the stages of a download cost alone in the same sitting: a loop that receives and
drops, AES-128-GCM over TLS records, the digest, and writing into a reserved file, each by the same
kernel and the same OpenSSL. The limit is the least time that the machine allows: that of the slowest
stage, or all CPU time, the server's included, on all its cores. Figures belong to one machine and one
hour; ratios hold longer. How to read and repeat them: [bench/README.md](../bench/README.md).`;
}

const table = (heads: readonly string[], rows: readonly (readonly string[])[]): string =>
  [
    `| ${heads.join(' | ')} |`,
    `|${heads.map((_, i) => (i === 0 ? '---' : '--:')).join('|')}|`,
    ...rows.map((row) => `| ${row.join(' | ')} |`),
  ].join('\n');

function goalsTable(figures: Figures, notes: Notes): string {
  const free = figures.sections.filter((section) => section.placement === 'free');
  const byRow = free.map((section) => goalsOf(rowsOf(section, figures.cores)));
  const ids = [...new Set(byRow.flatMap((goals) => goals.map(({ id }) => id)))];
  const ofDownloads = ids.map((id) =>
    goalRow(
      byRow.map((goals) => goals.find((goal) => goal.id === id)),
      notes,
      isBusy(figures),
    ),
  );
  const ofLoading = figures.loading.goals.map((goal) => goalRow([goal], notes, isBusy(figures)));
  const heads = ['', 'goal', free.map(rowName).join(', '), '', 'why'];
  return table(heads, [...ofDownloads, ...ofLoading]);
}

function goalRow(values: readonly (Goal | undefined)[], notes: Notes, busy: boolean): string[] {
  const known = values.filter((goal) => goal !== undefined);
  const [first] = known;
  if (busy && quietGoals.includes(first?.id ?? ''))
    return [first?.what ?? '', first?.goal ?? '', '-', 'not measured', 'the machine was busy'];
  const met = known.filter((goal) => goal.met).length;
  const verdict =
    met === known.length ? 'met' : met === 0 ? 'missed' : `met in ${met} of ${known.length}`;
  return [
    first?.what ?? '',
    first?.goal ?? '',
    values.map((goal) => (goal === undefined ? '-' : short(goal.value))).join(', '),
    verdict,
    met === known.length ? '' : (notes.reasons[first?.id ?? ''] ?? 'not known'),
  ];
}

const short = (value: number): string => value.toFixed(value < 0.1 ? 3 : value < 100 ? 2 : 0);

function floorTable(sections: readonly Section[]): string {
  const rows = sections.map((section) => {
    const stages = stagesOf(section);
    const all = [...stages.values()].reduce((a, b) => a + b, 0);
    const cells = (['receive', 'decrypt', 'digest', 'write'] as const).map(
      (stage) => stages.get(stage)?.toFixed(2) ?? '-',
    );
    return [rowName(section).toUpperCase(), ...cells, all.toFixed(2)];
  });
  return table(['CPU s/GiB', 'receive', 'decrypt', 'digest', 'write', 'all'], rows);
}

function rowsTable(rows: readonly Row[], busy: boolean): string {
  const shown = columns.filter(([head]) => !busy || !quietColumns.includes(head));
  return table(
    ['', ...shown.map(([head]) => head)],
    rows.map((row) => [names[row.peer], ...shown.map(([, cell]) => cell(row))]),
  );
}

const placements = { free: 'anywhere', apart: 'a core each', together: 'both on one core' };

function boundTable(figures: Figures, sections: readonly Section[]): string {
  const rows = sections.flatMap((section) =>
    rowsOf(section, figures.cores).map((row) => [
      `${rowName(section).toUpperCase()}, ${placements[section.placement]}`,
      names[row.peer],
      row.megabytesPerSecond.toFixed(0),
      row.cpuSecondsPerGiB.toFixed(2),
      row.cpuOverFloor?.toFixed(2) ?? '-',
      row.shareOfLimit?.toFixed(2) ?? '-',
    ]),
  );
  return table(['client and server', '', 'MB/s', 'CPU s/GiB', 'CPU ÷ floor', 'of limit'], rows);
}

const historyTable = ({ history }: Notes): string =>
  table(
    ['', 'before', 'after', 'ratio', ''],
    history.map(({ what, before, after, ratio, kept }) => [
      what,
      before,
      after,
      ratio,
      kept ? 'kept' : 'dropped',
    ]),
  );
