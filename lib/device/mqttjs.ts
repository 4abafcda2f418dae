// Tested by test/integration/mqttjs.test.ts
/** attachMqttJs(): a device over a client of MQTT.js. */
import { callback, wrongType } from '../base/arguments';
import { type AttachedDevice, attach } from './attach';
import { type AttachedOptions, checkAdapterOptions } from './attach-options';

/** Bytes as MQTT.js takes them: a Buffer, where the types of Node.js are known. */
export type MqttJsBytes = typeof globalThis extends {
  /** Of Node.js. */
  Buffer: {
    /** Makes one. */
    from(data: Uint8Array): infer Bytes;
  };
}
  ? Bytes
  : Uint8Array;

/** What is used of a client of MQTT.js, versions 4 and 5. */
export interface MqttJsClient {
  /** Whether it is connected. */
  readonly connected: boolean;
  /** Sends a message, or keeps it until it is connected. */
  publish(
    topic: string,
    payload: MqttJsBytes,
    options: { qos: 0 | 1 },
    done: (error?: Error | null) => void,
  ): unknown;
  /** Subscribes a topic. */
  subscribe(
    topic: string,
    options: { qos: 0 | 1 },
    done: (error: Error | null, granted?: { qos: number }[]) => void,
  ): unknown;
  /** Gives a subscription back. */
  unsubscribe(topic: string, done: (error?: Error | null) => void): unknown;
  /** Adds a listener. */
  on(event: 'connect' | 'close', listener: () => void): unknown;
  /** Adds a listener. */
  on(event: 'message', listener: MqttJsMessageListener): unknown;
  /** Takes it away. */
  removeListener(event: 'connect' | 'close', listener: () => void): unknown;
  /** Takes it away. */
  removeListener(event: 'message', listener: MqttJsMessageListener): unknown;
}

/** Hears of a message. */
export type MqttJsMessageListener = (
  topic: string,
  payload: Uint8Array,
  packet: { dup?: boolean },
) => void;

const methods = ['publish', 'subscribe', 'unsubscribe', 'on', 'removeListener'] as const;
/** In a SUBACK: the broker refuses the subscription. */
const REFUSED = 128;

/**
 * Makes a device over a client of MQTT.js (`mqtt`, versions 4 and 5) that is signed in as it: see
 * {@link attach}. Nothing of the package is imported. The device subscribes again after each connect,
 * and hears only of its own topics; the client's other messages and listeners are not touched, and it
 * is never ended.
 *
 * @throws {@link InvalidArgument}; {@link IotkitError} `ERR_TLS_CA`, `ERR_TLS_IDENTITY`,
 *   `ERR_TLS_UNAVAILABLE`, `ERR_PUBLIC_KEY`.
 *
 * @example
 * const client = mqtt.connect(url, { clientId, username, password });
 * await using device = attachMqttJs(client, { productKey, deviceName });
 * await device.ota.reportVersion('1.0.0');
 */
export function attachMqttJs(client: MqttJsClient, options: AttachedOptions): AttachedDevice {
  checkClient(client);
  return attach({
    ...checkAdapterOptions(options),
    connected: client.connected,
    publish: (topic, payload, { qos }) =>
      settled((done) => client.publish(topic, payload as MqttJsBytes, { qos }, done)),
    subscribe: (topic, { qos }) =>
      settled((done) =>
        client.subscribe(topic, { qos }, (error, granted) => done(error ?? refusal(granted))),
      ),
    unsubscribe: (topic) => settled((done) => client.unsubscribe(topic, done)),
    onMessage: (receive) => {
      const onMessage: MqttJsMessageListener = (topic, payload, { dup }) => {
        receive(topic, payload, dup === true);
      };
      client.on('message', onMessage);
      return () => client.removeListener('message', onMessage);
    },
    onConnection: (changed) => {
      const onConnect = (): void => changed(true);
      const onClose = (): void => changed(false);
      client.on('connect', onConnect);
      client.on('close', onClose);
      return () => {
        client.removeListener('connect', onConnect);
        client.removeListener('close', onClose);
      };
    },
  });
}

function checkClient(client: MqttJsClient): void {
  if (typeof client !== 'object' || client === null) {
    throw wrongType('client', 'a client of MQTT.js', client);
  }
  for (const method of methods) callback(`client.${method}`, client[method]);
}

function settled(call: (done: (error?: Error | null) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    call((error) => {
      if (error) reject(error);
      else resolve();
    });
  });
}

function refusal(granted: readonly { qos: number }[] | undefined): Error | undefined {
  const isRefused = granted?.some(({ qos }) => qos >= REFUSED) === true;
  return isRefused ? new Error('refused by the broker') : undefined;
}
