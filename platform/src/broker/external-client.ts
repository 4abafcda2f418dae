import { randomBytes } from 'node:crypto';
import { connect, type MqttClient } from 'mqtt';
import { messageOf, PlatformError } from '../base/errors';
import type { Events } from '../events/events';
import type { Broker, BrokerHealth, BrokerListener } from '../protocol/broker';
import { MESSAGE_FILTERS, UPSTREAM_FILTERS } from '../protocol/topics';
import type { DeviceKey, Presence } from '../types/device';

/** An MQTT broker to join instead of embedding one. */
export interface ExternalBroker {
  /** `mqtt://`, `mqtts://`, `ws://` or `wss://`. */
  readonly url: string;
  readonly username?: string;
  readonly password?: string;
  /** PEM to trust besides nothing else; absent: the runtime's list. */
  readonly ca?: string;
  /** Default `iotkit-ota-platform-` and random digits. */
  readonly clientId?: string;
  /** Milliseconds between two tries to join it. Default 1000. */
  readonly reconnectMs?: number;
}

interface Dependencies {
  readonly options: ExternalBroker;
  readonly events: Events;
  readonly listener: BrokerListener;
  /** Called each time the broker was joined, so that what waits can be sent. */
  readonly joined: () => void;
}

const CONNECT_TIMEOUT_MS = 10_000;
const RECONNECT_PERIOD_MS = 1_000;

/**
 * A client of somebody else's broker. It sees messages and no connections: whether a device is there
 * is unknown but for the moment in which it is heard. That broker decides who may connect and
 * publish where. While it is away nothing is sent; it is joined again as soon as it is back.
 */
export class ExternalBrokerClient implements Broker {
  readonly seesMessages = false;
  readonly #client: MqttClient;
  readonly #deps: Dependencies;
  #health: BrokerHealth = { connected: false, reason: 'not joined yet' };
  #isUnheard = true;
  #isClosing = false;

  private constructor(client: MqttClient, deps: Dependencies) {
    this.#client = client;
    this.#deps = deps;
  }

  /**
   * Resolves when the broker is joined, or cannot be reached now. Rejects with ERR_BROKER when it
   * refuses this client, as it would each time.
   */
  static async open(deps: Dependencies): Promise<ExternalBrokerClient> {
    let broker: ExternalBrokerClient | undefined;
    try {
      broker = new ExternalBrokerClient(connectTo(deps.options), deps);
      await broker.#firstTry();
      return broker;
    } catch (error) {
      await broker?.close();
      // An address of a broker may carry a password.
      const place = deps.options.url.replace(/\/\/[^@/]*@/, '//');
      throw new PlatformError('ERR_BROKER', `cannot join ${place}: ${messageOf(error)}`, {
        cause: error,
      });
    }
  }

  get health(): BrokerHealth {
    return this.#health;
  }

  presence(_key: DeviceKey): Presence {
    return 'unknown';
  }

  canReceive(_key: DeviceKey, _topic: string): boolean {
    return this.#health.connected;
  }

  takesCustomCalls(_key: DeviceKey): boolean {
    return false;
  }

  async publish(topic: string, payload: string | Buffer, qos: 0 | 1): Promise<void> {
    // MQTT.js would keep it for later, when it may no longer be true.
    if (!this.#health.connected) throw new Error('the broker is away');
    await this.#client.publishAsync(topic, payload, { qos });
  }

  disconnect(_key: DeviceKey): void {
    // The connection is that broker's.
  }

  evict(_key: DeviceKey): void {
    // As are all others.
  }

  async close(): Promise<void> {
    this.#isClosing = true;
    await this.#client.endAsync(true);
  }

  /** Resolves with the first outcome; one that a repetition does not change is an error. */
  #firstTry(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#client.on('connect', () => {
        this.#join().then(resolve, (error: unknown) => {
          this.#become({ connected: false, reason: messageOf(error) });
          reject(error);
          // After the first try: that broker may be set up better by the next one.
          this.#client.stream.destroy();
        });
      });
      this.#client.on('error', (error) => {
        this.#become({ connected: false, reason: messageOf(error) });
        if (isRefusal(error)) reject(error);
        else resolve();
      });
      this.#client.on('close', () => {
        if (this.#health.connected || this.#isUnheard) {
          this.#become({ connected: false, reason: 'the connection is closed' });
        }
        resolve();
      });
      this.#client.on('message', (topic, payload) => {
        this.#deps.listener.message(topic, payload);
      });
    });
  }

  async #join(): Promise<void> {
    try {
      await this.#client.subscribeAsync([...UPSTREAM_FILTERS], { qos: 1 });
    } catch (error) {
      throw new Error(`it refuses to let the platform subscribe: ${messageOf(error)}`);
    }
    this.#become({ connected: true });
    this.#deps.joined();
    await this.#subscribeToMessages();
  }

  /** A broker that was set up for upgrades alone still serves for these. */
  async #subscribeToMessages(): Promise<void> {
    const filters = [...MESSAGE_FILTERS];
    await this.#client.subscribeAsync(filters, { qos: 1 }).catch((error: unknown) => {
      if (!this.#health.connected) return;
      const reason = `it refuses to let the platform subscribe: ${messageOf(error)}`;
      this.#deps.events.emit('bad-message', { topic: filters.join(', '), reason });
    });
  }

  #become(health: BrokerHealth): void {
    if (this.#isClosing) return;
    const isNews = health.connected !== this.#health.connected || this.#isUnheard;
    this.#isUnheard = false;
    this.#health = health;
    if (isNews) this.#deps.events.emit('broker-health', health);
  }
}

function connectTo({
  url,
  username,
  password,
  ca,
  clientId,
  reconnectMs = RECONNECT_PERIOD_MS,
}: ExternalBroker): MqttClient {
  return connect(url, {
    clientId: clientId ?? `iotkit-ota-platform-${randomBytes(6).toString('hex')}`,
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    ...(ca !== undefined && { ca }),
    clean: clientId === undefined,
    connectTimeout: CONNECT_TIMEOUT_MS,
    reconnectPeriod: reconnectMs,
    reconnectOnConnackError: true,
    resubscribe: false,
  });
}

/** The code of a CONNACK, and what TLS says before the clock is right: both may pass by themselves. */
const PASSING: readonly unknown[] = [3, 'CERT_NOT_YET_VALID'];

/** A CONNACK that says no, or a certificate that is not trusted: no failure of the network. */
function isRefusal(error: Error): boolean {
  const { code } = error as { code?: unknown };
  if (PASSING.includes(code)) return false;
  return typeof code === 'number' || /CERT|SELF_SIGNED|ALTNAME/.test(String(code));
}
