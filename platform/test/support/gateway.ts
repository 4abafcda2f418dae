import { createHmac } from 'node:crypto';
import type { IClientOptions } from 'mqtt';
import type { Device, DeviceKey, Platform } from '../../src/index';
import type { Received } from './device';
import { TestDevice } from './device';

/** An answer of the platform to a gateway. */
export interface Reply {
  readonly id: string | number;
  readonly code: number;
  readonly message: string;
  readonly data: unknown;
}

const SESSION = new Set(['login', 'logout', 'batch_login', 'batch_logout']);

/** A gateway as MQTT.js makes one: asks, and reads the answers in their order. */
export class TestGateway {
  readonly link: TestDevice;
  readonly #replies: ((message: Received) => void)[] = [];
  readonly #unread: Received[] = [];
  #nextId = 1;

  private constructor(link: TestDevice) {
    this.link = link;
    link.client.on('message', (topic, payload) => {
      if (topic.endsWith('_reply') && !topic.includes('/ota/')) {
        this.#replies.shift()?.({ topic, payload });
      } else this.#unread.push({ topic, payload });
    });
  }

  static async connect(
    platform: Platform,
    device: Device,
    options: IClientOptions & { readonly parameters?: string } = {},
  ): Promise<TestGateway> {
    const connected = platform.waitFor('device-connected');
    const link = await TestDevice.connect(platform, device, options);
    const gateway = new TestGateway(link);
    await link.client.subscribeAsync([
      `/sys/${link.names}/thing/#`,
      `/ext/session/${link.names}/combine/+`,
      `/ext/error/${link.names}`,
    ]);
    await connected;
    return gateway;
  }

  topic(action: string): string {
    return SESSION.has(action)
      ? `/ext/session/${this.link.names}/combine/${action}`
      : `/sys/${this.link.names}/thing/${action}`;
  }

  /** Asks and gives the answer; `extra` are members beside `id` and `params`. */
  async ask(action: string, params: unknown, extra: object = {}): Promise<Reply> {
    const id = String(this.#nextId++);
    return this.askText(action, JSON.stringify({ id, version: '1.0', params, ...extra }));
  }

  async askText(action: string, text: string): Promise<Reply> {
    const replied = new Promise<Received>((resolve) => this.#replies.push(resolve));
    await this.link.client.publishAsync(this.topic(action), text);
    const { topic, payload } = await replied;
    expect(topic).toBe(`${this.topic(action)}_reply`);
    return JSON.parse(payload.toString()) as Reply;
  }

  /** Adds sub-devices and logs them in. */
  async carry(...subs: readonly Device[]): Promise<void> {
    expect(
      (
        await this.ask(
          'topo/add',
          subs.map((sub) => claim(sub)),
        )
      ).code,
    ).toBe(200);
    for (const sub of subs) expect((await this.ask('login', claim(sub))).code).toBe(200);
  }

  /** What came besides answers, up to now: topics with their payloads, parsed. */
  async told(): Promise<[string, unknown][]> {
    await this.link.settle();
    return this.#unread
      .splice(0)
      .filter(({ topic }) => !topic.endsWith('/user/echo'))
      .map(({ topic, payload }) => [topic, JSON.parse(payload.toString())]);
  }
}

/** A sub-device's proof for its gateway, written out here independently of the code under test. */
export function claim(
  { productKey, deviceName, deviceSecret }: Device,
  {
    method = 'hmacSha256',
    hash = 'sha256',
    clientId = `${productKey}.${deviceName}`,
    timestamp = '1',
  } = {},
): Record<string, unknown> & DeviceKey {
  const content = `clientId${clientId}deviceName${deviceName}productKey${productKey}timestamp${timestamp}`;
  const sign = createHmac(hash, deviceSecret).update(content).digest('hex');
  return { productKey, deviceName, clientId, timestamp, signMethod: method, sign };
}
