import type { KeyObject } from 'node:crypto';
import type { Broker, BrokerListener } from '../broker/broker';
import type { Clock } from '../clock';
import type { Configs } from '../configs/configs';
import type { Devices } from '../devices';
import { messageOf } from '../errors';
import type { Events } from '../events';
import type { NoticeFault } from '../fault-types';
import type { Faults } from '../faults';
import type { FirmwareStore } from '../firmware/store';
import { deviceId, reportedVersion } from '../names';
import type { DeviceKey } from '../types';
import { Blocks } from './blocks';
import type { Jobs, Task } from './jobs';
import {
  BadMessage,
  type Inform,
  isOwnNotice,
  type ProgressReport,
  parseInform,
  parseProgress,
  parsePull,
} from './messages';
import {
  errorReplyPayload,
  type NoticeData,
  noticeData,
  pushPayload,
  replyPayload,
  spoilData,
  spoilPayload,
} from './notice';
import { getReplyTopic, parseUpstream, requestTopic, type Upstream, upgradeTopic } from './topics';

/** What the engine works with. */
export interface EngineParts {
  readonly clock: Clock;
  readonly events: Events;
  readonly devices: Devices;
  readonly firmware: FirmwareStore;
  readonly jobs: Jobs;
  readonly configs: Configs;
  readonly faults: Faults;
  /** Makes the address a device downloads an image from, or one of several files. */
  readonly firmwareUrl: (imageId: string) => string;
  readonly signingKey: KeyObject | undefined;
}

const NOTICE_FAULTS = [
  'notice-digest',
  'notice-size',
  'notice-malformed',
  'notice-patch',
  'notice-lost',
] as const;

/**
 * The protocol: takes what devices send, moves tasks on, sends notices. Knows no transport; it
 * never throws on what a device sent.
 */
export class Engine implements BrokerListener {
  readonly #parts: EngineParts;
  broker: Broker | undefined;
  /** Grows with each connection of a device, so that a notice of an earlier one is sent again. */
  readonly #connections = new Map<string, number>();
  /** The connection on which each task's notice was sent. */
  readonly #noticed = new WeakMap<Task, number>();
  readonly #blocks: Blocks;
  #nextNoticeId: number;

  constructor(parts: EngineParts) {
    this.#parts = parts;
    this.#blocks = new Blocks({ ...parts, broker: () => this.broker });
    this.#nextNoticeId = Math.floor(parts.clock.now() / 1000);
  }

  /** Takes up work on a broker; devices whose connections it does not see may be there already. */
  attach(broker: Broker): void {
    this.broker = broker;
    if (broker.knowsConnections) return;
    for (const task of this.#parts.jobs.unfinished()) this.deliver(task);
  }

  connected(key: DeviceKey): void {
    this.#newConnection(key);
    this.#parts.events.emit('device-connected', key);
  }

  disconnected(key: DeviceKey): void {
    this.#newConnection(key);
    this.#parts.events.emit('device-disconnected', key);
  }

  subscribed(key: DeviceKey): void {
    this.#newConnection(key);
    this.deliverAll(key);
  }

  message(topic: string, payload: Buffer): void {
    const upstream = parseUpstream(topic);
    if (upstream === undefined) return;
    try {
      if (this.#parts.devices.get(upstream.key) === undefined) {
        throw new BadMessage('the device is not registered');
      }
      this.#dispatch(upstream, payload);
    } catch (error) {
      this.#refuse(upstream, topic, error);
    }
  }

  /** Sends the notice of every task of a device that waits for it and can have it now. */
  deliverAll(key: DeviceKey): void {
    for (const task of this.#parts.jobs.activeOf(key)) this.deliver(task);
  }

  /** Sends a task's notice if it is due and the device can receive it; else nothing happens. */
  deliver(task: Task): void {
    const topic = upgradeTopic(task);
    if (this.#parts.jobs.job(task.upgradeId).delivery === 'pull') return;
    if (!this.#isWaiting(task) || !this.broker?.canReceive(task, topic)) return;
    if (!this.#fits(task)) return;
    const connection = this.#connections.get(deviceId(task)) ?? 0;
    if (task.state === 'pushed' && this.#noticed.get(task) === connection) return;
    this.#noticed.set(task, connection);
    this.#notify(task, topic, (data) => pushPayload(this.#nextNoticeId++, data));
    this.#parts.jobs.move(task, 'pushed', 'delivered');
  }

  #dispatch({ kind, key }: Upstream, payload: Buffer): void {
    switch (kind) {
      case 'inform':
        this.#inform(key, parseInform(payload));
        break;
      case 'progress':
        this.#progress(key, parseProgress(payload));
        break;
      case 'get': {
        const { id, module } = parsePull(payload);
        this.#pull(key, module, getReplyTopic(key), (data) => replyPayload(id, data));
        break;
      }
      case 'request': {
        // The topic goes both ways: on an external broker the platform hears itself.
        if (isOwnNotice(payload)) return;
        const { id, module } = parsePull(payload);
        this.#pull(key, module, requestTopic(key), (data) => pushPayload(Number(id), data));
        break;
      }
      case 'block':
        this.#blocks.asked(key, payload);
        break;
      case 'config-get':
        this.#parts.configs.asked(key, payload);
        break;
      case 'config-push-reply':
        this.#parts.configs.answered(key, payload);
    }
  }

  #inform(key: DeviceKey, { version, module }: Inform): void {
    const { jobs, devices, events } = this.#parts;
    if (this.broker?.knowsConnections === false) this.#newConnection(key);
    devices.setVersion(key, module, version);
    events.emit('version-reported', { ...key, ...(module !== undefined && { module }), version });
    const task = jobs.active(key, module);
    if (task !== undefined) {
      if (version === jobs.job(task.upgradeId).version) {
        jobs.move(task, 'succeeded', 'version-reported');
      } else if (task.state === 'upgrading') {
        jobs.move(task, 'failed', 'wrong-version', { desc: version });
      }
    }
    this.deliverAll(key);
  }

  #progress(key: DeviceKey, { step, desc, module }: ProgressReport): void {
    const { jobs } = this.#parts;
    const task = jobs.active(key, module);
    if (task === undefined || (task.state !== 'pushed' && task.state !== 'upgrading')) {
      throw new BadMessage('there is no upgrade under way to report progress of');
    }
    const first = task.state === 'pushed';
    if (step < 0) {
      jobs.progress(task, step, desc);
      jobs.move(task, 'failed', 'device-failed', { step, desc });
      return;
    }
    if (first) jobs.move(task, 'upgrading', 'progress', { step, desc });
    jobs.progress(task, step, desc);
  }

  /** Answers a device that asks, with its upgrade or with no data. */
  #pull(
    key: DeviceKey,
    module: string | undefined,
    topic: string,
    payload: (data: NoticeData | Record<string, never>) => string,
  ): void {
    const task = this.#parts.jobs.active(key, module);
    const available =
      task !== undefined &&
      (task.state === 'upgrading' || this.#isWaiting(task)) &&
      this.#fits(task);
    if (!available) {
      this.#send(key, topic, payload({}));
      return;
    }
    this.#noticed.set(task, this.#connections.get(deviceId(key)) ?? 0);
    this.#notify(task, topic, payload);
    this.#parts.jobs.move(task, 'pushed', 'pulled');
  }

  #notify(task: Task, topic: string, payload: (data: NoticeData) => string): void {
    const { firmware, jobs, events, faults, firmwareUrl, signingKey } = this.#parts;
    const { firmwareId, streamId } = jobs.job(task.upgradeId);
    const image = firmware.expect(firmwareId);
    const struck: NoticeFault[] = faults.strike(NOTICE_FAULTS, {
      firmwareId,
      deviceName: task.deviceName,
    });
    const carriage = { url: firmwareUrl, signingKey, ...(streamId !== undefined && { streamId }) };
    const data = struck.reduce(spoilData, noticeData(image, carriage));
    const text = struck.reduce(spoilPayload, payload(data));
    if (!struck.some(({ kind }) => kind === 'notice-lost')) this.#send(task, topic, text);
    const { productKey, deviceName, upgradeId } = task;
    events.emit('notice-sent', { productKey, deviceName, upgradeId, topic });
    const drops = faults.strike(['mqtt-drop'], { firmwareId, deviceName, on: 'notice' });
    if (drops.length > 0) this.broker?.disconnect(task);
  }

  #send(key: DeviceKey, topic: string, payload: string): void {
    this.broker?.publish(topic, payload, 1).catch((error: unknown) => {
      // The device's next connection gets the notice again.
      this.#newConnection(key);
      this.#parts.events.emit('bad-message', { topic, reason: `not sent: ${messageOf(error)}` });
    });
  }

  #refuse({ kind, key }: Upstream, topic: string, error: unknown): void {
    const reason = messageOf(error);
    this.#parts.events.emit('bad-message', { topic, reason });
    if (kind === 'get' && error instanceof BadMessage && this.#parts.devices.get(key)) {
      this.#send(key, getReplyTopic(key), errorReplyPayload(error.id, reason));
    }
  }

  /** Whether the task's notice is still to be sent, or to be sent again. */
  #isWaiting(task: Task): boolean {
    if (task.state === 'pushed') return true;
    return task.state === 'pending' && (task.notBefore ?? 0) <= this.#parts.clock.now();
  }

  /** Whether the device has reported a version the firmware may be installed over. */
  #fits(task: Task): boolean {
    const { devices, firmware, jobs } = this.#parts;
    const version = reportedVersion(devices.get(task), task.module);
    if (version === undefined) return false;
    const { sourceVersions } = firmware.expect(jobs.job(task.upgradeId).firmwareId);
    return sourceVersions === undefined || sourceVersions.includes(version);
  }

  #newConnection(key: DeviceKey): void {
    const id = deviceId(key);
    this.#connections.set(id, (this.#connections.get(id) ?? 0) + 1);
  }
}
