// configs/: remote configuration: asking and pushing (here), the files (store.ts). Imports base,
// store, types, devices, events, protocol, firmware (what a served file is).

import type { Clock } from '../base/clock';
import { messageOf, PlatformError } from '../base/errors';
import type { Devices } from '../devices/devices';
import { deviceId } from '../devices/names';
import type { Events } from '../events/events';
import {
  CODE_NO_CONFIG,
  CODE_PARAMETERS,
  configErrorPayload,
  configPushPayload,
  configReplyPayload,
  type PushReply,
  parseConfigGet,
  parsePushReply,
} from '../protocol/config-messages';
import type { Connections } from '../protocol/connections';
import { BadMessage } from '../protocol/messages';
import { configGetReplyTopic, configPushTopic } from '../protocol/topics';
import type { RemoteConfig } from '../types/config';
import type { DeviceKey } from '../types/device';
import {
  type ConfigOptions,
  type ConfigPush,
  type ConfigPushOptions,
  checkConfigOptions,
  timeoutSecondsOf,
} from './options';
import type { ConfigStore } from './store';

interface Dependencies {
  readonly store: ConfigStore;
  readonly clock: Clock;
  readonly events: Events;
  readonly devices: Devices;
  readonly connections: Connections;
  /** Makes the address a device downloads a configuration from. */
  readonly url: (configId: string) => string;
  /** Aborted when the platform closes. */
  readonly closing: AbortSignal;
}

/** Which configuration is pushed to which device. */
type Push = Omit<ConfigPush, 'state'>;

/** A push whose answer is awaited. */
interface Awaited {
  readonly device: string;
  readonly configId: string;
  readonly answer: (reply: PushReply) => void;
}

const CODE_SUCCESS = 200;

/** Remote configuration: one file for each product, asked for by its devices or pushed to them. */
export class Configs {
  readonly #deps: Dependencies;
  readonly #awaited = new Map<string, Awaited>();
  #nextId: number;

  constructor(deps: Dependencies) {
    this.#deps = deps;
    this.#nextId = Math.floor(deps.clock.now() / 1000);
  }

  /**
   * Sets the configuration of a product; the one before is no longer served.
   * Rejects with ERR_INVALID_ARGUMENT, ERR_CONFIG_TOO_LARGE.
   */
  async set(options: ConfigOptions): Promise<RemoteConfig> {
    checkConfigOptions(options);
    return this.#deps.store.set(options);
  }

  get(productKey: string): RemoteConfig | undefined {
    return this.#deps.store.get(productKey);
  }

  list(): RemoteConfig[] {
    return this.#deps.store.list();
  }

  /** Removes the configuration of a product. Rejects with ERR_CONFIG_UNKNOWN. */
  async remove(productKey: string): Promise<void> {
    this.expect(productKey);
    await this.#deps.store.remove(productKey);
  }

  /**
   * Pushes a product's configuration to its devices and awaits their answers; resolves when each
   * has answered or the time is up. That a device accepted it says that it read the message, not
   * that it has applied the file.
   * Rejects with ERR_CONFIG_UNKNOWN, ERR_DEVICE_UNKNOWN, ERR_INVALID_ARGUMENT, ERR_CLOSED, or the
   * signal's reason.
   */
  async push(
    options: ConfigPushOptions,
    { signal }: { readonly signal?: AbortSignal } = {},
  ): Promise<ConfigPush[]> {
    const seconds = timeoutSecondsOf(options);
    const config = this.expect(options.productKey);
    const keys = this.#resolve(options);
    const { closing, clock } = this.#deps;
    const either = signal === undefined ? closing : AbortSignal.any([signal, closing]);
    either.throwIfAborted();
    const until = clock.now() + seconds * 1000;
    return Promise.all(keys.map((key) => this.#pushTo(key, config, until, either)));
  }

  /** @internal */
  expect(productKey: string): RemoteConfig {
    const config = this.get(productKey);
    if (config !== undefined) return config;
    throw new PlatformError('ERR_CONFIG_UNKNOWN', `product ${productKey} has no configuration`);
  }

  /** @internal A device asks for its configuration. */
  requested(key: DeviceKey, payload: Buffer): void {
    const topic = configGetReplyTopic(key);
    let id: string | number;
    try {
      id = parseConfigGet(payload);
    } catch (error) {
      const of = error instanceof BadMessage ? error.id : undefined;
      this.#send(topic, configErrorPayload(of, CODE_PARAMETERS, messageOf(error)));
      throw error;
    }
    const config = this.get(key.productKey);
    if (config === undefined) {
      this.#send(topic, configErrorPayload(id, CODE_NO_CONFIG, 'there is no configuration'));
      return;
    }
    this.#send(topic, configReplyPayload(id, config, this.#deps.url(config.id)));
    this.#deps.events.emit('config-sent', { ...key, configId: config.id, topic });
  }

  /** @internal A device answers a push. */
  answered(key: DeviceKey, payload: Buffer): void {
    const reply = parsePushReply(payload);
    const awaited = this.#awaited.get(reply.id);
    if (awaited === undefined || awaited.device !== deviceId(key)) {
      throw new BadMessage('there is no push with this id that awaits an answer', reply.id);
    }
    const { code, message } = reply;
    const { configId } = awaited;
    this.#deps.events.emit('config-answered', {
      ...key,
      configId,
      code,
      ...(message !== undefined && { message }),
    });
    awaited.answer(reply);
  }

  #resolve({ productKey, devices }: ConfigPushOptions): DeviceKey[] {
    if (devices === undefined) {
      return this.#deps.devices
        .list()
        .filter((device) => device.productKey === productKey)
        .map(({ deviceName }) => ({ productKey, deviceName }));
    }
    return [...new Set(devices)].map((deviceName) => {
      const key = { productKey, deviceName };
      if (this.#deps.devices.get(key) !== undefined) return key;
      throw new PlatformError('ERR_DEVICE_UNKNOWN', `there is no device ${deviceId(key)}`);
    });
  }

  #pushTo(
    key: DeviceKey,
    config: RemoteConfig,
    until: number,
    signal: AbortSignal,
  ): Promise<ConfigPush> {
    const { connections, url, events } = this.#deps;
    const topic = configPushTopic(key);
    const base = { ...key, configId: config.id };
    if (!connections.canReceive(key, topic)) return Promise.resolve({ ...base, state: 'offline' });
    const id = String(this.#nextId++);
    const answer = this.#awaitAnswer(id, base, until, signal);
    this.#send(topic, configPushPayload(id, config, url(config.id)));
    events.emit('config-sent', { ...base, topic });
    return answer;
  }

  /** Resolves with the device's answer to a push, or when the time is up. */
  #awaitAnswer(id: string, push: Push, until: number, signal: AbortSignal): Promise<ConfigPush> {
    return new Promise((resolve, reject) => {
      const end = (settle: () => void): void => {
        this.#awaited.delete(id);
        timer.cancel();
        signal.removeEventListener('abort', abort);
        settle();
      };
      const abort = (): void => end(() => reject(signal.reason));
      const timer = this.#deps.clock.at(until, () =>
        end(() => resolve({ ...push, state: 'unanswered' })),
      );
      signal.addEventListener('abort', abort);
      this.#awaited.set(id, {
        device: deviceId(push),
        configId: push.configId,
        answer: ({ code, message }) => {
          const state = code === CODE_SUCCESS ? 'accepted' : 'refused';
          const words = message === undefined ? {} : { message };
          end(() => resolve({ ...push, state, code, ...words }));
        },
      });
    });
  }

  #send(topic: string, payload: string): void {
    this.#deps.connections.send(topic, payload, 1);
  }
}
