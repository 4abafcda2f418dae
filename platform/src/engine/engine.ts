// engine/: the device's side of upgrades. Messages arrive here; jobs.ts keeps jobs and tasks,
// task-states.ts says which state follows which, visits.ts what each device did on its connection;
// notices.ts sends notices, blocks.ts answers requests for blocks. Knows no broker. Imports base,
// store, faults, types, devices, events, protocol, firmware, configs, logs, messages,
// gateways.

import { messageOf } from '../base/errors';
import type { Configs } from '../configs/configs';
import type { Devices } from '../devices/devices';
import type { Events } from '../events/events';
import type { Gateways } from '../gateways/gateways';
import type { Logs } from '../logs/logs';
import type { Messages } from '../messages/messages';
import type { BrokerListener } from '../protocol/broker';
import type { Connections } from '../protocol/connections';
import {
  BadMessage,
  type Inform,
  isOwnNotice,
  type ProgressReport,
  parseInform,
  parseProgress,
  parsePull,
} from '../protocol/messages';
import { errorReplyPayload, pushPayload, replyPayload } from '../protocol/notice';
import { getReplyTopic, parseUpstream, requestTopic, type Upstream } from '../protocol/topics';
import type { DeviceKey } from '../types/device';
import type { Blocks } from './blocks';
import type { Jobs } from './jobs';
import type { Notices } from './notices';

interface Dependencies {
  readonly events: Events;
  readonly connections: Connections;
  readonly devices: Devices;
  readonly jobs: Jobs;
  readonly notices: Notices;
  readonly blocks: Blocks;
  readonly configs: Configs;
  readonly logs: Logs;
  readonly messages: Messages;
  readonly gateways: Gateways;
}

/**
 * The protocol: takes what devices send, moves tasks on, has notices sent. It knows no transport
 * and never throws on what a device sent.
 */
export class Engine implements BrokerListener {
  readonly #deps: Dependencies;

  constructor(deps: Dependencies) {
    this.#deps = deps;
    deps.gateways.listen({
      opened: (sub) => this.#came(sub),
      closed: (sub) => this.#left(sub),
    });
  }

  connected(key: DeviceKey): void {
    this.#deps.gateways.arrived(key);
    this.#came(key);
  }

  disconnected(key: DeviceKey): void {
    this.#deps.gateways.departed(key);
    this.#left(key);
  }

  subscribed(key: DeviceKey): void {
    this.#deps.notices.deliverAll(key);
  }

  message(topic: string, payload: Buffer, from?: DeviceKey): void {
    this.#deps.messages.heard(topic, payload, from);
    const upstream = parseUpstream(topic, from);
    if (upstream === undefined) return;
    try {
      if (this.#deps.devices.get(upstream.key) === undefined) {
        throw new BadMessage('the device is not registered');
      }
      this.#dispatch(upstream, topic, payload);
    } catch (error) {
      this.#refuse(upstream, topic, error);
    }
  }

  /** A device is there, on a connection of its own or through its gateway. */
  #came(key: DeviceKey): void {
    this.#deps.devices.activated(key);
    this.#deps.notices.connected(key);
    this.#deps.events.emit('device-connected', key);
  }

  #left(key: DeviceKey): void {
    this.#deps.notices.disconnected(key);
    this.#deps.events.emit('device-disconnected', key);
  }

  #dispatch({ kind, key }: Upstream, topic: string, payload: Buffer): void {
    const { notices, blocks, configs, logs, messages, gateways } = this.#deps;
    switch (kind) {
      case 'inform':
        this.#inform(key, parseInform(payload));
        break;
      case 'progress':
        this.#progress(key, parseProgress(payload));
        break;
      case 'get': {
        const { id, module } = parsePull(payload);
        notices.answer(key, module, getReplyTopic(key), (data) => replyPayload(id, data));
        break;
      }
      case 'request': {
        // Requests and answers share this topic, and an external broker echoes the answers to us.
        if (isOwnNotice(payload)) return;
        const { id, module } = parsePull(payload);
        notices.answer(key, module, requestTopic(key), (data) => pushPayload(Number(id), data));
        break;
      }
      case 'block':
        blocks.requested(key, payload);
        break;
      case 'config-get':
        configs.requested(key, payload);
        break;
      case 'config-push-reply':
        configs.answered(key, payload);
        break;
      case 'log-post':
        logs.posted(key, payload);
        break;
      case 'log-config-get':
        logs.requested(key, payload);
        break;
      case 'time':
        messages.timeRequested(key, payload);
        break;
      case 'property-post':
        messages.properties.posted(key, payload);
        break;
      case 'call-answer':
        messages.answered(key, topic, payload);
        break;
      default:
        gateways.requested(kind, key, topic, payload);
    }
  }

  #inform(key: DeviceKey, { version, module }: Inform): void {
    const { jobs, devices, events, notices } = this.#deps;
    devices.activated(key);
    devices.setVersion(key, module, version);
    events.emit('version-reported', { ...key, ...(module !== undefined && { module }), version });
    const task = jobs.active(key, module);
    if (task !== undefined) jobs.versionReported(task, version);
    notices.versionReported(key, module);
  }

  #progress(key: DeviceKey, { step, desc, module }: ProgressReport): void {
    const { jobs } = this.#deps;
    const task = jobs.active(key, module);
    if (task === undefined || task.state === 'to-be-confirmed') {
      throw new BadMessage('there is no upgrade under way to report progress of');
    }
    jobs.stepReported(task, step, desc);
  }

  #refuse({ kind, key }: Upstream, topic: string, error: unknown): void {
    const reason = messageOf(error);
    this.#deps.events.emit('bad-message', { topic, reason });
    if (kind === 'get' && error instanceof BadMessage && this.#deps.devices.get(key)) {
      this.#deps.notices.send(key, getReplyTopic(key), errorReplyPayload(error.id, reason));
    }
  }
}
