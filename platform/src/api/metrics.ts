import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Events } from '../events/events';
import type { TaskState } from '../types/upgrade';
import type { Served } from './served';

const STATES: readonly TaskState[] = [
  'to-be-confirmed',
  'pending',
  'pushed',
  'upgrading',
  'succeeded',
  'failed',
  'cancelled',
];
/** From a small file on a fast line to a large one on a slow one. */
const SIZES = [10_000, 100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000];

/** What the platform counts, in Prometheus' format. Nothing has a label that a device chooses. */
export class Metrics {
  readonly #registry = new Registry();

  constructor(platform: Served, events: Events) {
    this.#gauges(platform);
    this.#counters(events);
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  text(): Promise<string> {
    return this.#registry.metrics();
  }

  #gauge(
    name: string,
    help: string,
    collect: (gauge: Gauge<string>) => void,
    label?: string,
  ): void {
    new Gauge({
      name: `iotkit_platform_${name}`,
      help,
      registers: [this.#registry],
      labelNames: label === undefined ? [] : [label],
      collect() {
        collect(this);
      },
    });
  }

  #gauges(platform: Served): void {
    const { devices, firmware, upgrades, health } = platform;
    this.#gauge('devices', 'Registered devices.', (gauge) => gauge.set(devices.list().length));
    this.#gauge('devices_online', 'Devices known to be connected.', (gauge) =>
      gauge.set(devices.list().filter(({ online }) => online).length),
    );
    this.#gauge('firmware', 'Stored firmware.', (gauge) => gauge.set(firmware.list().length));
    this.#gauge(
      'tasks',
      'Tasks of upgrades, by state.',
      (gauge) => {
        for (const state of STATES) gauge.set({ state }, 0);
        const tasks = upgrades.list().flatMap((upgrade) => upgrade.tasks);
        for (const { state } of tasks) gauge.inc({ state });
      },
      'state',
    );
    this.#gauge('state_degraded', '1 while the state cannot be written.', (gauge) =>
      gauge.set(health().state.degraded ? 1 : 0),
    );
    this.#gauge('broker_connected', '1 while the broker can be used.', (gauge) =>
      gauge.set(health().broker.connected ? 1 : 0),
    );
    this.#gauge('state_problems', 'Bad records and missing images since the start.', (gauge) =>
      gauge.set(health().problems.length),
    );
  }

  #counter(name: string, help: string, label?: string): Counter<string> {
    return new Counter({
      name: `iotkit_platform_${name}_total`,
      help,
      registers: [this.#registry],
      labelNames: label === undefined ? [] : [label],
    });
  }

  #counters(events: Events): void {
    const transitions = this.#counter('task_transitions', 'Transitions of tasks.', 'reason');
    events.on('task-changed', ({ task }) => {
      transitions.inc({ reason: task.history.at(-1)?.reason ?? '' });
    });
    const notices = this.#counter('notices', 'Notices sent.');
    events.on('notice-sent', () => notices.inc());
    const reports = this.#counter('version_reports', 'Versions reported.');
    events.on('version-reported', () => reports.inc());
    const refused = this.#counter('sign_ins_refused', 'Connections refused.', 'code');
    events.on('device-refused', ({ returnCode }) => refused.inc({ code: String(returnCode) }));
    const bad = this.#counter('bad_messages', 'Messages that were ignored.');
    events.on('bad-message', () => bad.inc());
    const blocks = this.#counter('blocks', 'Blocks asked for over MQTT.', 'code');
    events.on('block-requested', ({ code }) => blocks.inc({ code: String(code) }));
    this.#downloads(events);
  }

  #downloads(events: Events): void {
    const downloads = this.#counter('downloads', 'Requests for firmware.', 'status');
    const bytes = this.#counter('download_bytes', 'Bytes of firmware sent.');
    const sizes = new Histogram({
      name: 'iotkit_platform_download_size_bytes',
      help: 'Bytes of firmware sent for a request.',
      buckets: SIZES,
      registers: [this.#registry],
    });
    events.on('download', (event) => {
      downloads.inc({ status: String(event.status) });
      bytes.inc(event.bytes);
      sizes.observe(event.bytes);
    });
  }
}
