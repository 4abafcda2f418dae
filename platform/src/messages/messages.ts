// messages/: what passes between operator and devices besides upgrades and configurations: messages
// either way, to one device or many, calls (RRPC) and the time (here); what they take (options.ts),
// payloads in JSON (payload.ts), properties of thing models (properties.ts). Keeps no message. Imports
// base, types, devices, events, protocol.

import type { Clock } from '../base/clock';
import { messageOf, PlatformError } from '../base/errors';
import type { Devices } from '../devices/devices';
import { deviceId } from '../devices/names';
import type { Events } from '../events/events';
import type { Connections } from '../protocol/connections';
import { BadMessage } from '../protocol/messages';
import { parseTimeRequest, timeReplyPayload } from '../protocol/time-messages';
import { broadcastTopic, callTopics, ownerOf, timeReplyTopic } from '../protocol/topics';
import type { DeviceKey } from '../types/device';
import {
  type BatchPublishOptions,
  type Broadcast,
  type BroadcastOptions,
  type CallAnswer,
  type CallOptions,
  checkBatchPublish,
  checkBroadcast,
  checkCall,
  checkPublish,
  type Publication,
  type PublishOptions,
} from './options';
import { Properties } from './properties';

interface Dependencies {
  readonly clock: Clock;
  readonly events: Events;
  readonly devices: Devices;
  readonly connections: Connections;
  /** The gateway through which a device is connected, if it is. */
  readonly carrierOf: (key: DeviceKey) => DeviceKey | undefined;
  /** Aborted when the platform closes. */
  readonly closing: AbortSignal;
}

/** A call whose answer is awaited. */
interface Awaited {
  readonly device: DeviceKey;
  readonly answer: (payload: Buffer) => void;
}

/** Messages to devices, calls of devices, and what devices say and ask besides upgrades. */
export class Messages {
  /** What devices have posted of their thing models. */
  readonly properties: Properties;
  readonly #deps: Dependencies;
  /** By the topic of the answer, which has the call's id in it. */
  readonly #awaited = new Map<string, Awaited>();
  #nextId: number;

  constructor(deps: Dependencies) {
    this.#deps = deps;
    this.properties = new Properties(deps);
    // Above those of an earlier start, so that a late answer is not taken for another's.
    this.#nextId = deps.clock.now() * 1000;
  }

  /**
   * Publishes a message to a device. Rejects with ERR_INVALID_ARGUMENT, ERR_DEVICE_UNKNOWN, and
   * ERR_BROKER when the broker does not take it.
   */
  async publish(options: PublishOptions): Promise<Publication> {
    const { productKey, deviceName, topic, qos = 0 } = options;
    const key = { productKey, deviceName };
    const payload = checkPublish(options);
    this.#expectDevice(key);
    const { connections } = this.#deps;
    const isReached = connections.canReceive(key, topic);
    const state = isReached ? 'sent' : 'offline';
    await this.#publish(key, topic, payload, qos);
    return { ...key, topic, state: connections.presence(key) === 'unknown' ? 'unknown' : state };
  }

  /**
   * Publishes one message to many devices of a product, each on its own topic. Rejects as `publish` does,
   * before anything is sent where an argument is wrong or a device is not there.
   */
  async publishAll(options: BatchPublishOptions): Promise<Publication[]> {
    const each = checkBatchPublish(options);
    for (const publication of each) {
      checkPublish(publication);
      this.#expectDevice(publication);
    }
    return Promise.all(each.map((publication) => this.publish(publication)));
  }

  /**
   * Says something to the devices of a product that are connected: without a topic to all of them,
   * unsubscribed (QoS 0); with one, `/broadcast/{productKey}/…`, to those that have subscribed to it.
   * Rejects with ERR_INVALID_ARGUMENT, ERR_BROKER.
   */
  async broadcast(options: BroadcastOptions): Promise<Broadcast> {
    const { productKey, topic } = options;
    const payload = checkBroadcast(options);
    const { devices, connections } = this.#deps;
    const ofProduct = devices.list().filter((device) => device.productKey === productKey);
    if (topic !== undefined) {
      await this.#send(() => connections.publish(topic, payload, 0));
      const reached = ofProduct.filter((key) => connections.canReceive(key, topic));
      return { productKey, topic, devices: reached.length };
    }
    const id = String(this.#nextId++);
    const online = ofProduct.filter((key) => connections.presence(key) !== 'no');
    await Promise.all(online.map((key) => this.#publish(key, broadcastTopic(key, id), payload, 0)));
    return { productKey, id, devices: online.length };
  }

  /**
   * Calls a device and resolves with its answer (the platform's RRPC). Rejects with
   * ERR_INVALID_ARGUMENT, ERR_DEVICE_UNKNOWN, ERR_DEVICE_OFFLINE, ERR_NOT_SUBSCRIBED,
   * ERR_CALL_TIMEOUT, ERR_UNSUPPORTED (a topic of its own, where the device did not sign in with ext=1
   * or the broker is an external one), ERR_BROKER, ERR_CLOSED, or the signal's reason.
   */
  async call(
    options: CallOptions,
    { signal }: { readonly signal?: AbortSignal } = {},
  ): Promise<CallAnswer> {
    const { productKey, deviceName, topic } = options;
    const key = { productKey, deviceName };
    const { bytes, timeout } = checkCall(options);
    this.#expectDevice(key);
    const { closing, clock } = this.#deps;
    const either = signal === undefined ? closing : AbortSignal.any([signal, closing]);
    either.throwIfAborted();
    const id = String(this.#nextId++);
    const topics = callTopics(key, id, topic);
    this.#expectCallable(key, topics.request, topic !== undefined);
    const start = clock.now();
    const [payload] = await Promise.all([
      this.#answer(key, topics.answer, timeout, either),
      this.#publish(key, topics.request, bytes, 0),
    ]);
    return { ...key, id, payload, ms: clock.now() - start };
  }

  /** @internal Throws ERR_UNSUPPORTED where what devices publish is not seen. */
  expectMessages(): void {
    if (this.#deps.connections.seesMessages) return;
    throw new PlatformError(
      'ERR_UNSUPPORTED',
      'an external broker does not show what devices publish: subscribe to it there',
    );
  }

  /** @internal A device has published something. */
  heard(topic: string, payload: Buffer, from: DeviceKey | undefined): void {
    const { events, devices } = this.#deps;
    if (!events.hears('message')) return;
    // A sub-device's message comes on its gateway's connection.
    const key = [ownerOf(topic), from].find((each) => each && devices.get(each));
    if (key === undefined) return;
    const { productKey, deviceName } = key;
    events.emit('message', { productKey, deviceName, topic, payload: Buffer.from(payload) });
  }

  /** @internal A device asks for the time. */
  timeRequested(key: DeviceKey, payload: Buffer): void {
    const { clock, connections } = this.#deps;
    const receivedAt = clock.now();
    const reply = timeReplyPayload(parseTimeRequest(payload), receivedAt, clock.now());
    connections.send(timeReplyTopic(key), reply, 0);
  }

  /** @internal A device answers a call. */
  answered(key: DeviceKey, topic: string, payload: Buffer): void {
    const awaited = this.#awaited.get(topic);
    if (awaited === undefined || !this.#speaksFor(key, awaited.device)) {
      throw new BadMessage('there is no call with this id that awaits an answer');
    }
    awaited.answer(Buffer.from(payload));
  }

  /** On topics that name no device, a gateway answers for the devices that it carries. */
  #speaksFor(key: DeviceKey, called: DeviceKey): boolean {
    if (deviceId(key) === deviceId(called)) return true;
    const carrier = this.#deps.carrierOf(called);
    return carrier !== undefined && deviceId(carrier) === deviceId(key);
  }

  #expectDevice(key: DeviceKey): void {
    if (this.#deps.devices.get(key) !== undefined) return;
    throw new PlatformError('ERR_DEVICE_UNKNOWN', `there is no device ${deviceId(key)}`);
  }

  #expectCallable(key: DeviceKey, request: string, isCustom: boolean): void {
    const { connections } = this.#deps;
    const id = deviceId(key);
    if (connections.presence(key) === 'no') {
      throw new PlatformError('ERR_DEVICE_OFFLINE', `${id} is not connected`);
    }
    if (isCustom) this.expectMessages();
    if (isCustom && !connections.takesCustomCalls(key)) {
      throw new PlatformError(
        'ERR_UNSUPPORTED',
        `${id} did not sign in with ext=1, which calls on topics of its own need`,
      );
    }
    // Of an external broker's devices nothing is known.
    if (connections.presence(key) === 'yes' && !connections.canReceive(key, request)) {
      const filter = request.replace(/\d{10,}/, '+');
      throw new PlatformError('ERR_NOT_SUBSCRIBED', `${id} has not subscribed to ${filter}`);
    }
  }

  #publish(key: DeviceKey, topic: string, payload: Buffer, qos: 0 | 1): Promise<void> {
    return this.#send(() => this.#deps.connections.publish(topic, payload, qos, key));
  }

  async #send(publish: () => Promise<void>): Promise<void> {
    try {
      await publish();
    } catch (error) {
      throw new PlatformError('ERR_BROKER', `not sent: ${messageOf(error)}`, { cause: error });
    }
  }

  /** Resolves with the device's message on a topic. */
  #answer(key: DeviceKey, topic: string, timeout: number, signal: AbortSignal): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const end = (settle: () => void): void => {
        this.#awaited.delete(topic);
        timer.cancel();
        signal.removeEventListener('abort', abort);
        settle();
      };
      const abort = (): void => end(() => reject(signal.reason));
      const late = `${deviceId(key)} has not answered within ${timeout} ms`;
      const { clock } = this.#deps;
      const timer = clock.at(clock.now() + timeout, () =>
        end(() => reject(new PlatformError('ERR_CALL_TIMEOUT', late))),
      );
      signal.addEventListener('abort', abort);
      this.#awaited.set(topic, {
        device: key,
        answer: (payload) => end(() => resolve(payload)),
      });
    });
  }
}
