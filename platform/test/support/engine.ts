import { createHash } from 'node:crypto';
import { ManualClock } from '../../src/base/clock';
import type { Configs } from '../../src/configs/configs';
import { Devices } from '../../src/devices/devices';
import { Products } from '../../src/devices/products';
import { Blocks } from '../../src/engine/blocks';
import { Engine } from '../../src/engine/engine';
import { Jobs } from '../../src/engine/jobs';
import { Notices } from '../../src/engine/notices';
import { Visits } from '../../src/engine/visits';
import { Events } from '../../src/events/events';
import { Faults } from '../../src/faults/faults';
import type { FirmwareStore } from '../../src/firmware/store';
import { Gateways } from '../../src/gateways/gateways';
import { Registrations } from '../../src/identities/registration';
import type { DeviceKey, Firmware, Presence, UpgradeOptions, UpgradeTask } from '../../src/index';
import { Logs } from '../../src/logs/logs';
import { Messages } from '../../src/messages/messages';
import type { Broker } from '../../src/protocol/broker';
import { Connections } from '../../src/protocol/connections';
import type { NoticeData } from '../../src/protocol/notice';
import { Upgrades } from '../../src/upgrades/upgrades';
import { atEnd } from './clean-up';
import { MemoryStore } from './memory-store';

export const GRACE_MS = 2000;
export const MINUTE_MS = 60_000;

/** What the platform published. */
interface Sent {
  readonly topic: string;
  readonly message: { readonly code: string | number; readonly data: Partial<NoticeData> };
}

/** A broker that keeps what it is given; devices are there as the test says. */
class PaperBroker implements Broker {
  readonly health = { connected: true };
  readonly seesMessages = true;
  readonly sent: Sent[] = [];
  readonly online = new Set<string>();
  subscribed = true;
  showsConnections = true;

  presence({ deviceName }: DeviceKey): Presence {
    if (!this.showsConnections) return 'unknown';
    return this.online.has(deviceName) ? 'yes' : 'no';
  }

  canReceive(key: DeviceKey): boolean {
    return this.presence(key) !== 'no' && this.subscribed;
  }

  takesCustomCalls(): boolean {
    return false;
  }

  async publish(topic: string, payload: string | Buffer): Promise<void> {
    this.sent.push({ topic, message: JSON.parse(payload.toString()) });
  }

  disconnect(): void {}

  evict(): void {}

  async close(): Promise<void> {}
}

/** The rooms under a fleet of one, with neither a network nor a disk, on a clock that is moved. */
export class EngineRig {
  readonly clock = new ManualClock();
  readonly store = new MemoryStore();
  readonly events = new Events(this.clock);
  readonly broker = new PaperBroker();
  readonly key: DeviceKey = { productKey: 'pk', deviceName: 'lamp' };
  readonly jobs: Jobs;
  readonly devices: Devices;
  readonly upgrades: Upgrades;
  readonly notices: Notices;
  readonly #engine: Engine;
  readonly #firmware = new Map<string, Firmware>();
  #nextId = 1;

  private constructor() {
    const { clock, store, events } = this;
    const connections = new Connections(events);
    connections.attach(this.broker);
    this.jobs = new Jobs(store, clock, events);
    atEnd(() => this.jobs.close());
    this.devices = new Devices(store, clock, {
      presence: (key) => connections.presence(key),
      disconnect: () => undefined,
      removed: () => undefined,
      switched: () => undefined,
      reset: () => undefined,
    });
    const firmware = {
      available: (id: string) => this.#firmware.get(id),
      expect: (id: string) => this.#firmware.get(id),
    } as FirmwareStore;
    const faults = new Faults(() => undefined);
    const common = { clock, events, connections, devices: this.devices, firmware, faults };
    const rooms = { ...common, jobs: this.jobs, visits: new Visits(clock, GRACE_MS) };
    this.notices = new Notices({ ...rooms, firmwareUrl: (id) => id, signingKey: undefined });
    const closing = new AbortController().signal;
    const products = new Products(store, clock);
    const registrations = new Registrations({ ...rooms, store, products });
    const all = { ...rooms, store, products, registrations };
    const gateways = new Gateways({ ...all, maxSubDevices: 10, closing });
    const blocks = new Blocks({ ...rooms, carriedBy: (key) => gateways.carriedBy(key) });
    const carrierOf = (key: DeviceKey) => gateways.carrierOf(key);
    const logs = new Logs({ ...common, store });
    const messages = new Messages({ ...common, carrierOf, closing });
    const [notices, configs] = [this.notices, {} as Configs];
    this.#engine = new Engine({ ...rooms, notices, blocks, configs, logs, messages, gateways });
    this.upgrades = new Upgrades({ ...rooms, notices, logs, closing });
  }

  /** With one registered device, `lamp`. */
  static async open(): Promise<EngineRig> {
    const rig = new EngineRig();
    await rig.devices.add(rig.key);
    return rig;
  }

  addFirmware(options: Partial<Firmware> = {}): Firmware {
    const digest = (name: string) => createHash(name).update('image').digest('hex');
    const image: Firmware = {
      id: `f${this.#firmware.size}`,
      productKey: 'pk',
      version: '2',
      size: 5,
      md5: digest('md5'),
      sha256: digest('sha256'),
      signMethod: 'MD5',
      isDiff: false,
      createdAt: 0,
      ...options,
    };
    this.#firmware.set(image.id, image);
    return image;
  }

  /** Starts an upgrade of the lamp and gives its task, which stays the same object. */
  async start(image: Firmware, options: Partial<UpgradeOptions> = {}): Promise<string> {
    const upgrade = await this.upgrades.start({
      firmwareId: image.id,
      devices: ['lamp'],
      ...options,
    });
    return upgrade.id;
  }

  task(upgradeId: string): UpgradeTask {
    const [task] = this.upgrades.get(upgradeId)?.tasks ?? [];
    if (task === undefined) throw new Error(`no task of ${upgradeId}`);
    return task;
  }

  connect(): void {
    this.broker.online.add('lamp');
    this.#engine.connected(this.key);
  }

  subscribe(): void {
    this.broker.subscribed = true;
    this.#engine.subscribed(this.key);
  }

  disconnect(): void {
    this.broker.online.delete('lamp');
    this.#engine.disconnected(this.key);
  }

  inform(version: string, module?: string): void {
    this.#say('/ota/device/inform/pk/lamp', { version, module });
  }

  progress(step: number, desc = ''): void {
    this.#say('/ota/device/progress/pk/lamp', { step: String(step), desc });
  }

  pull(): void {
    this.#say('/sys/pk/lamp/thing/ota/firmware/get', {});
  }

  /** The versions announced since the last call; an answer without one is `-`. */
  announced(): string[] {
    return this.broker.sent.splice(0).map(({ message }) => message.data.version ?? '-');
  }

  #say(topic: string, params: object): void {
    const message = JSON.stringify({ id: this.#nextId++, params });
    this.#engine.message(topic, Buffer.from(message));
  }
}
