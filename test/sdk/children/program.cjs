'use strict';
// One scenario of a program over iotkit-ota/sdk that ends in some way: `node program.cjs <scenario>`.
// PARAMS: of IOT_MQTT_Construct; DEVICE: {productKey, deviceName}. What it says is lines of JSON.
const { once } = require('node:events');
const fs = require('node:fs');
const { Worker, isMainThread, parentPort, workerData } = require('node:worker_threads');
const { stats } = require('iotkit-ota');
const sdk = require('iotkit-ota/sdk');

const params = JSON.parse(process.env.PARAMS);
const { productKey, deviceName } = JSON.parse(process.env.DEVICE);
const LONG_MS = 3_600_000;

const say = (message) => fs.writeSync(1, `${JSON.stringify(message)}\n`);
const construct = (more) => sdk.IOT_MQTT_Construct({ ...params, ...more });
const report = () => say({ threads: stats().threads, holds: stats().holds });

/** A device to which an upgrade has been announced; its server stalls after some bytes. */
async function announced(more) {
  const mqtt = await construct(more);
  const ota = sdk.IOT_OTA_Init(productKey, deviceName, mqtt);
  sdk.IOT_OTA_ReportVersion(ota, '1.0.0');
  while (!sdk.IOT_OTA_IsFetching(ota)) await sdk.IOT_MQTT_Yield(mqtt, 1000);
  return { mqtt, ota };
}

/** Such a device whose fetch waits for bytes that do not come. */
async function fetching() {
  const device = await announced();
  const got = await sdk.IOT_OTA_FetchYield(device.ota, new Uint8Array(1000), 10);
  if (got !== 1000) throw new Error(`FetchYield returned ${got}`);
  const fetch = sdk.IOT_OTA_FetchYield(device.ota, new Uint8Array(10_000_000), 3600);
  return { ...device, fetch };
}

/** Awaits what only the collector brings about. */
async function until(condition) {
  while (!condition()) {
    global.gc();
    await new Promise(setImmediate);
  }
}

async function terminate(work) {
  const worker = new Worker(__filename, { workerData: work });
  worker.on('error', (error) => say({ error: error.message }));
  await once(worker, 'message');
  await worker.terminate();
  report();
}

const scenarios = {
  'exit while constructing': () => {
    construct();
    setImmediate(() => process.exit(0));
  },
  'exit while constructing with nobody who answers': async () => {
    // A listener that takes the connection and says nothing.
    const server = require('node:net')
      .createServer(() => process.exit(0))
      .listen(0, '127.0.0.1');
    await once(server, 'listening');
    construct({ port: server.address().port });
  },
  'exit when constructed': async () => {
    await construct();
    process.exit(0);
  },
  'exit while yielding': async () => {
    sdk.IOT_MQTT_Yield(await construct(), LONG_MS);
    setImmediate(() => process.exit(0));
  },
  'exit in a callback': async () => {
    const { mqtt } = await announced();
    sdk.IOT_MQTT_Subscribe(mqtt, `/${productKey}/${deviceName}/in`, 0, () => process.exit(0));
    sdk.IOT_MQTT_Publish_Simple(mqtt, `/${productKey}/${deviceName}/in`, 0, 'x');
    for (;;) await sdk.IOT_MQTT_Yield(mqtt, LONG_MS);
  },
  'exit while fetching': async () => {
    await fetching();
    setImmediate(() => process.exit(0));
  },
  'exit while fetching and yielding': async () => {
    const { mqtt } = await fetching();
    sdk.IOT_MQTT_Yield(mqtt, LONG_MS);
    setImmediate(() => process.exit(0));
  },
  'exit while closing': async () => {
    const { mqtt, ota } = await fetching();
    sdk.IOT_OTA_Deinit(ota);
    sdk.IOT_MQTT_Destroy(mqtt);
    process.exit(0);
  },
  'throw in a callback': async () => {
    const mqtt = await construct();
    const topic = `/${productKey}/${deviceName}/in`;
    sdk.IOT_MQTT_Subscribe(mqtt, topic, 0, () => {
      throw new Error('on purpose');
    });
    sdk.IOT_MQTT_Publish_Simple(mqtt, topic, 0, 'x');
    for (;;) await sdk.IOT_MQTT_Yield(mqtt, LONG_MS);
  },

  'end by itself when closed': async () => {
    const { mqtt, ota, fetch } = await fetching();
    const codes = await Promise.all([sdk.IOT_OTA_Deinit(ota), fetch, sdk.IOT_MQTT_Destroy(mqtt)]);
    say({ codes });
    report();
  },
  'end by itself with open handles': async () => {
    await announced();
  },
  'stay while a call is under way': async () => {
    const { mqtt } = await announced();
    say({ result: await sdk.IOT_MQTT_Yield(mqtt, 100) });
  },

  'collect dropped handles': async () => {
    await announced().then(() => {});
    await until(() => stats().threads === 0);
    report();
  },
  'keep a client while its OTA handle is there': async () => {
    const ota = await announced().then((device) => device.ota);
    for (let i = 0; i < 10; i += 1) await until(() => true);
    global.gc();
    await new Promise(setImmediate);
    say({ result: await sdk.IOT_OTA_FetchYield(ota, new Uint8Array(1000), 10) });
  },
  'keep a handle while its call is under way': async () => {
    const events = [];
    const yielded = await construct({
      handle_event: { h_fp: (_context, _client, event) => events.push(event.event_type) },
    }).then((mqtt) => {
      sdk.IOT_MQTT_Subscribe(mqtt, `/${productKey}/${deviceName}/in`, 0, () => {});
      return [sdk.IOT_MQTT_Yield(mqtt, LONG_MS)];
    });
    let over = false;
    yielded[0].then(() => {
      over = true;
    });
    await until(() => over);
    say({ events });
  },

  'terminate a worker while it constructs': () => terminate('constructing'),
  'terminate a worker while it yields': () => terminate('yielding'),
  'terminate a worker while it fetches': () => terminate('fetching'),
  'terminate a worker with idle handles': () => terminate('idle'),
  'exit of the main thread while a worker fetches': async () => {
    const worker = new Worker(__filename, { workerData: 'fetching' });
    await once(worker, 'message');
    process.exit(0);
  },
};

const work = {
  constructing: async () => {
    const server = require('node:net').createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    construct({ port: server.address().port });
    await once(server, 'connection');
  },
  yielding: async () => {
    const mqtt = await construct();
    sdk.IOT_MQTT_Yield(mqtt, LONG_MS);
  },
  fetching: async () => {
    await fetching();
  },
  idle: async () => {
    await announced();
  },
};

async function main() {
  if (isMainThread) return scenarios[process.argv[2]]();
  await work[workerData]();
  parentPort.postMessage('there');
  parentPort.on('message', () => {}); // stays
}

main().catch((error) => {
  process.stderr.write(`${error.stack}\n`);
  process.exit(8);
});
