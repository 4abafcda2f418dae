'use strict';
// One scenario of a program that uses the addon and ends in some way: `node device.cjs <scenario>`.
// DEVICE: {productKey, deviceName, deviceSecret, url, ca}, TARGET: where to download to. What it says is lines of JSON.
const fs = require('node:fs');
const { Worker, isMainThread, parentPort, workerData } = require('node:worker_threads');
const { connect, stats } = require('iotkit-ota');

const { ca, ...identity } = JSON.parse(process.env.DEVICE ?? '{}');
const target = process.env.TARGET;
/** Another device, for which the same upgrade waits. */
const companion = { deviceName: `${identity.deviceName}-w1` };
const options = { ...identity, tls: { ca } };

const say = (message) => fs.writeSync(1, `${JSON.stringify(message)}\n`);
const open = async (more) => connect({ ...options, ...more });

/** Names of the addon's threads. */
function threads() {
  return fs
    .readdirSync('/proc/self/task')
    .map((id) => {
      try {
        return fs.readFileSync(`/proc/self/task/${id}/comm`, 'utf8').trim();
      } catch {
        return '';
      }
    })
    .filter((name) => name.startsWith('iotkit-'))
    .sort();
}

/** A connected device and the upgrade that waits for it. */
async function announced(more) {
  const device = await open(more);
  await device.ota.reportVersion('1.0.0');
  for await (const upgrade of device.ota.upgrades()) return { device, upgrade };
  throw new Error('the device was closed');
}

/** A download that the server has stopped serving half way; resolves when bytes have come. */
async function stalled() {
  const { device, upgrade } = await announced();
  const download = upgrade.download(target);
  download.catch(() => {});
  for await (const { received } of upgrade.progress()) if (received > 0) break;
  return { device, upgrade, download };
}

/** A device that sends messages to itself without end, and has got some. */
async function flowing(device, options) {
  const topic = device.topic('user/get');
  const messages = await device.subscribe(topic, options);
  const send = () => device.publish(topic, 'x'.repeat(100)).then(send, () => {});
  for (let i = 0; i < 10; i += 1) send();
  const acknowledged = device.publish(topic, 'x', { qos: 1 });
  acknowledged.catch(() => {});
  await messages.next();
  return { device, messages };
}

/** An iteration that has handed out one chunk. */
async function iterating() {
  const { device, upgrade } = await announced();
  const chunks = upgrade.chunks({ chunkSize: 4096 });
  await chunks.next();
  return { device, upgrade, chunks };
}

/** A download that is paused after its first bytes. */
async function paused() {
  const { device, upgrade, download } = await stalled();
  upgrade.pause();
  return { device, upgrade, download };
}

/** A writer whose first write has begun and is not going to end before `settle` is called. */
async function writing() {
  const { device, upgrade } = await announced();
  let settle;
  let download;
  await new Promise((begun) => {
    const write = () => {
      begun();
      return new Promise((resolve) => {
        settle = resolve;
      });
    };
    download = upgrade.download([{ write, abort: () => say({ aborted: true }) }, target]);
    download.catch(() => {});
  });
  return { device, upgrade, download, settle };
}

/** A download that begins with proving what another has left. */
async function resuming() {
  const { upgrade, download } = await stalled();
  upgrade.abort();
  await download.catch(() => {});
  upgrade.download(target).catch(() => {});
}

/** A download to which the server says that its URL has expired. */
async function renewing() {
  const { upgrade } = await announced();
  upgrade.download(target).catch(() => {});
  for await (const _ of upgrade.progress()) break;
}

const scenarios = {
  // --- process.exit() at every step ---
  'exit at once': () => process.exit(0),
  'exit while connecting': () => {
    open();
    process.exit(0);
  },
  'exit with the first state': async () => {
    process.nextTick(() => {});
    open().then(() => process.exit(0));
  },
  'exit in a state': async () => {
    const device = await open();
    for await (const { state } of device.states()) if (state === 'connected') process.exit(0);
  },
  'exit while reporting': async () => {
    const device = await open();
    device.ota.reportVersion('1.0.0');
    process.exit(0);
  },
  'exit when an upgrade comes': async () => {
    await announced();
    process.exit(0);
  },
  'exit as a download starts': async () => {
    const { upgrade } = await announced();
    upgrade.download(target);
    process.exit(0);
  },
  'exit during a download': async () => {
    await stalled();
    process.exit(0);
  },
  'exit in onProgress': async () => {
    const { upgrade } = await announced();
    await upgrade.download(target, {
      onProgress: ({ received }) => {
        if (received > 0) process.exit(0);
      },
    });
  },
  'exit during an iteration': async () => {
    const { upgrade } = await announced();
    for await (const _ of upgrade) process.exit(0);
  },
  'exit while a download is paused': async () => {
    await paused();
    process.exit(0);
  },
  'exit while a writer writes': async () => {
    await writing();
    process.exit(0);
  },
  'exit while what is there is proven': async () => {
    await resuming();
    process.exit(0);
  },
  'exit while another URL is awaited': async () => {
    await renewing();
    setTimeout(() => process.exit(0), 50);
  },
  'exit while a chunk is awaited': async () => {
    const { chunks } = await iterating();
    for (let i = 0; i < 8; i += 1) chunks.next();
    setImmediate(() => process.exit(0));
  },
  'exit while a download waits for its turn': async () => {
    require('iotkit-ota').setMaxDownloads(1);
    const { upgrade } = await announced();
    const other = await announced(companion);
    upgrade.download(target);
    other.upgrade.download(`${target}.2`);
    process.exit(stats().waiting === 1 ? 0 : 9);
  },
  'exit while a download has given its place away': async () => {
    require('iotkit-ota').setMaxDownloads(1);
    await stalled();
    const { upgrade } = await announced(companion);
    upgrade.download(`${target}.2`);
    for await (const { received } of upgrade.progress()) if (received > 0) break;
    process.exit(0);
  },
  'exit while messages flow': async () => {
    await flowing(await open());
    process.exit(0);
  },
  'exit in an iteration over messages': async () => {
    for await (const _ of (await flowing(await open())).messages) process.exit(0);
  },
  'exit while closing': async () => {
    const device = await open();
    device.close();
    process.exit(0);
  },
  'exit after close': async () => {
    const device = await open();
    await device.close();
    process.exit(0);
  },

  // --- exceptions ---
  'throw while connected': async () => {
    await open();
    setImmediate(() => {
      throw new Error('on purpose');
    });
  },
  'throw during a download': async () => {
    await stalled();
    setImmediate(() => {
      throw new Error('on purpose');
    });
  },

  // --- ending by itself ---
  'end by itself without use': () => {},
  'end by itself after close': async () => {
    const device = await open();
    await device.close();
    say({ state: device.state, threads: threads(), stats: stats() });
  },
  'end by itself after two closes': async () => {
    const device = await open();
    await Promise.all([device.close(), device.close()]);
    await device.close();
    say({ state: device.state, threads: threads(), stats: stats() });
  },
  'end by itself with an unreferenced device': async () => {
    (await open()).unref();
  },
  'end by itself with a refused option': async () => {
    await open({ keepAlive: -1 }).catch((error) => say({ code: error.code }));
  },
  'end by itself after a refused secret': async () => {
    await open({ deviceSecret: 'wrong' }).catch((error) => say({ code: error.code }));
    say({ threads: threads(), stats: stats() });
  },
  'end by itself after closing during a download': async () => {
    const { device, download } = await stalled();
    await device.close();
    await download.catch((error) => say({ code: error.code }));
    say({ threads: threads(), files: fs.existsSync(`${target}.part`), stats: stats() });
  },
  'end by itself after closing while paused': async () => {
    const { device, download } = await paused();
    await device.close();
    await download.catch((error) => say({ code: error.code }));
    say({ threads: threads(), files: fs.existsSync(`${target}.part`), stats: stats() });
  },
  'end by itself after closing while a writer writes': async () => {
    const { device, download, settle } = await writing();
    const closed = device.close();
    settle();
    await closed;
    await download.catch((error) => say({ code: error.code }));
    say({ threads: threads(), files: fs.existsSync(`${target}.part`), stats: stats() });
  },
  'end by itself after closing while messages flow': async () => {
    const { device, messages } = await flowing(await open());
    await device.close();
    for await (const _ of messages);
    await device.publish('t', 'x').catch((error) => say({ code: error.code }));
    say({ threads: threads(), stats: stats() });
  },
  'end by itself with an iteration that nobody continues': async () => {
    const { device } = await iterating();
    device.unref();
  },
  'stay while a report of an unreferenced device is on its way': async () => {
    const device = (await open()).unref();
    await device.ota.reportVersion('1.0.0');
    say({ reported: true });
  },
  'stay while an unreferenced device downloads': async () => {
    const { device, upgrade } = await announced();
    device.unref();
    await upgrade.download(target);
    say({ size: fs.statSync(target).size });
  },

  // --- collection ---
  'collect a dropped iteration': async () => {
    const { device, upgrade } = await announced();
    await (async () => {
      await upgrade.chunks({ chunkSize: 4096 }).next();
    })();
    await until(() => stats().transfers === 0 && threads().length === 1);
    say({ threads: threads(), lent: stats().lent });
    // Its upgrade is free again, once JavaScript has been told.
    await upgrade.verify().catch((error) => say({ code: error.code }));
    const { value } = await upgrade.chunks({ chunkSize: 4096 }).next();
    say({ again: value.length > 0 });
    await device.close();
  },
  'collect upgrades': async () => {
    const device = await open();
    await device.ota.reportVersion('1.0.0');
    for (let i = 0; i < 20; i += 1) await device.ota.check();
    await until(() => stats().jobs <= 1);
    await device.close();
    say({ threads: threads() });
  },
  'collect a closed device': async () => {
    await (async () => {
      const device = await open();
      await device.close();
    })();
    await until(() => stats().devices === 0);
    say(stats());
  },

  // --- worker threads ---
  'terminate a worker while it connects': () => terminate('connecting'),
  'terminate a worker that is connected': () => terminate('connected'),
  'terminate a worker during a download': () => terminate('downloading'),
  'terminate a worker during an iteration': () => terminate('iterating'),
  'terminate a worker whose download is paused': () => terminate('paused'),
  'terminate a worker whose writer writes': () => terminate('writing'),
  'terminate a worker that proves what is there': () => terminate('resuming'),
  'terminate a worker while messages flow': () => terminate('flowing'),
  'terminate a worker whose messages nobody takes': () => terminate('held back'),
  'exit in a worker during a download': async () => {
    const worker = new Worker(__filename, { workerData: 'downloading, then exit' });
    const [code] = await require('node:events').once(worker, 'exit');
    say({ code, threads: threads(), stats: stats() });
  },
  'two workers and the main thread at once': async () => {
    const workers = ['w1', 'w2'].map((name) => {
      const worker = new Worker(__filename, { workerData: `cycle ${name}` });
      return require('node:events').once(worker, 'exit');
    });
    for (let i = 0; i < 5; i += 1) await (await open()).close();
    const codes = (await Promise.all(workers)).map(([code]) => code);
    say({ codes, threads: threads(), stats: stats() });
  },
  'exit of the main thread while workers download': async () => {
    const worker = new Worker(__filename, { workerData: 'downloading' });
    await require('node:events').once(worker, 'message');
    process.exit(0);
  },
};

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
  await require('node:events').once(worker, 'message');
  await worker.terminate();
  say({ threads: threads(), stats: stats() });
}

const work = {
  connecting: () => {
    open();
    parentPort.postMessage('there');
  },
  connected: async () => {
    await open();
    parentPort.postMessage('there');
  },
  downloading: async () => {
    await stalled();
    parentPort.postMessage('there');
  },
  iterating: async () => {
    const { chunks } = await iterating();
    parentPort.postMessage('there');
    for (;;) if ((await chunks.next()).done) break;
  },
  paused: async () => {
    await paused();
    parentPort.postMessage('there');
  },
  writing: async () => {
    await writing();
    parentPort.postMessage('there');
  },
  flowing: async () => {
    const { messages } = await flowing(await open());
    let count = 0;
    for await (const _ of messages) if (++count === 100) parentPort.postMessage('there');
  },
  'held back': async () => {
    await flowing(await open(), { highWaterMark: 1 });
    parentPort.postMessage('there');
  },
  resuming: async () => {
    await resuming();
    parentPort.postMessage('there');
  },
  'downloading, then exit': async () => {
    await stalled();
    process.exit(3);
  },
  'cycle w1': cycle,
  'cycle w2': cycle,
};

async function cycle() {
  for (let i = 0; i < 5; i += 1) {
    const device = await open({ deviceName: `${identity.deviceName}-${workerData.slice(-2)}` });
    await device.ota.reportVersion('1.0.0');
    await device.close();
  }
}

Promise.resolve(isMainThread ? scenarios[process.argv[2]]() : work[workerData]()).catch((error) => {
  process.stderr.write(`${error.stack}\n`);
  process.exit(8);
});
