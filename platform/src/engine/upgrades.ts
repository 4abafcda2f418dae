import { randomInt } from 'node:crypto';
import type { Devices } from '../devices';
import { invalid, PlatformError } from '../errors';
import type { Events } from '../events';
import type { FirmwareStore } from '../firmware/store';
import { checkDeviceKey, deviceId, reportedVersion } from '../names';
import type { State } from '../state';
import type { DeviceKey, Firmware, Upgrade, UpgradeOptions } from '../types';
import type { Engine } from './engine';
import { isFinal, type Jobs, type Task } from './jobs';

interface Parts {
  readonly state: State;
  readonly events: Events;
  readonly devices: Devices;
  readonly firmware: FirmwareStore;
  readonly jobs: Jobs;
  readonly engine: Engine;
  /** Aborted when the platform closes. */
  readonly closing: AbortSignal;
}

const ATTEMPTS: readonly unknown[] = [1, 2, 5];
const DELAYS: readonly unknown[] = [0, 10, 30, 60, 1440];
const MAX_TIMEOUT_MINUTES = 1440;
/** The platform's limit on an image over MQTT. */
const MAX_STREAMED_BYTES = 16 * 1024 * 1024;
const MAX_STREAM_ID = 2 ** 31;

/** The operator's side of upgrades. */
export class Upgrades {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /**
   * Starts upgrading some devices to a firmware. Those that cannot have the notice now get it when
   * they next can. A device that reported the target version already succeeds at once.
   * Rejects with ERR_INVALID_ARGUMENT, ERR_FIRMWARE_UNKNOWN, ERR_DEVICE_UNKNOWN.
   */
  async start(options: UpgradeOptions): Promise<Upgrade> {
    const { jobs, firmware, engine, state } = this.#parts;
    check(options);
    const image = firmware.expect(options.firmwareId);
    if (options.protocol === 'mqtt') checkStreamed(image);
    const devices = this.#resolve(image, options.devices);
    const { timeoutMinutes, retry } = options;
    const job = jobs.create(
      {
        firmwareId: image.id,
        version: image.version,
        ...(image.module !== undefined && { module: image.module }),
        ...(timeoutMinutes !== undefined && { timeoutMinutes }),
        ...(retry !== undefined && { retry: { ...retry } }),
        requireConfirmation: options.requireConfirmation ?? false,
        delivery: options.delivery ?? 'push',
        protocol: options.protocol ?? 'https',
        ...(options.protocol === 'mqtt' && { streamId: randomInt(1, MAX_STREAM_ID) }),
      },
      devices,
    );
    for (const task of jobs.tasks(job.id)) {
      if (this.#hasVersion(task, image)) jobs.move(task, 'succeeded', 'version-reported');
      else engine.deliver(task);
    }
    await state.flush();
    return this.#expect(job.id);
  }

  get(id: string): Upgrade | undefined {
    return this.#parts.jobs.get(id);
  }

  list(): Upgrade[] {
    return this.#parts.jobs.list();
  }

  /** Lets tasks that wait for confirmation go on: all, or those of some devices. */
  async confirm(id: string, devices?: readonly string[]): Promise<Upgrade> {
    const waiting = this.#select(id, devices).filter((task) => task.state === 'to-be-confirmed');
    if (waiting.length === 0) {
      throw new PlatformError(
        'ERR_UPGRADE_STATE',
        `nothing of upgrade ${id} waits for confirmation`,
      );
    }
    for (const task of waiting) {
      this.#parts.jobs.move(task, 'pending', 'confirmed');
      this.#parts.engine.deliver(task);
    }
    await this.#parts.state.flush();
    return this.#expect(id);
  }

  /** Cancels what is not final: all, or the tasks of some devices. */
  async cancel(id: string, devices?: readonly string[]): Promise<Upgrade> {
    for (const task of this.#select(id, devices)) {
      if (!isFinal(task.state)) this.#parts.jobs.move(task, 'cancelled', 'cancelled-by-operator');
    }
    await this.#parts.state.flush();
    return this.#expect(id);
  }

  /**
   * Resolves when every task of an upgrade is final. Rejects with the signal's reason, with
   * ERR_UPGRADE_UNKNOWN, or with ERR_CLOSED when the platform closes first.
   */
  settled(id: string, options: { readonly signal?: AbortSignal } = {}): Promise<Upgrade> {
    const { events, closing } = this.#parts;
    const { signal } = options;
    return new Promise((resolve, reject) => {
      const finish = (settle: () => void): void => {
        events.off('task-changed', look);
        signal?.removeEventListener('abort', stop);
        closing.removeEventListener('abort', stop);
        settle();
      };
      const stop = (): void =>
        finish(() => reject(signal?.aborted ? signal.reason : closing.reason));
      const look = (event?: { readonly upgradeId: string }): void => {
        if (event !== undefined && event.upgradeId !== id) return;
        // After the turn: a failure may be followed at once by its retry.
        queueMicrotask(() => {
          const upgrade = this.get(id);
          if (upgrade?.settled) finish(() => resolve(upgrade));
        });
      };
      this.#parts.jobs.job(id);
      if (signal?.aborted || closing.aborted) {
        stop();
        return;
      }
      events.on('task-changed', look);
      signal?.addEventListener('abort', stop);
      closing.addEventListener('abort', stop);
      look();
    });
  }

  #resolve(image: Firmware, devices: readonly (string | DeviceKey)[]): DeviceKey[] {
    const found = new Map<string, DeviceKey>();
    for (const device of devices) {
      const key = checkDeviceKey(
        typeof device === 'string' ? { productKey: image.productKey, deviceName: device } : device,
      );
      if (key.productKey !== image.productKey) {
        throw invalid(`${deviceId(key)} is not of the firmware's product ${image.productKey}`);
      }
      if (this.#parts.devices.get(key) === undefined) {
        throw new PlatformError('ERR_DEVICE_UNKNOWN', `there is no device ${deviceId(key)}`);
      }
      found.set(deviceId(key), key);
    }
    return [...found.values()];
  }

  #hasVersion(task: Task, image: Firmware): boolean {
    return reportedVersion(this.#parts.devices.get(task), image.module) === image.version;
  }

  #select(id: string, devices: readonly string[] | undefined): Task[] {
    const tasks = this.#parts.jobs.tasks(id);
    for (const name of devices ?? []) {
      if (!tasks.some((task) => task.deviceName === name)) {
        throw new PlatformError('ERR_DEVICE_UNKNOWN', `upgrade ${id} has no device ${name}`);
      }
    }
    return tasks.filter((task) => devices === undefined || devices.includes(task.deviceName));
  }

  #expect(id: string): Upgrade {
    return this.get(id) as Upgrade;
  }
}

function checkStreamed({ files, size }: Firmware): void {
  if (files !== undefined) throw invalid('over MQTT a firmware has one image and no files');
  if (size > MAX_STREAMED_BYTES) {
    throw invalid(`over MQTT a firmware has at most ${MAX_STREAMED_BYTES} bytes`);
  }
}

function check({ devices, timeoutMinutes, retry, delivery, protocol }: UpgradeOptions): void {
  if (!Array.isArray(devices) || devices.length === 0) {
    throw invalid('devices must name at least one device');
  }
  if (
    timeoutMinutes !== undefined &&
    !(
      Number.isInteger(timeoutMinutes) &&
      timeoutMinutes >= 1 &&
      timeoutMinutes <= MAX_TIMEOUT_MINUTES
    )
  ) {
    throw invalid('timeoutMinutes must be 1-1440');
  }
  if (retry !== undefined && !ATTEMPTS.includes(retry.attempts)) {
    throw invalid('retry.attempts must be 1, 2 or 5');
  }
  if (retry !== undefined && !DELAYS.includes(retry.delayMinutes)) {
    throw invalid('retry.delayMinutes must be 0, 10, 30, 60 or 1440');
  }
  if (delivery !== undefined && delivery !== 'push' && delivery !== 'pull') {
    throw invalid("delivery must be 'push' or 'pull'");
  }
  if (protocol !== undefined && protocol !== 'https' && protocol !== 'mqtt') {
    throw invalid("protocol must be 'https' or 'mqtt'");
  }
}
