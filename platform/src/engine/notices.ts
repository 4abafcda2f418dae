// Tested by platform/test/engine/engine.test.ts

import type { KeyObject } from 'node:crypto';
import type { Clock } from '../base/clock';
import type { Devices } from '../devices/devices';
import { reportedVersion } from '../devices/names';
import type { Events } from '../events/events';
import type { NoticeFault } from '../faults/fault-types';
import type { Faults } from '../faults/faults';
import type { FirmwareStore } from '../firmware/store';
import type { Connections } from '../protocol/connections';
import {
  faultyData,
  faultyPayload,
  type NoticeData,
  noticeData,
  pushPayload,
} from '../protocol/notice';
import { upgradeTopic } from '../protocol/topics';
import type { DeviceKey } from '../types/device';
import type { Firmware } from '../types/firmware';
import type { Jobs } from './jobs';
import { isAwaitingRetry, isFinal, type Task } from './task-states';
import type { Visits } from './visits';

interface Dependencies {
  readonly clock: Clock;
  readonly events: Events;
  readonly connections: Connections;
  readonly devices: Devices;
  readonly firmware: FirmwareStore;
  readonly jobs: Jobs;
  readonly visits: Visits;
  readonly faults: Faults;
  /** Makes the address a device downloads an image from, or one of several files. */
  readonly firmwareUrl: (imageId: string) => string;
  readonly signingKey: KeyObject | undefined;
}

/**
 * Why a notice is considered: the device has just reported its version, or asks, or neither: then
 * the version decides that it reported earlier.
 */
type Occasion = 'report' | 'pull' | 'stored';

const NOTICE_FAULTS = [
  'notice-digest',
  'notice-size',
  'notice-malformed',
  'notice-patch',
  'notice-lost',
] as const;

/**
 * Sends each task's notice: after every report of its module's version, and once to each connection
 * whose device reports nothing, until the task is final.
 */
export class Notices {
  readonly #deps: Dependencies;
  #nextNoticeId: number;

  constructor(deps: Dependencies) {
    this.#deps = deps;
    this.#nextNoticeId = Math.floor(deps.clock.now() / 1000);
    deps.jobs.onDue((task) => this.#send(task, 'stored'));
  }

  /** The broker can be used: devices whose connections it does not see may be there already. */
  start(): void {
    const { connections, jobs } = this.#deps;
    for (const task of jobs.unfinished()) {
      if (connections.presence(task) === 'unknown') this.#send(task, 'stored');
    }
  }

  /** What is sent waits until the device has reported a version, or had the time to. */
  connected(key: DeviceKey): void {
    this.#deps.visits.begin(key, () => this.deliverAll(key));
  }

  disconnected(key: DeviceKey): void {
    this.#deps.visits.end(key);
  }

  versionReported(key: DeviceKey, module: string | undefined): void {
    const { jobs, visits } = this.#deps;
    visits.reported(key, module);
    const task = jobs.active(key, module);
    if (task !== undefined) this.#send(task, 'report');
  }

  /** Sends the notices that a device was not sent on this connection and can have now. */
  deliverAll(key: DeviceKey): void {
    for (const task of this.#deps.jobs.activeOf(key)) this.deliver(task);
  }

  /** Sends a task's notice if it was not sent on this connection and can be now. */
  deliver(task: Task): void {
    const { connections, visits } = this.#deps;
    if (connections.presence(task) === 'yes' && visits.wasNoticed(task)) return;
    this.#send(task, 'stored');
  }

  /** Answers a device that asks for its upgrade, with no data when there is none. */
  answer(
    key: DeviceKey,
    module: string | undefined,
    topic: string,
    payload: (data: NoticeData | Record<string, never>) => string,
  ): void {
    const { jobs } = this.#deps;
    const task = jobs.active(key, module);
    const image = task && this.#imageFor(task, 'pull');
    if (task === undefined || image === undefined) {
      this.send(key, topic, payload({}));
      return;
    }
    this.#notify(task, image, topic, payload);
    jobs.move(task, 'pushed', 'pulled');
  }

  /** Sends a message to a device; after a failure its notices are sent again. */
  send(key: DeviceKey, topic: string, payload: string): void {
    const { connections, visits } = this.#deps;
    connections.send(topic, payload, 1, () => visits.forgetNotices(key));
  }

  #send(task: Task, occasion: Occasion): void {
    const { jobs, connections } = this.#deps;
    const topic = upgradeTopic(task);
    if (jobs.job(task.upgradeId).delivery === 'pull') return;
    if (!connections.canReceive(task, topic)) return;
    const image = this.#imageFor(task, occasion);
    if (image === undefined) return;
    this.#notify(task, image, topic, (data) => pushPayload(this.#nextNoticeId++, data));
    // Whoever has just reported its version is there, even where connections are not seen.
    const isThere = occasion === 'report' || connections.presence(task) === 'yes';
    if (isThere) jobs.move(task, 'pushed', 'delivered');
  }

  #notify(task: Task, image: Firmware, topic: string, payload: (data: NoticeData) => string): void {
    const { jobs, visits, events, faults, connections, firmwareUrl, signingKey } = this.#deps;
    const { streamId } = jobs.job(task.upgradeId);
    const { productKey, deviceName, upgradeId } = task;
    const occasion = { firmwareId: image.id, deviceName };
    const struck: NoticeFault[] = faults.strike(NOTICE_FAULTS, occasion);
    const carriage = { url: firmwareUrl, signingKey, ...(streamId !== undefined && { streamId }) };
    const data = struck.reduce(faultyData, noticeData(image, carriage));
    const text = struck.reduce(faultyPayload, payload(data));
    visits.noticed(task);
    if (!struck.some(({ kind }) => kind === 'notice-lost')) this.send(task, topic, text);
    events.emit('notice-sent', { productKey, deviceName, upgradeId, topic });
    const drops = faults.strike(['mqtt-drop'], { ...occasion, on: 'notice' });
    if (drops.length > 0) connections.disconnect(task);
  }

  /** What a task's notice would announce; undefined when the device is not to have it now. */
  #imageFor(task: Task, occasion: Occasion): Firmware | undefined {
    const { clock, jobs, firmware } = this.#deps;
    if (isFinal(task.state) || task.state === 'to-be-confirmed') return undefined;
    if (isAwaitingRetry(task, clock.now())) return undefined;
    // Without its image the task waits; the problem was reported when it was found.
    const image = firmware.available(jobs.job(task.upgradeId).firmwareId);
    return image !== undefined && this.#fits(task, image, occasion) ? image : undefined;
  }

  /**
   * Whether the firmware may be installed over what the device runs. A version from an earlier
   * connection may be out of date: it decides only when the device has had the time to report
   * another, and never for a delta, which fits one version alone.
   */
  #fits(task: Task, { isDiff, sourceVersions }: Firmware, occasion: Occasion): boolean {
    const { devices, visits } = this.#deps;
    const version = reportedVersion(devices.get(task), task.module);
    if (!this.#isFresh(task, occasion)) {
      if (isDiff) return false;
      if (occasion !== 'pull' && !visits.isGraceOver(task)) return false;
    }
    // A device need not report its default module; another one it may not even have.
    if (version === undefined) return sourceVersions === undefined && task.module === undefined;
    return sourceVersions === undefined || sourceVersions.includes(version);
  }

  /** Whether the version that is stored was reported on the device's present connection. */
  #isFresh(task: Task, occasion: Occasion): boolean {
    const { connections, visits } = this.#deps;
    if (occasion === 'report') return true;
    if (!visits.hasReported(task, task.module)) return false;
    return occasion === 'pull' || connections.presence(task) === 'yes';
  }
}
