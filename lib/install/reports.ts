// Tested by test/unit/install/agent.test.ts
/** What the platform hears of an update besides its download: the end, for certain; progress, if it can. */
import { isInvalidArgument } from '../base/arguments';
import { IotkitError } from '../base/errors';
import type { Subscription } from '../base/listeners';
import { abortable } from '../base/signals';
import type { CheckOptions, Ota } from '../ota/ota';
import type { Upgrade } from '../ota/upgrade';
import { excerpt } from './excerpt';

/** What the agent needs of a device: `connect()` and `attach()` of `iotkit-ota` make one. */
export interface UpdateDevice {
  /** `'connected'`, or another. */
  readonly state: string;
  /** Upgrades, versions and progress. */
  readonly ota: Pick<Ota, 'upgrades' | 'reportVersion' | 'reportProgress' | 'check'>;
  /** As that of `Device`. */
  on(event: 'state', listener: () => void): Subscription;
}

/** What the platform's console shows: at most 1,024 bytes. */
const DESC_MAX = 1024;
const HEAD_BYTES = 200;

/** @internal */
export class Reports {
  readonly #device: UpdateDevice;
  readonly #signal: AbortSignal;

  constructor(device: UpdateDevice, signal: AbortSignal) {
    this.#device = device;
    this.#signal = signal;
  }

  get isConnected(): boolean {
    return this.#device.state === 'connected';
  }

  /** Resolves when the platform has acknowledged it. */
  async version(version: string, module: string): Promise<void> {
    await this.#device.ota.reportVersion(version, {
      module: moduleOption(module),
      signal: this.#signal,
    });
  }

  /** Resolves when a connection has it, however long it takes until there is one. */
  async failure(step: number, reason: string, module: string): Promise<void> {
    for (;;) {
      try {
        const desc = descOf(reason);
        await this.#device.ota.reportProgress(step, { desc, module: moduleOption(module) });
        return;
      } catch (error) {
        if (!IotkitError.is(error) || error.code !== 'ERR_NOT_CONNECTED') throw error;
      }
      await this.connected();
    }
  }

  /** A percentage that cannot be sent now is not missed. */
  progress(step: number, module: string): void {
    this.#device.ota.reportProgress(step, { module: moduleOption(module) }).catch(() => {});
  }

  /** Whether the platform still wants an upgrade of the module, and which. */
  check(module: string): Promise<Upgrade | undefined> {
    const options: CheckOptions = { module: moduleOption(module), signal: this.#signal };
    return this.#device.ota.check(options);
  }

  /** Resolves when there is a connection. */
  async connected(): Promise<void> {
    let subscription: Subscription | undefined;
    const connected = new Promise<void>((resolve) => {
      subscription = this.#device.on('state', () => {
        if (this.isConnected) resolve();
      });
      if (this.isConnected) resolve();
    });
    try {
      await abortable(connected, this.#signal);
    } finally {
      subscription?.off();
    }
  }
}

/** @internal `'default'` is the platform's name of the module that has none. */
export function moduleOption(module: string): string {
  return module === '' ? 'default' : module;
}

/** @internal What an error says, for the record and the platform. */
export function reasonOf(error: unknown): string {
  if (IotkitError.is(error) || isInvalidArgument(error)) return `${error.code}: ${error.message}`;
  return error instanceof Error ? error.message : String(error);
}

/**
 * @internal The beginning of a long text, and its end, which is what a failing program said last;
 * without a NUL, which no report can carry.
 */
export function descOf(reason: string): string {
  return excerpt(reason.replaceAll('\0', '\ufffd'), DESC_MAX, HEAD_BYTES);
}
