import type { Cost } from './measure';

export type Protocol = 'http' | 'https';
export type Method = 'md5' | 'sha256';
export type Peer = 'node' | 'curl' | 'file' | 'chunks' | 'recycled';

/** All runs of one kind of download. */
export interface Section {
  readonly protocol: Protocol;
  readonly method: Method;
  readonly size: number;
  readonly costs: Readonly<Partial<Record<Peer, readonly Cost[]>>>;
}

/** Medians of one peer, and how it compares with the Node peer of the same section. */
export interface Row {
  readonly peer: Peer;
  readonly megabytesPerSecond: number;
  readonly cpuSecondsPerGiB: number;
  readonly rssOverIdleMiB?: number;
  readonly eventLoop?: number;
  /** Speed ÷ the Node peer's. */
  readonly speedRatio: number;
  /** CPU time ÷ the Node peer's. */
  readonly cpuRatio: number;
}

/** One goal of the project and what was measured. */
export interface Goal {
  readonly what: string;
  readonly value: number;
  readonly goal: string;
  readonly met: boolean;
}

const names: Readonly<Record<Peer, string>> = {
  node: 'Node get → hash → file',
  curl: 'curl -o, then sum',
  file: 'iotkit-ota → file',
  chunks: 'iotkit-ota chunks, fresh',
  recycled: 'iotkit-ota chunks, recycled',
};

const GIB = 2 ** 30;
const MIB = 2 ** 20;

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const [low, high] = [sorted[(sorted.length - 1) >> 1], sorted[middle]];
  return ((low ?? Number.NaN) + (high ?? Number.NaN)) / 2;
}

export function rowsOf({ size, costs }: Section): Row[] {
  const base = costs.node;
  if (base === undefined) throw new Error('there is no Node peer to compare with');
  const baseSeconds = median(base.map((cost) => cost.seconds));
  const baseCpu = median(base.map((cost) => cost.cpuSeconds));
  return (Object.entries(costs) as [Peer, readonly Cost[]][]).map(([peer, runs]) => {
    const seconds = median(runs.map((cost) => cost.seconds));
    const cpuSeconds = median(runs.map((cost) => cost.cpuSeconds));
    const rss = known(runs.map((cost) => cost.rssOverIdle));
    const loop = known(runs.map((cost) => cost.eventLoop));
    return {
      peer,
      megabytesPerSecond: size / seconds / 1e6,
      cpuSecondsPerGiB: (cpuSeconds / size) * GIB,
      ...(rss !== undefined && { rssOverIdleMiB: median(rss) / MIB }),
      ...(loop !== undefined && { eventLoop: median(loop) }),
      speedRatio: baseSeconds / seconds,
      cpuRatio: cpuSeconds / baseCpu,
    };
  });
}

function known(values: ReadonlyArray<number | undefined>): number[] | undefined {
  const found = values.filter((value) => value !== undefined);
  return found.length === values.length && found.length > 0 ? found : undefined;
}

const speedGoals: Readonly<Record<`${Protocol} ${Method}`, number>> = {
  'http md5': 1.5,
  'http sha256': 2,
  'https md5': 2.7,
  'https sha256': 5,
};

/** What the project asks of itself, for one section. */
export function goalsOf(section: Section): Goal[] {
  const rows = new Map(rowsOf(section).map((row) => [row.peer, row]));
  const file = rows.get('file');
  const recycled = rows.get('recycled');
  const goals: Array<Goal | undefined> = [];
  if (file) {
    const goal = speedGoals[`${section.protocol} ${section.method}`];
    goals.push(atLeast('to file: speed ÷ Node', file.speedRatio, goal));
    if (section.protocol === 'https') goals.push(atMost('to file: CPU ÷ Node', file.cpuRatio, 0.4));
    goals.push(atMost('to file: event loop', file.eventLoop, 0.02));
    goals.push(atMost('to file: MiB over idle', file.rssOverIdleMiB, 8));
  }
  if (file && recycled) {
    const ratio = recycled.megabytesPerSecond / file.megabytesPerSecond;
    goals.push(atLeast('chunks: speed ÷ to file', ratio, 0.8));
    goals.push(atMost('chunks: event loop', recycled.eventLoop, 0.1));
    goals.push(atMost('chunks: MiB over idle', recycled.rssOverIdleMiB, 16));
  }
  return goals.filter((goal) => goal !== undefined);
}

function atLeast(what: string, value: number, goal: number): Goal {
  return { what, value, goal: `≥ ${goal}`, met: value >= goal };
}

export function atMost(what: string, value: number | undefined, goal: number): Goal | undefined {
  return value === undefined ? undefined : { what, value, goal: `≤ ${goal}`, met: value <= goal };
}

const columns = ['', 'MB/s', 'CPU s/GiB', 'MiB over idle', 'event loop', '÷ Node', 'CPU ÷ Node'];
const WIDTH = 15;

/** The section as text. */
export function toText(section: Section): string {
  const lines = rowsOf(section).map((row) => [
    names[row.peer],
    row.megabytesPerSecond.toFixed(0),
    row.cpuSecondsPerGiB.toFixed(2),
    row.rssOverIdleMiB?.toFixed(1) ?? '-',
    row.eventLoop?.toFixed(3) ?? '-',
    row.speedRatio.toFixed(2),
    row.cpuRatio.toFixed(2),
  ]);
  const runs = section.costs.node?.length ?? 0;
  const what = `${section.protocol} ${section.method}`.toUpperCase();
  const title = `${what}, ${section.size / MIB} MiB, medians of ${runs}`;
  return [title, ...[columns, ...lines].map(toLine), ...goalsOf(section).map(goalLine), ''].join(
    '\n',
  );
}

const toLine = ([first, ...rest]: readonly string[]): string =>
  `  ${(first ?? '').padEnd(28)}${rest.map((text) => text.padStart(WIDTH)).join('')}`;

export const goalLine = ({ what, value, goal, met }: Goal): string =>
  `  ${met ? 'met   ' : 'missed'} ${what}: ${value.toFixed(3)}, goal ${goal}`;
