// devices/: the registered devices, their products (products.ts), and what keys, modules and versions
// may look like (names.ts).
// Imports base, store, types.

import { randomBytes } from 'node:crypto';
import type { Clock } from '../base/clock';
import { invalid, PlatformError } from '../base/errors';
import type { Store } from '../store/store';
import type { Device, DeviceKey, Presence } from '../types/device';
import { checkDeviceKey, checkSecret, deviceId, moduleKey, reportedVersion } from './names';

/** What `devices.add` takes. */
export interface DeviceOptions extends DeviceKey {
  /** Default: 32 hex digits from the system's random generator. */
  readonly deviceSecret?: string;
}

/** Records of earlier versions lack what is optional here. */
type StoredDevice = Omit<Device, 'online' | 'presence' | 'disabled'> & { readonly disabled?: true };

/** What `devices.addAll` takes at most. */
const MAX_BATCH = 1000;

/** What the registry asks of the rest of the platform. */
export interface DeviceHooks {
  readonly presence: (key: DeviceKey) => Presence;
  /** Ends the device's connection; throws where that cannot be done. */
  readonly disconnect: (key: DeviceKey) => void;
  /** Called when a device is about to be forgotten; ends its upgrades and its connection. */
  readonly removed: (key: DeviceKey) => void;
  /** Called when a device has been disabled or enabled again; ends its connection when disabled. */
  readonly switched: (key: DeviceKey, isDisabled: boolean) => void;
  /** Called when a device is about to be as if it had never signed in. */
  readonly reset: (key: DeviceKey) => void;
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
    const [device] = await this.addAll([options]);
    return device as Device;
  }

  /**
   * Registers 1-1000 devices, all of them or none. Rejects as `add` does.
   */
  async addAll(list: readonly DeviceOptions[]): Promise<Device[]> {
    if (!Array.isArray(list) || list.length < 1 || list.length > MAX_BATCH) {
      throw invalid(`devices must be a list of 1-${MAX_BATCH}`);
    }
    const made = list.map((options) => this.#make(options));
    const ids = new Set(made.map(deviceId));
    if (ids.size < made.length) throw invalid('devices must not name one twice');
    for (const id of ids) this.#adding.add(id);
    try {
      const changes = made.map((device) => ({
        kind: 'device' as const,
        key: deviceId(device),
        record: device,
      }));
      await this.#store.commit(changes);
    } finally {
      for (const id of ids) this.#adding.delete(id);
    }
    for (const device of made) this.#devices.set(deviceId(device), device);
    return made.map((device) => this.#expect(device));
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

  /**
   * Lets a device no longer connect; it is disconnected. Rejects with ERR_DEVICE_UNKNOWN,
   * ERR_STATE_FULL, ERR_STATE.
   */
  disable(key: DeviceKey): Promise<void> {
    return this.#switch(key, true);
  }

  /** Lets a disabled device connect again. Rejects as `disable` does. */
  enable(key: DeviceKey): Promise<void> {
    return this.#switch(key, false);
  }

  /**
   * Makes a device as it was before its first sign-in: it is disconnected, and may register
   * dynamically again. Its secret and its versions stay. Rejects as `disable` does.
   */
  async reset(key: DeviceKey): Promise<void> {
    await this.#change(key, ({ activatedAt: _, ...device }) => device);
    this.#hooks.reset(key);
  }

  /** @internal A device has signed in. */
  activated(key: DeviceKey): void {
    const device = this.#devices.get(deviceId(key));
    if (device === undefined || device.activatedAt !== undefined) return;
    this.#save({ ...device, activatedAt: this.#clock.now() });
  }

  /** @internal Gives a device another secret. Rejects as `disable` does. */
  async renewSecret(key: DeviceKey): Promise<Device> {
    const deviceSecret = newSecret();
    await this.#change(key, (device) => ({ ...device, deviceSecret }));
    return this.#expect(key);
  }

  /** @internal Stores the version that a device reported. */
  setVersion(key: DeviceKey, module: string | undefined, version: string): void {
    const device = this.#stored(key);
    if (reportedVersion(device, module) === version) return;
    this.#save({ ...device, versions: { ...device.versions, [moduleKey(module)]: version } });
  }

  #make(options: DeviceOptions): StoredDevice {
    const key = checkDeviceKey(options);
    const id = deviceId(key);
    const deviceSecret = options.deviceSecret ?? newSecret();
    checkSecret('deviceSecret', deviceSecret);
    if (this.#devices.has(id) || this.#adding.has(id)) {
      throw new PlatformError('ERR_DEVICE_EXISTS', `${id} is registered already`);
    }
    return { ...key, deviceSecret, createdAt: this.#clock.now(), versions: {} };
  }

  async #switch(key: DeviceKey, isDisabled: boolean): Promise<void> {
    if ((this.#stored(key).disabled ?? false) === isDisabled) return;
    await this.#change(key, ({ disabled: _, ...device }) =>
      isDisabled ? { ...device, disabled: true } : device,
    );
    this.#hooks.switched(key, isDisabled);
  }

  #expect(key: DeviceKey): Device {
    return this.#present(this.#stored(key));
  }

  #stored(key: DeviceKey): StoredDevice {
    const device = this.#devices.get(deviceId(key));
    if (device !== undefined) return device;
    throw new PlatformError('ERR_DEVICE_UNKNOWN', `there is no device ${deviceId(key)}`);
  }

  #present(device: StoredDevice): Device {
    const presence = this.#hooks.presence(device);
    const disabled = device.disabled ?? false;
    return { ...device, disabled, presence, online: presence === 'yes' };
  }

  /** Commits a change before it shows; what the device reported meanwhile stays. */
  async #change(key: DeviceKey, change: (device: StoredDevice) => StoredDevice): Promise<void> {
    const before = this.#stored(key);
    const id = deviceId(before);
    await this.#store.commit([{ kind: 'device', key: id, record: change(before) }]);
    const now = this.#devices.get(id);
    if (now === before) this.#devices.set(id, change(before));
    else if (now === undefined) this.#store.remove('device', id);
    else this.#save(change(now));
  }

  #save(device: StoredDevice): void {
    this.#devices.set(deviceId(device), device);
    this.#store.put('device', deviceId(device), device);
  }
}

function newSecret(): string {
  return randomBytes(16).toString('hex');
}
