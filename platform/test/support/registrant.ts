import { createHmac } from 'node:crypto';
import { connectAsync, type IClientOptions, type MqttClient } from 'mqtt';
import type { DeviceKey, Platform } from '../../src/index';
import { atEnd } from './clean-up';
import type { Received } from './device';

/** A connection whose messages are read from its first byte on: some come right after the CONNACK. */
export interface EarlyClient {
  readonly client: MqttClient;
  readonly first: Promise<Received>;
  readonly closed: Promise<void>;
}

/** Connects; rejects with an error whose `code` is that of the CONNACK. */
export async function connectEarly(
  platform: Platform,
  options: IClientOptions & { readonly url?: string },
): Promise<EarlyClient> {
  const { connect } = await import('mqtt');
  const all = { ca: platform.ca, reconnectPeriod: 0, ...options };
  const client = connect(options.url ?? platform.mqttsUrl, all);
  atEnd(() => client.endAsync(true));
  const first = new Promise<Received>((resolve) =>
    client.once('message', (topic, payload) => resolve({ topic, payload })),
  );
  const closed = new Promise<void>((resolve) => client.once('close', () => resolve()));
  await new Promise<void>((resolve, reject) => {
    client.once('connect', () => resolve());
    client.once('error', reject);
  });
  client.on('error', () => undefined);
  return { client, first, closed };
}

/** Connects and goes; resolves with the CONNACK's code, 0 for success. */
export async function codeOf(
  platform: Platform,
  options: IClientOptions & { readonly url?: string },
): Promise<number> {
  try {
    const all = { ca: platform.ca, reconnectPeriod: 0, ...options };
    const client = await connectAsync(options.url ?? platform.mqttsUrl, all, false);
    await client.endAsync();
    return 0;
  } catch (error) {
    return (error as { code: number }).code;
  }
}

/** The sign-in of a registration, written out here independently of the code under test. */
export function registration(
  { productKey, deviceName }: DeviceKey,
  productSecret: string,
  parameters = 'random=567345,authType=register,securemode=2,signmethod=hmacsha256',
  hash = 'sha256',
): IClientOptions {
  const random = /random=([^,|]*)/.exec(parameters)?.[1] ?? '';
  const content = `deviceName${deviceName}productKey${productKey}random${random}`;
  return {
    clientId: `${deviceName}.${productKey}|${parameters}|`,
    username: `${deviceName}&${productKey}`,
    password: createHmac(hash, productSecret).update(content).digest('hex'),
  };
}
