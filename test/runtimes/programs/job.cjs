'use strict';
// What every runtime is asked to do, with the package it has imported in its own way. DEVICE: {productKey, deviceName,
// deviceSecret, url, ca}, without `ca` no TLS; TARGET: where to download to. What it says is lines of JSON.
const { createHash } = require('node:crypto');
const { once } = require('node:events');
const fs = require('node:fs');
const path = require('node:path');
const { Worker } = require('node:worker_threads');

const { ca, ...identity } = JSON.parse(process.env.DEVICE);
const target = process.env.TARGET;
const options = { ...identity, ...(ca && { tls: { ca } }) };

const say = (message) => fs.writeSync(1, `${JSON.stringify(message)}\n`);
const digestOf = (data) => createHash('sha256').update(data).digest('hex');

async function announced({ connect }) {
  const device = await connect(options);
  await device.ota.reportVersion('1.0.0');
  for await (const upgrade of device.ota.upgrades()) return { device, upgrade };
  throw new Error('the device was closed');
}

/** To a file, then in chunks, then refused and cancelled. */
async function update(api) {
  const { device, upgrade } = await announced(api);
  const steps = [];
  await upgrade.download(target, { onProgress: ({ received }) => steps.push(received) });
  const toFile = digestOf(fs.readFileSync(target));
  const hash = createHash('sha256');
  for await (const chunk of upgrade.chunks({ recycle: true })) hash.update(chunk);
  const fresh = createHash('sha256');
  for await (const chunk of upgrade) fresh.update(chunk);
  const streamed = createHash('sha256');
  for await (const chunk of upgrade.stream()) streamed.update(chunk);
  const inChunks = new Set([hash, fresh, streamed].map((each) => each.digest('hex')));
  const given = await codeOf(() => upgrade.chunks({ chunkSize: 1 }));
  const signal = AbortSignal.abort(new Error('not wanted'));
  const cancelled = await upgrade.download(target, { signal }).catch((error) => error.message);
  await device.ota.reportVersion('2.0.0');
  await device[Symbol.asyncDispose]();
  const closed = await codeOf(() => device.ota.reportVersion('2.0.0'));
  say({
    digest: upgrade.digest,
    toFile,
    inChunks: [...inChunks],
    lastStep: steps.at(-1),
    given,
    cancelled,
    closed,
    branded: api.IotkitError.is(await device.ota.check().catch((error) => error)),
    state: device.state,
    threads: api.stats().threads,
    holds: api.stats().holds,
    tls: typeof api.tlsSource(),
  });
}

async function codeOf(action) {
  try {
    await action();
    return 'nothing thrown';
  } catch (error) {
    return error.code;
  }
}

/** A download that the server has stopped serving half way. */
async function stalled(api) {
  const { upgrade } = await announced(api);
  upgrade.download(target).catch(() => {});
  for await (const { received } of upgrade.progress()) if (received > 0) break;
}

const scenarios = {
  update,
  'exit during a download': async (api) => {
    await stalled(api);
    process.exit(7);
  },
  'throw during a download': async (api) => {
    await stalled(api);
    setTimeout(() => {
      throw new Error('on purpose');
    }, 0);
  },
  'update in a worker': async (api) => {
    const [code] = await once(startWorker('update'), 'exit');
    say({ code, environments: api.stats().environments, threads: api.stats().threads });
  },
  'terminate a worker during a download': async (api) => {
    const worker = startWorker('stalled');
    await once(worker, 'message');
    await worker.terminate();
    // Deno says that a worker is gone shortly before it is.
    while (api.stats().environments > 1) await new Promise(setImmediate);
    say({ environments: api.stats().environments, threads: api.stats().threads });
  },
};

const startWorker = (workerData) => new Worker(path.join(__dirname, 'worker.cjs'), { workerData });

module.exports = { scenarios, update, stalled };
