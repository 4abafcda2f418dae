import type { Broker } from '../broker/broker';
import type { Clock } from '../clock';
import type { Devices } from '../devices';
import { BadMessage } from '../engine/messages';
import { configGetReplyTopic, configPushTopic } from '../engine/topics';
import { invalid, messageOf, PlatformError } from '../errors';
import type { Events } from '../events';
import { checkProductKey, deviceId } from '../names';
import type {
  ConfigOptions,
  ConfigPush,
  ConfigPushOptions,
  DeviceKey,
  RemoteConfig,
} from '../types';
import {
  CODE_NO_CONFIG,
  CODE_PARAMETERS,
  configErrorPayload,
  configPushPayload,
  configReplyPayload,
  type PushReply,
  parseConfigGet,
  parsePushReply,
} from './messages';
import type { ConfigStore } from './store';

interface Parts {
  readonly store: ConfigStore;
  readonly clock: Clock;
  readonly events: Events;
  readonly devices: Devices;
  readonly broker: () => Broker | undefined;
  /** Makes the address a device downloads a configuration from. */
  readonly url: (configId: string) => string;
  /** Aborted when the platform closes. */
  readonly closing: AbortSignal;
}

/** A push whose answer is awaited. */
interface Awaited {
  readonly device: string;
  readonly configId: string;
  readonly answer: (reply: PushReply) => void;
}

const DEFAULT_TIMEOUT_SECONDS = 30;
const MAX_TIMEOUT_SECONDS = 3600;
const CODE_SUCCESS = 200;

/** Remote configuration: one file for each product, asked for by its devices or pushed to them. */
export class Configs {
  readonly #parts: Parts;
  readonly #awaited = new Map<string, Awaited>();
  #nextId: number;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#nextId = Math.floor(parts.clock.now() / 1000);
  }

  /**
   * Sets the configuration of a product; the one before is no longer served.
   * Rejects with ERR_INVALID_ARGUMENT, ERR_CONFIG_TOO_LARGE.
   */
  async set(options: ConfigOptions): Promise<RemoteConfig> {
    checkProductKey(options.productKey);
    if (typeof options.data !== 'string' && !(options.data instanceof Uint8Array)) {
      throw invalid('data must be bytes or a text');
    }
    if (options.signMethod !== undefined && !['MD5', 'SHA256'].includes(options.signMethod)) {
      throw invalid("signMethod must be 'MD5' or 'SHA256'");
    }
    return this.#parts.store.set(options);
  }

  get(productKey: string): RemoteConfig | undefined {
    return this.#parts.store.get(productKey);
  }

  list(): RemoteConfig[] {
    return this.#parts.store.list();
  }

  /** Removes the configuration of a product. Rejects with ERR_CONFIG_UNKNOWN. */
  async remove(productKey: string): Promise<void> {
    this.expect(productKey);
    await this.#parts.store.remove(productKey);
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
    const seconds = options.timeoutSeconds ?? DEFAULT_TIMEOUT_SECONDS;
    if (!Number.isInteger(seconds) || seconds < 1 || seconds > MAX_TIMEOUT_SECONDS) {
      throw invalid(`timeoutSeconds must be a whole number 1-${MAX_TIMEOUT_SECONDS}`);
    }
    const config = this.expect(options.productKey);
    const keys = this.#resolve(options);
    const { closing, clock } = this.#parts;
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
  asked(key: DeviceKey, payload: Buffer): void {
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
    this.#send(topic, configReplyPayload(id, config, this.#parts.url(config.id)));
    this.#parts.events.emit('config-sent', { ...key, configId: config.id, topic });
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
    this.#parts.events.emit('config-answered', {
      ...key,
      configId,
      code,
      ...(message !== undefined && { message }),
    });
    awaited.answer(reply);
  }

  #resolve({ productKey, devices }: ConfigPushOptions): DeviceKey[] {
    if (devices === undefined) {
      return this.#parts.devices
        .list()
        .filter((device) => device.productKey === productKey)
        .map(({ deviceName }) => ({ productKey, deviceName }));
    }
    return [...new Set(devices)].map((deviceName) => {
      const key = { productKey, deviceName };
      if (this.#parts.devices.get(key) !== undefined) return key;
      throw new PlatformError('ERR_DEVICE_UNKNOWN', `there is no device ${deviceId(key)}`);
    });
  }

  #pushTo(
    key: DeviceKey,
    config: RemoteConfig,
    until: number,
    signal: AbortSignal,
  ): Promise<ConfigPush> {
    const { broker, url, clock, events } = this.#parts;
    const topic = configPushTopic(key);
    const base = { ...key, configId: config.id };
    if (!broker()?.canReceive(key, topic)) return Promise.resolve({ ...base, state: 'offline' });
    const id = String(this.#nextId++);
    const answer = new Promise<ConfigPush>((resolve, reject) => {
      const abort = (): void => {
        done();
        reject(signal.reason);
      };
      const timer = clock.at(until, () => {
        done();
        resolve({ ...base, state: 'unanswered' });
      });
      const done = (): void => {
        this.#awaited.delete(id);
        timer.cancel();
        signal.removeEventListener('abort', abort);
      };
      signal.addEventListener('abort', abort);
      this.#awaited.set(id, {
        device: deviceId(key),
        configId: config.id,
        answer: ({ code, message }) => {
          done();
          const state = code === CODE_SUCCESS ? 'accepted' : 'refused';
          resolve({ ...base, state, code, ...(message !== undefined && { message }) });
        },
      });
    });
    this.#send(topic, configPushPayload(id, config, url(config.id)));
    events.emit('config-sent', { ...base, topic });
    return answer;
  }

  #send(topic: string, payload: string): void {
    this.#parts
      .broker()
      ?.publish(topic, payload, 1)
      .catch((error: unknown) => {
        const reason = `not sent: ${messageOf(error)}`;
        this.#parts.events.emit('bad-message', { topic, reason });
      });
  }
}
