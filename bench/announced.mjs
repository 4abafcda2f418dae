// An upgrade as a device gets it, over a connection in memory: what is measured is the download alone.
import { createRequire } from 'node:module';
import { setImmediate as turn } from 'node:timers/promises';

const require = createRequire(import.meta.url);

/** The device, and its upgrade to an image. `since`: when the notice came, by performance.now(). */
export async function announce(deviceName, { url, digest, size }, fetch = {}) {
  const { attach } = require('../dist/index.js');
  const productKey = 'bench';
  let receive;
  let subscribed;
  const isSubscribed = new Promise((resolve) => {
    subscribed = resolve;
  });
  const topic = `/ota/device/upgrade/${productKey}/${deviceName}`;
  const device = attach({
    productKey,
    deviceName,
    fetch,
    publish: async () => {},
    subscribe: async (filter) => {
      if (filter === topic) subscribed();
    },
    onMessage: (hand) => {
      receive = hand;
    },
  });
  device.ref(); // the connection in memory does not keep the process
  const upgrade = device.ota.upgrades().next();
  const data = { size, version: '2.0.0', url, signMethod: 'SHA256', sign: digest };
  const notice = JSON.stringify({ code: '1000', id: 1, message: 'success', data });
  await isSubscribed;
  await turn(); // a notice comes to a program that waits
  const since = performance.now();
  receive(topic, Buffer.from(notice));
  return { device, upgrade: (await upgrade).value, since };
}
