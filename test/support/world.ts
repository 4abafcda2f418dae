import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  connect,
  type Device,
  type DeviceOptions,
  type FirstConnectionOptions,
  type ReportVersionOptions,
  type TlsOptions,
  type Upgrade,
} from 'iotkit-ota';
import {
  type DeviceKey,
  type Firmware,
  type FirmwareOptions,
  Platform,
  type PlatformOptions,
  type UpgradeTask,
} from 'iotkit-ota-platform';

/** A device that is registered on a platform. */
export type Registered = DeviceKey & { readonly deviceSecret: string };

/** One upgrade that has reached a device. */
export interface Announced {
  readonly device: Device;
  readonly upgrade: Upgrade;
  readonly upgradeId: string;
  readonly firmware: Firmware;
}

/** Options of connect() besides the device and its platform, or instead of them. */
export type MoreOptions = Partial<DeviceOptions & FirstConnectionOptions> & {
  readonly url?: string;
  readonly tls?: boolean | TlsOptions;
};

export const PRODUCT_KEY = 'a1World';

/** What a test that failed or hangs has left open: its end must not keep the others from ending. */
const open = new Set<World>();

afterEach(async () => {
  for (const world of open) await world[Symbol.asyncDispose]();
});

/** A platform on loopback with devices and a folder, all gone at the end of the test. */
export class World implements AsyncDisposable {
  readonly platform: Platform;
  readonly directory: string;
  readonly #devices: Device[] = [];
  #isClosed = false;

  private constructor(platform: Platform, directory: string) {
    this.platform = platform;
    this.directory = directory;
  }

  static async open(options: PlatformOptions = {}): Promise<World> {
    const world = await World.openShared(options);
    open.add(world);
    return world;
  }

  /** One for several tests: whoever opens it in beforeAll disposes of it in afterAll. */
  static async openShared(options: PlatformOptions = {}): Promise<World> {
    const directory = await mkdtemp(path.join(tmpdir(), 'iotkit-ota-test-'));
    return new World(await Platform.start(options), directory);
  }

  register(deviceName = 'lamp'): Promise<Registered> {
    return this.platform.devices.add({ productKey: PRODUCT_KEY, deviceName });
  }

  /** Where a registered device connects, and what it trusts. */
  address(): { readonly url: string; readonly tls: TlsOptions } {
    return { url: this.platform.mqttsUrl, tls: { ca: this.platform.ca } };
  }

  async connect(key: Registered, options: MoreOptions = {}): Promise<Device> {
    const { productKey, deviceName, deviceSecret } = key;
    const device = await connect({
      productKey,
      deviceName,
      deviceSecret,
      ...this.address(),
      ...options,
    });
    this.#devices.push(device);
    return device;
  }

  /** Stores an image as a firmware of the test's product, announced by its SHA-256. */
  store(
    data: Uint8Array,
    options: Partial<FirmwareOptions> & { readonly version?: string } = {},
  ): Promise<Firmware> {
    return this.platform.firmware.add({
      productKey: PRODUCT_KEY,
      version: '2.0.0',
      data,
      signMethod: 'SHA256',
      // Of a platform that several tests share.
      allowSameVersion: true,
      ...options,
    });
  }

  /** Connects a new device, reports 1.0.0, starts the upgrade to `data` and awaits its notice. */
  async announce(
    data: Uint8Array,
    {
      deviceName = 'lamp',
      connect: connectOptions = {},
      firmware: firmwareOptions = {},
      protocol,
    }: {
      readonly deviceName?: string;
      readonly connect?: MoreOptions;
      readonly firmware?: Partial<FirmwareOptions>;
      readonly protocol?: 'https' | 'mqtt';
    } = {},
  ): Promise<Announced> {
    const device = await this.connect(await this.register(deviceName), connectOptions);
    await this.report(device, '1.0.0');
    const firmware = await this.store(data, firmwareOptions);
    const upgrade = nextUpgrade(device);
    const { id } = await this.platform.upgrades.start({
      firmwareId: firmware.id,
      devices: [deviceName],
      ...(protocol && { protocol }),
    });
    return { device, upgrade: await upgrade, upgradeId: id, firmware };
  }

  /**
   * Reports a version and waits until the platform has heard it, which may be after its
   * acknowledgement.
   */
  async report(device: Device, version: string, options: ReportVersionOptions = {}): Promise<void> {
    const { deviceName } = device;
    const heard = this.platform.waitFor(
      'version-reported',
      (event) => event.deviceName === deviceName && event.version === version,
    );
    await device.ota.reportVersion(version, options);
    await heard;
  }

  /** The only task of an upgrade, once it is final. */
  async outcome(upgradeId: string): Promise<UpgradeTask> {
    const { tasks } = await this.platform.upgrades.settled(upgradeId);
    return tasks[0] as UpgradeTask;
  }

  path(name: string): string {
    return path.join(this.directory, name);
  }

  /** Names of all files in the test's folder. */
  files(): Promise<string[]> {
    return readdir(this.directory);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    open.delete(this);
    await Promise.all(this.#devices.map((device) => device.close()));
    await this.platform.close();
    await rm(this.directory, { recursive: true, force: true });
  }
}

/** The next upgrade that is announced to a device. */
export async function nextUpgrade(device: Device): Promise<Upgrade> {
  for await (const upgrade of device.ota.upgrades()) return upgrade;
  throw new Error('the device was closed before an upgrade was announced');
}

/** The states a task went through, in their order. */
export function statesOf(task: UpgradeTask): string[] {
  return task.history
    .map(({ state }) => state)
    .filter((state, i, states) => state !== states[i - 1]);
}
