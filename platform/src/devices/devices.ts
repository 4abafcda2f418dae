// devices/: the registered devices, and what keys, modules and versions may look like (names.ts).
// Imports base, store, types.

import { randomBytes } from 'node:crypto';
import type { Clock } from '../base/clock';
import { invalid, PlatformError } from '../base/errors';
import type { Store } from '../store/store';
import type { Device, DeviceKey, Presence } from '../types/device';
import { checkDeviceKey, deviceId, moduleKey, reportedVersion } from './names';

/** What `devices.add` takes. */
export interface DeviceOptions extends DeviceKey {
  /** Default: 32 hex digits from the system's random generator. */
  readonly deviceSecret?: string;
}

type StoredDevice = Omit<Device, 'online' | 'presence'>;

/** What the registry asks of the rest of the platform. */
export interface DeviceHooks {
  readonly presence: (key: DeviceKey) => Presence;
  /** Ends the device's connection; throws where that cannot be done. */
  readonly disconnect: (key: DeviceKey) => void;
  /** Called when a device is about to be forgotten; ends its upgrades and its connection. */
  readonly removed: (key: DeviceKey) => void;
}

/** The registered devices. */
export class Devices {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #hooks: DeviceHooks;
  readonly #devices = new Map<string, StoredDevice>();
  /** Those whose record is being committed. */
  readonly #adding = new Set<string>();

  constructor(store: Store, clock: Clock, hooks: DeviceHooks) {
    this.#store = store;
    this.#clock = clock;
    this.#hooks = hooks;
  }

  /** @internal */
  async load(): Promise<void> {
    for (const device of await this.#store.load<StoredDevice>('device')) {
      this.#devices.set(deviceId(device), device);
    }
  }

  /**
   * Registers a device. Rejects with ERR_DEVICE_EXISTS, ERR_INVALID_ARGUMENT, or ERR_STATE_FULL and
   * ERR_STATE where that cannot be made to last.
   */
  async add(options: DeviceOptions): Promise<Device> {
    const key = checkDeviceKey(options);
    const id = deviceId(key);
    const deviceSecret = options.deviceSecret ?? randomBytes(16).toString('hex');
    if (typeof deviceSecret !== 'string' || !/^[\x21-\x7e]{1,64}$/.test(deviceSecret)) {
      throw invalid('deviceSecret must be 1-64 printable characters');
    }
    if (this.#devices.has(id) || this.#adding.has(id)) {
      throw new PlatformError('ERR_DEVICE_EXISTS', `${id} is registered already`);
    }
    const device = { ...key, deviceSecret, createdAt: this.#clock.now(), versions: {} };
    this.#adding.add(id);
    try {
      await this.#store.commit([{ kind: 'device', key: id, record: device }]);
    } finally {
      this.#adding.delete(id);
    }
    this.#devices.set(id, device);
    return this.#expect(key);
  }

  get(key: DeviceKey): Device | undefined {
    const device = this.#devices.get(deviceId(key));
    return device && this.#present(device);
  }

  list(): Device[] {
    return [...this.#devices.values()].map((device) => this.#present(device));
  }

  /**
   * Forgets a device, drops its connection and cancels its upgrades. Rejects with
   * ERR_DEVICE_UNKNOWN, ERR_STATE_FULL, ERR_STATE.
   */
  async remove(key: DeviceKey): Promise<void> {
    const device = this.#expect(key);
    const id = deviceId(device);
    const before = this.#devices.get(id);
    await this.#store.commit([{ kind: 'device', key: id }]);
    this.#hooks.removed(device);
    // What it reported meanwhile was queued after the removal.
    if (this.#devices.get(id) !== before) this.#store.remove('device', id);
    this.#devices.delete(id);
  }

  /**
   * Ends a device's connection as a failing network would; without one, nothing happens.
   * Throws ERR_DEVICE_UNKNOWN, and ERR_FAULT_UNSUPPORTED on an external broker.
   */
  disconnect(key: DeviceKey): void {
    this.#hooks.disconnect(this.#expect(key));
  }

  /** @internal Stores the version that a device reported. */
  setVersion(key: DeviceKey, module: string | undefined, version: string): void {
    const { online: _online, presence: _presence, ...device } = this.#expect(key);
    if (reportedVersion(device, module) === version) return;
    this.#save({ ...device, versions: { ...device.versions, [moduleKey(module)]: version } });
  }

  #expect(key: DeviceKey): Device {
    const device = this.get(key);
    if (device === undefined) {
      throw new PlatformError('ERR_DEVICE_UNKNOWN', `there is no device ${deviceId(key)}`);
    }
    return device;
  }

  #present(device: StoredDevice): Device {
    const presence = this.#hooks.presence(device);
    return { ...device, presence, online: presence === 'yes' };
  }

  #save(device: StoredDevice): void {
    this.#devices.set(deviceId(device), device);
    this.#store.put('device', deviceId(device), device);
  }
}
