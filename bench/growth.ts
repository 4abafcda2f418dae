// What devices of one process take, as `bench/devices.mjs --json` keeps it in devices.json: goals, rows, dots. No I/O.
import { atMost, type Goal, QUIET_LOAD } from './goals';

/** What there was when a process had so many devices. */
export interface Point {
  readonly devices: number;
  /** Of the process, KiB. */
  readonly resident: number;
  /** Of each, KiB: growth of the resident size since the first device. */
  readonly memory: number;
  readonly heap: number;
  /** Of V8's young generation, which holds no device. */
  readonly young: number;
  /** Since the first device. */
  readonly seconds: number;
  /** Microseconds of each. */
  readonly connectCpu: number;
}

/** What one client took. */
export interface Growth {
  readonly points: readonly Point[];
  /** The last of them half a minute later, when V8 has given back what it needed for the connecting. */
  readonly rested: Point;
  /** Milliseconds of CPU a second, of all devices of the last point, without pings. */
  readonly idle: number;
  /** Microseconds of CPU. */
  readonly ping: number;
}

/** One run, over plain TCP or TLS. */
export interface DevicesRun {
  readonly load: number;
  readonly clients: Readonly<Record<string, Growth>>;
}

/** The last run over each. */
export type DevicesFigures = Readonly<Partial<Record<'tcp' | 'tls', DevicesRun>>>;

export const OURS = 'iotkit-ota';
/** A device pings after 95 % of the default keep-alive. */
const PING_SECONDS = 300 * 0.95;
const MOST = 10_000;
/** Of fewer devices a process's own growth is more than theirs. */
const FEW = 100;

/** CPU of idle devices, pings included, milliseconds a second. */
export function idleCpu({ points, idle, ping }: Growth): number {
  const devices = points.at(-1)?.devices ?? 0;
  return idle + ((devices / PING_SECONDS) * ping) / 1_000;
}

/** By the names of their goals. */
export const devicesGoalIds: readonly string[] = [
  'devices-tcp',
  'devices-tls',
  'devices-connect',
  'devices-idle',
];

/** Those of 10,000 devices; none where there were fewer. */
export function devicesGoals({ tcp, tls }: DevicesFigures): Goal[] {
  const at = (run: DevicesRun | undefined): Growth | undefined => {
    const growth = run?.clients[OURS];
    return growth?.rested.devices === MOST ? growth : undefined;
  };
  const [plain, secure] = [at(tcp), at(tls)];
  return [
    atMost('devices-tcp', 'TCP: KiB an idle device', plain?.rested.memory, 6),
    atMost('devices-tls', 'TLS: KiB an idle device', secure?.rested.memory, 25),
    atMost('devices-connect', 'TCP: s until all are connected', plain?.rested.seconds, 8),
    atMost('devices-idle', 'TCP: idle CPU, ms/s, pings included', plain && idleCpu(plain), 1),
  ].filter((goal) => goal !== undefined);
}

export const growthHeads = [
  'devices',
  'MiB',
  'KiB each',
  '… heap',
  '… young generation',
  's to connect',
  'CPU µs each',
];

/** A row for each client and point, and for the last one at rest. */
export function growthRows(run: DevicesRun): string[][] {
  return Object.entries(run.clients).flatMap(([name, { points, rested }]) =>
    [...points, rested].map((point) => [
      `${name}, ${point.devices.toLocaleString('en')}${point === rested ? ', ½ minute later' : ''}`,
      (point.resident / 1_024).toFixed(1),
      ...(point.devices < FEW
        ? ['-', '-', '-', '-', '-']
        : [
            point.memory.toFixed(1),
            point.heap.toFixed(1),
            point.young.toFixed(1),
            run.load > QUIET_LOAD ? '-' : point.seconds.toFixed(1), // else others take the time
            point.connectCpu.toFixed(0),
          ]),
    ]),
  );
}

/** A dot of the plot. */
export interface Dot {
  readonly name: string;
  readonly devices: number;
  readonly mebibytes: number;
  readonly ours: boolean;
}

export const dotsOf = ({ tcp, tls }: DevicesFigures): Dot[] =>
  [['TCP', tcp] as const, ['TLS', tls] as const].flatMap(([protocol, run]) =>
    Object.entries(run?.clients ?? {}).flatMap(([name, { points }]) =>
      points.map(({ devices, resident }) => ({
        name: `${name}, ${protocol}`,
        devices,
        mebibytes: resident / 1_024,
        ours: name === OURS,
      })),
    ),
  );
