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
  'devices-tcp-young',
  'devices-tls',
  'devices-tls-young',
  'devices-connect',
  'devices-idle',
];

/** Those of 10,000 devices; none where there were fewer. */
export function devicesGoals({ tcp, tls }: DevicesFigures): Goal[] {
  const at = (run: DevicesRun | undefined): Point | undefined =>
    run?.clients[OURS]?.points.find(({ devices }) => devices === MOST);
  const [plain, secure] = [at(tcp), at(tls)];
  const less = (point: Point | undefined) => point && point.memory - point.young;
  const growth = tcp?.clients[OURS];
  const idle = growth && plain ? idleCpu(growth) : undefined;
  return [
    atMost('devices-tcp', 'TCP: KiB a device', plain?.memory, 6),
    atMost('devices-tcp-young', '… without V8’s young generation', less(plain), 6),
    atMost('devices-tls', 'TLS: KiB a device', secure?.memory, 25),
    atMost('devices-tls-young', '… without V8’s young generation', less(secure), 25),
    atMost('devices-connect', 'TCP: s until all are connected', plain?.seconds, 8),
    atMost('devices-idle', 'TCP: idle CPU, ms/s, pings included', idle, 1),
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

/** A row for each client and point. */
export function growthRows(run: DevicesRun): string[][] {
  return Object.entries(run.clients).flatMap(([name, { points }]) =>
    points.map((point) => [
      `${name}, ${point.devices.toLocaleString('en')}`,
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
