// What is compared: this package and MQTT.js, each as a program would use it.
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);

/** Of every message. */
export const topic = 'bench/messages';
export const payload = Buffer.alloc(64, 1);

/**
 * Ways to connect, by name. `send` returns when the broker has acknowledged a last message of QoS 1; `receive` calls
 * `onMessage` with each payload until that returns false, and `onReady` once subscribed.
 */
export const clients = {
  'iotkit-ota': async (port) => {
    const { connect } = require('../../dist/index.js');
    const device = await connect({
      productKey: 'bench',
      deviceName: `device-${process.pid}`,
      deviceSecret: 'any',
      url: `mqtt://127.0.0.1:${port}`,
    });
    return {
      send: async (count) => {
        for (let i = 0; i < count; i += 1) await device.publish(topic, payload);
        await device.publish(topic, payload, { qos: 1 });
      },
      publish: (data) => device.publish(topic, data),
      receive: async (onReady, onMessage) => {
        const messages = await device.subscribe(topic);
        onReady();
        for await (const message of messages) if (!onMessage(message.payload)) break;
      },
      close: () => device.close(),
    };
  },
  'MQTT.js': async (port) => {
    const { connectAsync } = require('mqtt');
    const client = await connectAsync(`mqtt://127.0.0.1:${port}`);
    return {
      // As its own benchmark: the next one when there is room.
      send: async (count) => {
        for (let i = 0; i < count; i += 1) {
          if (i % 64 === 0) await client.publishAsync(topic, payload);
          else client.publish(topic, payload);
        }
        await client.publishAsync(topic, payload, { qos: 1 });
      },
      publish: (data) => client.publishAsync(topic, data),
      receive: async (onReady, onMessage) => {
        const all = new Promise((resolve) => {
          client.on('message', (_, data) => {
            if (!onMessage(data)) resolve();
          });
        });
        await client.subscribeAsync(topic);
        onReady();
        await all;
      },
      close: () => client.endAsync(),
    };
  },
};
