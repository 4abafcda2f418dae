import { connect, type IClientOptions, type MqttClient } from 'mqtt';
import { type Device, type Platform, signIn } from '../../src/index';
import { atEnd } from './clean-up';

export const PRODUCT = 'a1Product';

/** What the platform sent, with the payload parsed. */
export interface Received {
  readonly topic: string;
  readonly payload: Buffer;
}

/** The parts of an upgrade message that tests look at. */
export interface Notice {
  readonly code: string | number;
  readonly id: number | string;
  readonly message?: string;
  readonly data: {
    readonly size: number;
    readonly version: string;
    readonly url: string;
    readonly sign: string;
    readonly signMethod: string;
    readonly md5?: string;
    readonly isDiff?: number;
    readonly module?: string;
    readonly digestsign?: string;
    readonly extData?: Record<string, string>;
    readonly dProtocol?: string;
    readonly streamId?: number;
    readonly streamFileId?: number;
    readonly files?: readonly {
      readonly fileName: string;
      readonly fileSize: number;
      readonly fileUrl: string;
      readonly fileMd5?: string;
      readonly fileSign: string;
    }[];
  };
}

/** A device as MQTT.js makes one. */
export class TestDevice {
  readonly client: MqttClient;
  readonly device: Device;
  readonly #received: Received[] = [];
  readonly #waiting: ((message: Received) => void)[] = [];
  #nextId = 1;

  private constructor(client: MqttClient, device: Device) {
    this.client = client;
    this.device = device;
    client.on('message', (topic, payload) => {
      const message = { topic, payload };
      const next = this.#waiting.shift();
      if (next === undefined) this.#received.push(message);
      else next(message);
    });
    // An error without a listener would end the test run; what matters is awaited.
    client.on('error', () => undefined);
  }

  static async connect(
    platform: Platform,
    device: Device,
    {
      parameters = '',
      ...options
    }: IClientOptions & {
      readonly url?: string;
      /** More of them for the client id, as `_ss=1,ext=3`. */
      readonly parameters?: string;
    } = {},
  ): Promise<TestDevice> {
    const url = options.url ?? platform.mqttsUrl;
    const { clientId, username, password } = signIn(device, {
      secureMode: url.startsWith('mqtts:') ? 2 : 3,
    });
    const client = connect(url, {
      clientId: clientId.replace(/\|$/, `,${parameters}|`),
      ...{ username, password, ca: platform.ca, reconnectPeriod: 0 },
      ...options,
    });
    // It hears from the first byte on: what a session kept may be in one piece with the CONNACK.
    const connected = new TestDevice(client, device);
    atEnd(() => client.endAsync(true));
    await signedIn(client);
    return connected;
  }

  get names(): string {
    return `${this.device.productKey}/${this.device.deviceName}`;
  }

  async subscribe(): Promise<void> {
    await this.client.subscribeAsync(`/ota/device/upgrade/${this.names}`, { qos: 1 });
  }

  async inform(version: string, module?: string): Promise<void> {
    await this.send(`/ota/device/inform/${this.names}`, { version, module }, 1);
  }

  async progress(step: number, desc = '', module?: string): Promise<void> {
    await this.send(`/ota/device/progress/${this.names}`, { step: String(step), desc, module });
  }

  async send(topic: string, params: object, qos: 0 | 1 = 0): Promise<void> {
    const id = String(this.#nextId++);
    await this.client.publishAsync(topic, JSON.stringify({ id, params }), { qos });
  }

  /** The next message that no test has read yet. */
  next(): Promise<Received> {
    const first = this.#received.shift();
    if (first !== undefined) return Promise.resolve(first);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  async notice(): Promise<Notice> {
    return JSON.parse((await this.next()).payload.toString('utf8')) as Notice;
  }

  /** Messages that arrived and were not asked for. */
  get unread(): number {
    return this.#received.length;
  }

  /**
   * Resolves when all that was sent to this device before has arrived: an echo through the broker.
   */
  async settle(): Promise<void> {
    const topic = `/${this.names}/user/echo`;
    await this.client.subscribeAsync(topic, { qos: 1 });
    const echoed = new Promise<void>((resolve) => {
      const listen = (at: string): void => {
        if (at !== topic) return;
        this.client.off('message', listen);
        resolve();
      };
      this.client.on('message', listen);
    });
    await this.client.publishAsync(topic, 'x', { qos: 1 });
    await echoed;
    const index = this.#received.findIndex((message) => message.topic === topic);
    if (index >= 0) this.#received.splice(index, 1);
  }

  async disconnect(): Promise<void> {
    await this.client.endAsync();
  }

  /** As when the power fails. */
  drop(): void {
    this.client.stream.destroy();
  }
}

/** Rejects with an error whose `code` is that of the CONNACK, or when there is none. */
function signedIn(client: MqttClient): Promise<void> {
  return new Promise((resolve, reject) => {
    client.once('connect', () => resolve());
    client.once('error', reject);
    client.once('close', () => reject(new Error('closed before it was signed in')));
  });
}

/** Registers a device and connects it, subscribed, with a version reported. */
export async function readyDevice(
  platform: Platform,
  deviceName = 'lamp',
  version = '1.0.0',
): Promise<TestDevice> {
  const device = await platform.devices.add({ productKey: PRODUCT, deviceName });
  const connected = await TestDevice.connect(platform, device);
  await connected.subscribe();
  const reported = platform.waitFor('version-reported');
  await connected.inform(version);
  await reported;
  return connected;
}
