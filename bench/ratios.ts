// What the costs of a section say: medians, the floor, the limit, and ratios of these. No I/O.
import type { Cost } from './measure';
import type { Peer, Placement, Section, Stage } from './section';

const GIB = 2 ** 30;

/** Medians of one peer, and how it compares with the others of the same section. */
export interface Row {
  readonly peer: Peer;
  readonly megabytesPerSecond: number;
  readonly secondsPerGiB: number;
  readonly cpuSecondsPerGiB: number;
  /** Of the server, meanwhile. Absent where the system does not tell. */
  readonly serverCpuPerGiB?: number;
  readonly rssOverIdleBytes?: number;
  /** Share of the time the event loop was busy; waiting for a processor is part of it. */
  readonly eventLoop?: number;
  /** CPU seconds of the JavaScript thread ÷ seconds. */
  readonly jsThread?: number;
  /** CPU time ÷ that of its stages alone. */
  readonly cpuOverFloor?: number;
  /** The least time that the machine allows ÷ the time it took. */
  readonly shareOfLimit?: number;
  /** Speed ÷ that of each other peer. */
  readonly speedOver: Readonly<Partial<Record<Peer, number>>>;
  /** CPU time ÷ that of each other peer. */
  readonly cpuOver: Readonly<Partial<Record<Peer, number>>>;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const [low, high] = [sorted[(sorted.length - 1) >> 1], sorted[middle]];
  return ((low ?? Number.NaN) + (high ?? Number.NaN)) / 2;
}

/** CPU seconds a GiB of each stage alone, in the order of a download; medians. */
export function stagesOf({ floor, size }: Pick<Section, 'floor' | 'size'>): Map<Stage, number> {
  const order: readonly Stage[] = ['receive', 'decrypt', 'digest', 'write'];
  const measured = order.flatMap((stage) => {
    const runs = floor[stage];
    if (runs === undefined || runs.length === 0) return [];
    return [[stage, perGiB(median(runs.map((cost) => cost.cpuSeconds)), size)] as const];
  });
  return new Map(measured);
}

const writes = (peer: Peer): boolean => !['alone-fetch', 'chunks', 'recycled'].includes(peer);

/** The stages that a peer cannot do without. */
export function floorOf(peer: Peer, stages: ReadonlyMap<Stage, number>): number[] {
  return [...stages].filter(([stage]) => stage !== 'write' || writes(peer)).map(([, cpu]) => cpu);
}

/**
 * The least seconds a GiB: the slowest stage, the server being one, or all their CPU time on the
 * cores there are.
 */
export function limitOf(
  stages: readonly number[],
  serverCpu: number,
  placement: Placement,
  cores: number,
): number {
  const client = sum(stages);
  if (placement === 'together') return client + serverCpu;
  if (placement === 'apart') return Math.max(client, serverCpu);
  return Math.max(...stages, serverCpu, (client + serverCpu) / cores);
}

/** `cores`: of the machine. */
export function rowsOf(section: Section, cores: number): Row[] {
  const stages = stagesOf(section);
  const medians = peersOf(section).map((peer) => [peer, section.costs[peer] ?? []] as const);
  const seconds = new Map(medians.map(([peer, runs]) => [peer, medianOf(runs, 'seconds')]));
  const cpu = new Map(medians.map(([peer, runs]) => [peer, medianOf(runs, 'cpuSeconds')]));
  return medians.map(([peer, runs]) => {
    const mySeconds = seconds.get(peer) as number;
    const myCpu = cpu.get(peer) as number;
    const server = known(runs, 'serverCpuSeconds');
    const rss = known(runs, 'rssOverIdle');
    const loop = known(runs, 'eventLoop');
    const thread = known(runs, 'jsCpuSeconds');
    const floor = floorOf(peer, stages);
    const serverCpu = server === undefined ? undefined : perGiB(server, section.size);
    const secondsPerGiB = perGiB(mySeconds, section.size);
    const cpuSecondsPerGiB = perGiB(myCpu, section.size);
    return {
      peer,
      megabytesPerSecond: section.size / mySeconds / 1e6,
      secondsPerGiB,
      cpuSecondsPerGiB,
      ...(serverCpu !== undefined && { serverCpuPerGiB: serverCpu }),
      ...(rss !== undefined && { rssOverIdleBytes: rss }),
      ...(loop !== undefined && { eventLoop: loop }),
      ...(thread !== undefined && { jsThread: thread / mySeconds }),
      ...(floor.length > 0 && { cpuOverFloor: cpuSecondsPerGiB / sum(floor) }),
      ...(floor.length > 0 &&
        serverCpu !== undefined && {
          shareOfLimit: limitOf(floor, serverCpu, section.placement, cores) / secondsPerGiB,
        }),
      speedOver: over(seconds, (other) => other / mySeconds),
      cpuOver: over(cpu, (other) => myCpu / other),
    };
  });
}

const peersOf = ({ costs }: Section): Peer[] =>
  (Object.keys(costs) as Peer[]).filter((peer) => (costs[peer]?.length ?? 0) > 0);

const over = (
  values: ReadonlyMap<Peer, number>,
  ratio: (other: number) => number,
): Partial<Record<Peer, number>> =>
  Object.fromEntries([...values].map(([peer, other]) => [peer, ratio(other)]));

const perGiB = (value: number, size: number): number => (value / size) * GIB;
const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
const medianOf = (runs: readonly Cost[], what: 'seconds' | 'cpuSeconds'): number =>
  median(runs.map((cost) => cost[what]));

/** The median, where every run has the figure. */
function known(runs: readonly Cost[], what: keyof Cost): number | undefined {
  const found = runs.map((cost) => cost[what]).filter((value) => value !== undefined);
  return found.length === runs.length && found.length > 0 ? median(found) : undefined;
}
