import {
  type DeviceOptions,
  type Fault,
  type Firmware,
  Platform,
  type UpgradeTask,
} from 'iotkit-ota-platform';
import { codeOf, describe, Failure } from './failure';
import type { JobOptions } from './options';

/**
 * What is burnt into the device in the factory; nothing else passes from here to it but bytes on
 * sockets.
 */
export interface Provisioning extends Required<DeviceOptions> {
  /** Of the broker. */
  readonly url: string;
  /** PEM of the CA to trust. */
  readonly ca: string;
}

const PRODUCT_KEY = 'a1MainJob';
/** How long the fault `slow` makes the download take. */
const SLOW_SECONDS = 10;
const DEVICE_NAME = 'device-1';

/** The cloud's side of the job: a platform on loopback, and the operator who uses it. */
export class Operator {
  readonly #platform: Platform;
  readonly #options: JobOptions;

  private constructor(platform: Platform, options: JobOptions) {
    this.#platform = platform;
    this.#options = options;
  }

  /** Starts a platform that keeps everything in `stateDir`. */
  static async start(options: JobOptions, stateDir: string): Promise<Operator> {
    try {
      const platform = await Platform.start({ stateDir, firmwareScheme: options.protocol });
      return new Operator(platform, options);
    } catch (error) {
      throw new Failure(
        'platform',
        `the platform did not start: ${describe(error)}`,
        'It needs free loopback ports and a writable temporary folder (TMPDIR).',
        { cause: error },
      );
    }
  }

  /** Where the platform listens. */
  describe(): string {
    const { mqttsUrl, firmwareUrl } = this.#platform;
    return `listens: ${mqttsUrl}, firmware at ${firmwareUrl}, CA made on the fly`;
  }

  async addDevice(): Promise<Provisioning> {
    const { productKey, deviceName, deviceSecret } = await this.#platform.devices.add({
      productKey: PRODUCT_KEY,
      deviceName: DEVICE_NAME,
    });
    return {
      productKey,
      deviceName,
      deviceSecret: this.#options.fault === 'wrong-secret' ? '0'.repeat(32) : deviceSecret,
      url: this.#platform.mqttsUrl,
      ca: this.#platform.ca,
    };
  }

  async upload(file: string): Promise<Firmware> {
    try {
      const firmware = await this.#platform.firmware.add({
        productKey: PRODUCT_KEY,
        version: this.#options.to,
        signMethod: this.#options.digest,
        file,
      });
      for (const fault of faultsOf(this.#options, firmware)) this.#platform.faults.set(fault);
      return firmware;
    } catch (error) {
      const advice =
        codeOf(error) === 'ERR_FIRMWARE_TOO_LARGE'
          ? 'The platform takes images of up to 1000 MiB.'
          : 'The temporary folder (TMPDIR) must have room for two copies of the image.';
      throw new Failure('firmware', `the upload failed: ${describe(error)}`, advice, {
        cause: error,
      });
    }
  }

  /** Starts the upgrade of the device and returns its id. */
  async startUpgrade(firmware: Firmware): Promise<string> {
    try {
      const { id } = await this.#platform.upgrades.start({
        firmwareId: firmware.id,
        devices: [DEVICE_NAME],
      });
      return id;
    } catch (error) {
      throw new Failure(
        'notice',
        `the upgrade could not be started: ${describe(error)}`,
        'This is the platform refusing its own device: please report it.',
        { cause: error },
      );
    }
  }

  /** Calls `listener` with each step the device reports, until it is stopped. */
  onProgress(listener: (step: number) => void, signal: AbortSignal): Reports {
    const hear = ({ step }: { readonly step: number }): void => listener(step);
    this.#platform.on('progress', hear);
    const complete = this.#platform.waitFor('progress', ({ step }) => step === 100, { signal });
    // A download that fails never gets there, and then nobody waits for it.
    complete.catch(() => undefined);
    return { complete, stop: () => this.#platform.off('progress', hear) };
  }

  /** The device's part in the upgrade once it is final. */
  async outcome(upgradeId: string, signal: AbortSignal): Promise<UpgradeTask> {
    const { tasks } = await this.#platform.upgrades.settled(upgradeId, { signal });
    return tasks[0] as UpgradeTask;
  }

  close(): Promise<void> {
    return this.#platform.close();
  }
}

/** What the platform hears of a download. */
export interface Reports {
  /** Resolves when the device has reported 100 %. */
  readonly complete: Promise<unknown>;
  readonly stop: () => void;
}

/** The states a task went through, in their order. */
export function statesOf(task: UpgradeTask): string {
  return task.history
    .map(({ state }) => state)
    .filter((state, i, states) => state !== states[i - 1])
    .join(' → ');
}

function faultsOf({ fault }: JobOptions, { size }: Firmware): Fault[] {
  switch (fault) {
    case 'bad-notice':
      return [{ kind: 'notice-patch', data: { signMethod: 'CRC32' } }];
    case 'not-found':
      return [{ kind: 'http-status', status: 404 }];
    case 'short':
      return [{ kind: 'http-short-length', missingBytes: Math.min(size, 100) }];
    case 'corrupt':
      return [{ kind: 'http-corrupt', offset: Math.floor(size / 2) }];
    case 'slow':
      return [{ kind: 'http-slow', bytesPerSecond: Math.ceil(size / SLOW_SECONDS) }];
    default:
      return [];
  }
}
