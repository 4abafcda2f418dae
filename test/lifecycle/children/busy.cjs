'use strict';
// Devices that connect, download and close without pause, in this thread and in workers, until the program ends at
// some moment and in some way: `node busy.cjs <seed>`. DEVICES: {url, ca, devices}, FOLDER: where to download to.
const { Worker, isMainThread, workerData } = require('node:worker_threads');
const { connect, setMaxDownloads } = require('iotkit-ota');

const { url, ca, devices } = JSON.parse(process.env.DEVICES);
const folder = process.env.FOLDER;
const END_WITHIN_MS = 400;

let state = isMainThread ? Number(process.argv[2]) : workerData.seed;

/** A whole number below `limit`, from the seed. */
function random(limit) {
  state = (state + 0x6d2b79f5) | 0;
  let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
  mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
  return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
}

const open = ({ productKey, deviceName, deviceSecret }) =>
  connect({ productKey, deviceName, deviceSecret, url, tls: { ca } });

async function work(identity) {
  for (;;) {
    const device = await open(identity);
    await device.ota.reportVersion('1.0.0');
    for (let i = random(6); i >= 0; i -= 1) await consume(await device.ota.check(), identity);
    // Left behind on purpose: the closing ends them.
    device.ota
      .upgrades()
      .next()
      .catch(() => {});
    device.ota.check().catch(() => {});
    await device.close();
  }
}

async function consume(upgrade, { deviceName }) {
  // The platform acknowledges a report before it has looked at it.
  if (upgrade === undefined) return;
  const abort = new AbortController();
  const { signal } = abort;
  if (random(3) === 0) setTimeout(() => abort.abort(), random(20)).unref();
  const options = { report: false, signal };
  if (random(4) === 0) {
    setTimeout(() => upgrade.pause(), random(20)).unref();
    setTimeout(() => upgrade.resume(), random(60)).unref();
  }
  try {
    if (random(2) === 0) {
      const resume = random(4) > 0;
      await upgrade.download(targetOf(`${folder}/${deviceName}`), { ...options, resume });
    } else {
      const chunks = upgrade.chunks({
        ...options,
        recycle: random(2) === 0,
        chunkSize: 4096 << random(6),
      });
      for await (const _ of chunks) if (random(40) === 0) break;
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

/** A file, two, a writer, or a writer and a file. */
function targetOf(path) {
  const write = () => (random(2) === 0 ? undefined : new Promise(setImmediate));
  return [path, [path, `${path}.2`], { write }, [{ write }, path]][random(4)];
}

const ends = {
  exit: () => process.exit(7),
  'exit in a signal handler': () => {
    process.on('SIGTERM', () => process.exit(7));
    process.kill(process.pid, 'SIGTERM');
  },
  'connect in an exit handler': () => {
    process.on('exit', () => open(devices[0]).catch(() => {}));
    process.exit(7);
  },
  throw: () => {
    throw new Error('on purpose');
  },
  reject: () => {
    Promise.reject(new Error('on purpose'));
  },
};

if (isMainThread) {
  setMaxDownloads(1 + random(4));
  const [mine, others] = [devices.slice(0, 2), devices.slice(2)];
  for (const identity of mine) work(identity);
  for (const identity of others) {
    const worker = new Worker(__filename, { workerData: { identity, seed: random(2 ** 31) } });
    if (random(2) === 0) setTimeout(() => worker.terminate(), random(END_WITHIN_MS));
  }
  const names = Object.keys(ends);
  const name = names[random(names.length)];
  setTimeout(() => {
    process.stdout.write(`${name}\n`);
    ends[name]();
  }, random(END_WITHIN_MS));
} else {
  work(workerData.identity);
}
