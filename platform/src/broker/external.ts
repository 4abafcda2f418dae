import { randomBytes } from 'node:crypto';
import { connectAsync, type MqttClient } from 'mqtt';
import { parseUpstream, UPSTREAM_FILTERS } from '../engine/topics';
import { messageOf, PlatformError } from '../errors';
import type { Events } from '../events';
import { deviceId } from '../names';
import type { DeviceKey, ExternalBroker as Options } from '../types';
import type { Broker, BrokerListener } from './broker';

interface Parts {
  readonly options: Options;
  readonly events: Events;
  readonly listener: BrokerListener;
  readonly isRegistered: (key: DeviceKey) => boolean;
  /** Whether the device has ever reported a version, also before a restart. */
  readonly wasHeard: (key: DeviceKey) => boolean;
}

const CONNECT_TIMEOUT_MS = 10_000;
const RECONNECT_PERIOD_MS = 1_000;

/**
 * A client of somebody else's broker. It sees no connections, only messages: a device that was
 * heard counts as online, and what does not reach it is sent again with its next version report.
 * Who may connect and publish where is that broker's business.
 */
export class ExternalBroker implements Broker {
  readonly knowsConnections = false;
  readonly #client: MqttClient;
  readonly #parts: Parts;
  readonly #heard = new Set<string>();

  private constructor(client: MqttClient, parts: Parts) {
    this.#client = client;
    this.#parts = parts;
  }

  static async open(parts: Parts): Promise<ExternalBroker> {
    const { url, username, password, ca, clientId } = parts.options;
    try {
      const client = await connectAsync(
        url,
        {
          clientId: clientId ?? `iotkit-ota-platform-${randomBytes(6).toString('hex')}`,
          ...(username !== undefined && { username }),
          ...(password !== undefined && { password }),
          ...(ca !== undefined && { ca }),
          clean: clientId === undefined,
          connectTimeout: CONNECT_TIMEOUT_MS,
          reconnectPeriod: RECONNECT_PERIOD_MS,
        },
        false,
      );
      const broker = new ExternalBroker(client, parts);
      await broker.#listen();
      return broker;
    } catch (error) {
      // An address of a broker may carry a password.
      const place = url.replace(/\/\/[^@/]*@/, '//');
      throw new PlatformError('ERR_BROKER', `cannot join ${place}: ${messageOf(error)}`, {
        cause: error,
      });
    }
  }

  isOnline(key: DeviceKey): boolean {
    return this.#heard.has(deviceId(key)) || this.#parts.wasHeard(key);
  }

  canReceive(key: DeviceKey, _topic: string): boolean {
    return this.isOnline(key);
  }

  async publish(topic: string, payload: string | Buffer, qos: 0 | 1): Promise<void> {
    await this.#client.publishAsync(topic, payload, { qos });
  }

  disconnect(key: DeviceKey): void {
    this.#heard.delete(deviceId(key));
  }

  async close(): Promise<void> {
    await this.#client.endAsync(true);
  }

  async #listen(): Promise<void> {
    this.#client.on('error', (error) => {
      this.#parts.events.emit('bad-message', { topic: '', reason: `broker: ${messageOf(error)}` });
    });
    this.#client.on('message', (topic, payload) => {
      const upstream = parseUpstream(topic);
      if (upstream === undefined) return;
      const id = deviceId(upstream.key);
      if (!this.#heard.has(id) && this.#parts.isRegistered(upstream.key)) {
        this.#heard.add(id);
        this.#parts.listener.connected(upstream.key);
      }
      this.#parts.listener.message(topic, payload);
    });
    const granted = await this.#client.subscribeAsync([...UPSTREAM_FILTERS], { qos: 1 });
    const refused = granted.find(({ qos }) => (qos as number) > 2);
    if (refused !== undefined) throw new Error(`the subscription to ${refused.topic} is refused`);
  }
}
