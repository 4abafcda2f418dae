// What the project asks of itself. No I/O.
import type { Row } from './ratios';
import type { Peer, Placement } from './section';

/** One goal and what was measured. */
export interface Goal {
  /** Names it in `notes.json`. */
  readonly id: string;
  readonly what: string;
  readonly value: number;
  readonly goal: string;
  readonly met: boolean;
}

const MIB = 2 ** 20;

/** Goals that say nothing where other programs want the processors. */
export const quietGoals: readonly string[] = [
  'file-wall',
  'file-alone',
  'file-loop',
  'chunks-loop',
  'recycled-loop',
  'addon-load',
  'package-load',
  'devices-connect',
];

/** Processes that run or want to, on average; above this the peers do not meet the same machine. */
export const QUIET_LOAD = 1;

/** The goals of one kind of download, from its rows; client and server run anywhere. */
export function goalsOf(rows: readonly Row[], placement: Placement = 'free'): Goal[] {
  const row = (peer: Peer): Row | undefined => rows.find((one) => one.peer === peer);
  const [file, chunks, recycled] = [row('file'), row('chunks'), row('recycled')];
  const rss = file?.rssOverIdleBytes;
  const all = [
    atMost('file-cpu', 'to file: CPU ÷ floor', file?.cpuOverFloor, 1.15),
    atLeast('file-wall', 'to file: share of the limit', file?.shareOfLimit, 0.85),
    atLeast('file-alone', 'to file: speed ÷ the C library alone', file?.speedOver.alone, 1),
    atMost('file-loop', 'to file: event loop', file?.eventLoop, 0.02),
    atMost('file-memory', 'to file: MiB over idle', rss === undefined ? rss : rss / MIB, 2),
    atMost('chunks-cpu', 'chunks: CPU ÷ floor', chunks?.cpuOverFloor, 1.15),
    atMost('chunks-loop', 'chunks: event loop', chunks?.eventLoop, 0.05),
    atMost('recycled-cpu', 'chunks, recycled: CPU ÷ floor', recycled?.cpuOverFloor, 1.15),
    atMost('recycled-loop', 'chunks, recycled: event loop', recycled?.eventLoop, 0.05),
  ];
  const goals = all.filter((goal) => goal !== undefined);
  return placement === 'free' ? goals : [];
}

export function atLeast(id: string, what: string, value: number | undefined, goal: number) {
  return compared(id, what, value, `≥ ${goal}`, (found) => found >= goal);
}

export function atMost(id: string, what: string, value: number | undefined, goal: number) {
  return compared(id, what, value, `≤ ${goal}`, (found) => found <= goal);
}

function compared(
  id: string,
  what: string,
  value: number | undefined,
  goal: string,
  met: (value: number) => boolean,
): Goal | undefined {
  return value === undefined ? undefined : { id, what, value, goal, met: met(value) };
}
