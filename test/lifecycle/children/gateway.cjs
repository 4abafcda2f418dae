'use strict';
// One scenario of a gateway that ends in some way: `node gateway.cjs <scenario>`. GIVEN: {gateway, subs, url, ca},
// TARGET: where to download to. What it says is lines of JSON.
const fs = require('node:fs');
const { once } = require('node:events');
const { Worker, isMainThread, parentPort, workerData } = require('node:worker_threads');
const { connect, stats } = require('iotkit-ota');

const { gateway, subs, url, ca } = JSON.parse(process.env.GIVEN);
const target = process.env.TARGET;

const say = (message) => fs.writeSync(1, `${JSON.stringify(message)}\n`);
const open = () => connect({ ...gateway, url, tls: { ca } });

/** A gateway whose sub-devices are logged in. */
async function loggedIn() {
  const device = await open();
  const outcomes = await device.gateway.loginAll(subs);
  return { device, all: outcomes.map(({ value }) => value) };
}

/** The first sub-device downloads from a server that has stopped half way. */
async function stalled() {
  const { device, all } = await loggedIn();
  const [sub] = all;
  await sub.ota.reportVersion('1.0.0');
  const upgrade = await sub.ota.nextUpgrade();
  const download = upgrade.download(target);
  download.catch(() => {});
  for await (const { received } of upgrade.progress()) if (received > 0) break;
  return { device, sub, download };
}

/** A sub-device sends messages to itself without end. */
async function flowing() {
  const { device, all } = await loggedIn();
  const [sub] = all;
  const topic = sub.topic('user/get');
  const messages = await sub.subscribe(topic);
  const send = () => sub.publish(topic, 'x'.repeat(100)).then(send, () => {});
  for (let i = 0; i < 10; i += 1) send();
  await messages.next();
  return { device, messages };
}

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
  say(stats());
}

const scenarios = {
  'exit while they log in': async () => {
    const device = await open();
    device.gateway.loginAll(subs);
    process.exit(0);
  },
  'exit while they are logged in': async () => {
    await loggedIn();
    process.exit(0);
  },
  'exit while one downloads': async () => {
    await stalled();
    process.exit(0);
  },
  'exit while messages flow': async () => {
    await flowing();
    process.exit(0);
  },
  'exit while the topology is asked for': async () => {
    const device = await open();
    device.gateway.topology();
    process.exit(0);
  },
  'exit while one is closing': async () => {
    const { all } = await loggedIn();
    all[0].close();
    process.exit(0);
  },
  'end by itself after close': async () => {
    const { device } = await loggedIn();
    await device.close();
    say(stats());
  },
  'end by itself after closing during a download': async () => {
    const { device, download } = await stalled();
    await device.close();
    await download.catch((error) => say({ code: error.code }));
    say(stats());
  },
  'end by itself with an unreferenced gateway': async () => {
    (await loggedIn()).device.unref();
  },
  'stay while a sub-device of an unreferenced gateway downloads': async () => {
    const { device, all } = await loggedIn();
    await all[0].ota.reportVersion('1.0.0');
    const upgrade = await all[0].ota.nextUpgrade();
    device.unref();
    await upgrade.download(target);
    say({ size: fs.statSync(target).size });
  },
  'collect a closed sub-device': async () => {
    const device = await open();
    let collected = false;
    const registry = new FinalizationRegistry(() => {
      collected = true;
    });
    await (async () => {
      const sub = await device.gateway.login(subs[0]);
      registry.register(sub);
      await sub.ota.reportVersion('1.0.0');
      await sub.close();
    })();
    await until(() => collected);
    await device.close();
    say({ collected: true });
  },
  'terminate a worker while they log in': () => terminate('logging in'),
  'terminate a worker whose sub-devices are logged in': () => terminate('logged in'),
  'terminate a worker whose sub-device downloads': () => terminate('downloading'),
  'terminate a worker whose sub-device gets messages': () => terminate('flowing'),
};

const work = {
  'logging in': async () => {
    const device = await open();
    device.gateway.loginAll(subs);
    parentPort.postMessage('there');
  },
  'logged in': async () => {
    await loggedIn();
    parentPort.postMessage('there');
  },
  downloading: async () => {
    await stalled();
    parentPort.postMessage('there');
  },
  flowing: async () => {
    const { messages } = await flowing();
    parentPort.postMessage('there');
    for await (const _ of messages);
  },
};

Promise.resolve(isMainThread ? scenarios[process.argv[2]]() : work[workerData]()).catch((error) => {
  process.stderr.write(`${error.stack}\n`);
  process.exit(8);
});
