import { randomBytes } from 'node:crypto';
import type { Clock } from './clock';
import { invalid, PlatformError } from './errors';
import { checkDeviceKey, deviceId, moduleKey, reportedVersion } from './names';
import type { State } from './state';
import type { Device, DeviceKey, DeviceOptions } from './types';

type StoredDevice = Omit<Device, 'online'>;

/** What the registry asks of the rest of the platform. */
export interface DeviceHooks {
  readonly isOnline: (key: DeviceKey) => boolean;
  /** Ends the device's connection; throws where that cannot be done. */
  readonly disconnect: (key: DeviceKey) => void;
  /** Called before a device is taken away; ends its upgrades and its connection. */
  readonly removing: (key: DeviceKey) => void;
}

/** The registered devices. */
export class Devices {
  readonly #state: State;
  readonly #clock: Clock;
  readonly #hooks: DeviceHooks;
  readonly #devices = new Map<string, StoredDevice>();

  constructor(state: State, clock: Clock, hooks: DeviceHooks) {
    this.#state = state;
    this.#clock = clock;
    this.#hooks = hooks;
  }

  /** @internal */
  async load(): Promise<void> {
    for (const device of await this.#state.load<StoredDevice>('device')) {
      this.#devices.set(deviceId(device), device);
    }
  }

  /** Registers a device. Rejects with ERR_DEVICE_EXISTS, ERR_INVALID_ARGUMENT. */
  async add(options: DeviceOptions): Promise<Device> {
    const key = checkDeviceKey(options);
    const id = deviceId(key);
    const deviceSecret = options.deviceSecret ?? randomBytes(16).toString('hex');
    if (typeof deviceSecret !== 'string' || !/^[\x21-\x7e]{1,64}$/.test(deviceSecret)) {
      throw invalid('deviceSecret must be 1-64 printable characters');
    }
    if (this.#devices.has(id)) {
      throw new PlatformError('ERR_DEVICE_EXISTS', `${id} is registered already`);
    }
    this.#store({ ...key, deviceSecret, createdAt: this.#clock.now(), versions: {} });
    await this.#state.flush();
    return this.#expect(key);
  }

  get(key: DeviceKey): Device | undefined {
    const device = this.#devices.get(deviceId(key));
    return device && { ...device, online: this.#hooks.isOnline(device) };
  }

  list(): Device[] {
    return [...this.#devices.values()].map((device) => ({
      ...device,
      online: this.#hooks.isOnline(device),
    }));
  }

  /**
   * Forgets a device, drops its connection and cancels its upgrades. Rejects with
   * ERR_DEVICE_UNKNOWN.
   */
  async remove(key: DeviceKey): Promise<void> {
    const device = this.#expect(key);
    this.#hooks.removing(device);
    this.#devices.delete(deviceId(device));
    this.#state.remove('device', deviceId(device));
    await this.#state.flush();
  }

  /**
   * Ends a device's connection as a failing network would; without one, nothing happens.
   * Throws ERR_DEVICE_UNKNOWN, and ERR_FAULT_UNSUPPORTED on an external broker.
   */
  disconnect(key: DeviceKey): void {
    this.#hooks.disconnect(this.#expect(key));
  }

  /** @internal Whether the device has ever reported a version; asks nobody else. */
  hasReported(key: DeviceKey): boolean {
    return Object.keys(this.#devices.get(deviceId(key))?.versions ?? {}).length > 0;
  }

  /** @internal Keeps what a device reported. */
  setVersion(key: DeviceKey, module: string | undefined, version: string): void {
    const { online: _, ...device } = this.#expect(key);
    if (reportedVersion(device, module) === version) return;
    this.#store({ ...device, versions: { ...device.versions, [moduleKey(module)]: version } });
  }

  #expect(key: DeviceKey): Device {
    const device = this.get(key);
    if (device === undefined) {
      throw new PlatformError('ERR_DEVICE_UNKNOWN', `there is no device ${deviceId(key)}`);
    }
    return device;
  }

  #store(device: StoredDevice): void {
    this.#devices.set(deviceId(device), device);
    this.#state.put('device', deviceId(device), device);
  }
}
