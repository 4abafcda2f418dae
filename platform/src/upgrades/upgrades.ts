// Tested by platform/test/upgrade.test.ts
//
// upgrades/: the operator's side of upgrades: start, confirm, cancel, await.
// Imports base, store, types, devices, events, firmware, logs, engine.

import { randomInt } from 'node:crypto';
import { invalid, PlatformError } from '../base/errors';
import type { Devices } from '../devices/devices';
import { checkDeviceKey, deviceId, reportedVersion } from '../devices/names';
import type { Jobs } from '../engine/jobs';
import type { Notices } from '../engine/notices';
import type { Task } from '../engine/task-states';
import type { Events } from '../events/events';
import type { FirmwareStore } from '../firmware/store';
import type { Logs } from '../logs/logs';
import type { DeviceKey } from '../types/device';
import type { Firmware } from '../types/firmware';
import type { DeviceLogEntry } from '../types/log';
import type { Upgrade } from '../types/upgrade';
import { checkUpgradeOptions, type UpgradeOptions } from './options';

interface Dependencies {
  readonly events: Events;
  readonly devices: Devices;
  readonly firmware: FirmwareStore;
  readonly jobs: Jobs;
  readonly notices: Notices;
  readonly logs: Logs;
  /** Aborted when the platform closes. */
  readonly closing: AbortSignal;
}

/** The platform's limit on an image over MQTT. */
const MAX_STREAMED_BYTES = 16 * 1024 * 1024;
const MAX_STREAM_ID = 2 ** 31;

/** The operator's side of upgrades. */
export class Upgrades {
  readonly #deps: Dependencies;

  constructor(deps: Dependencies) {
    this.#deps = deps;
  }

  /**
   * Starts upgrading some devices to a firmware. A device that cannot receive the notice now gets
   * it when it next can; one that has reported the target version already succeeds immediately.
   * Rejects with ERR_INVALID_ARGUMENT, ERR_FIRMWARE_UNKNOWN, ERR_DEVICE_UNKNOWN, or with
   * ERR_STATE_FULL and ERR_STATE where the upgrade cannot be made to last.
   */
  async start(options: UpgradeOptions): Promise<Upgrade> {
    const { jobs, firmware } = this.#deps;
    checkUpgradeOptions(options);
    const image = firmware.expect(options.firmwareId);
    if (options.protocol === 'mqtt') checkStreamed(image);
    const keys = this.#resolve(image, options.devices);
    const { timeoutMinutes, retry } = options;
    const job = await jobs.create(
      {
        firmwareId: image.id,
        version: image.version,
        ...(image.module !== undefined && { module: image.module }),
        ...(timeoutMinutes !== undefined && { timeoutMinutes }),
        ...(retry !== undefined && { retry: { ...retry } }),
        ...(options.multiModule && { multiModule: true }),
        requireConfirmation: options.requireConfirmation ?? false,
        delivery: options.delivery ?? 'push',
        protocol: options.protocol ?? 'https',
        ...(options.protocol === 'mqtt' && { streamId: randomInt(1, MAX_STREAM_ID) }),
      },
      keys.map((key) => ({ ...key, ...this.#versionOf(key, image) })),
    );
    for (const task of jobs.tasks(job.id)) this.#begin(task, image);
    return this.#expect(job.id);
  }

  /** The device may have been removed, or have reported a version, while the job was being written. */
  #begin(task: Task, image: Firmware): void {
    const { jobs, notices, devices } = this.#deps;
    if (devices.get(task) === undefined) jobs.move(task, 'cancelled', 'device-removed');
    const { version } = this.#versionOf(task, image);
    if (version !== undefined) jobs.versionReported(task, version);
    notices.deliver(task);
  }

  get(id: string): Upgrade | undefined {
    return this.#deps.jobs.get(id);
  }

  list(): Upgrade[] {
    return this.#deps.jobs.list();
  }

  /**
   * What the devices of an upgrade have uploaded of their logs since it began, and before the next one
   * of the same device, in the order of arrival, without what they wrote before it began (see
   * `writtenSince` of `logs.list`); with `devices`, of some alone. Throws ERR_UPGRADE_UNKNOWN,
   * ERR_DEVICE_UNKNOWN.
   */
  logs(id: string, devices?: readonly string[]): DeviceLogEntry[] {
    const { jobs, logs } = this.#deps;
    const since = jobs.job(id).createdAt;
    return this.#select(id, devices)
      .filter((task) => this.#deps.devices.get(task) !== undefined)
      .flatMap((task) =>
        logs.list(task, { since, writtenSince: since, ...this.#nextOf(task, since) }),
      )
      .sort((a, b) => a.receivedAt - b.receivedAt);
  }

  /** Confirms tasks that wait for it: all, or those of some devices. */
  async confirm(id: string, devices?: readonly string[]): Promise<Upgrade> {
    const waiting = this.#select(id, devices).filter((task) => task.state === 'to-be-confirmed');
    if (waiting.length === 0) {
      throw new PlatformError(
        'ERR_UPGRADE_STATE',
        `nothing of upgrade ${id} waits for confirmation`,
      );
    }
    await this.#deps.jobs.moveAll(waiting, 'pending', 'confirmed');
    for (const task of waiting) this.#deps.notices.deliver(task);
    return this.#expect(id);
  }

  /** Cancels what is not final: all, or the tasks of some devices. */
  async cancel(id: string, devices?: readonly string[]): Promise<Upgrade> {
    const tasks = this.#select(id, devices);
    await this.#deps.jobs.moveAll(tasks, 'cancelled', 'cancelled-by-operator');
    return this.#expect(id);
  }

  /**
   * Resolves when every task of an upgrade is final. Rejects with the signal's reason, with
   * ERR_UPGRADE_UNKNOWN, or with ERR_CLOSED when the platform closes first.
   */
  settled(id: string, options: { readonly signal?: AbortSignal } = {}): Promise<Upgrade> {
    const { events, closing } = this.#deps;
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
        const upgrade = this.get(id);
        if (upgrade?.settled) finish(() => resolve(upgrade));
      };
      this.#deps.jobs.job(id);
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
      if (this.#deps.devices.get(key) === undefined) {
        throw new PlatformError('ERR_DEVICE_UNKNOWN', `there is no device ${deviceId(key)}`);
      }
      found.set(deviceId(key), key);
    }
    return [...found.values()];
  }

  #versionOf(key: DeviceKey, { module }: Firmware): { version?: string } {
    const version = reportedVersion(this.#deps.devices.get(key), module);
    return version === undefined ? {} : { version };
  }

  /** When the next upgrade of a task's device began, if there was one. */
  #nextOf(task: Task, since: number): { until?: number } {
    const later = this.list()
      .filter(({ id, createdAt }) => id !== task.upgradeId && createdAt > since)
      .filter(({ tasks }) => tasks.some((each) => deviceId(each) === deviceId(task)))
      .map(({ createdAt }) => createdAt);
    return later.length === 0 ? {} : { until: Math.min(...later) };
  }

  #select(id: string, devices: readonly string[] | undefined): Task[] {
    const tasks = this.#deps.jobs.tasks(id);
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
