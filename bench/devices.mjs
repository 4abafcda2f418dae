// What connected, subscribed and otherwise idle devices of one process take, by this package and by MQTT.js:
// `node bench/devices.mjs [--tls] [--json FILE] [counts…]`, after `npm run build:all`. Needs mosquitto, for TLS also
// openssl. Each client has a process of its own, in which devices are added until there are as many as the next count
// says. Memory is the growth of the resident size since the first device, after a collection of garbage; `heap` is the
// growth of what lives in JavaScript's heap, `young` that of V8's young generation, which holds garbage and grows to
// some 32 MiB in every process that makes much; `rested` is the last of them half a minute later, when V8 has given
// back what it needed for the connecting. CPU is of the whole process; idle CPU without keep-alive, and what a ping
// takes besides.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { loadavg, tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { getHeapSpaceStatistics } from 'node:v8';
import { issue } from './certificate.mjs';
import { startMosquitto } from './messages/brokers.mjs';

const require = createRequire(import.meta.url);
const self = fileURLToPath(import.meta.url);
const COUNTS = [1, 10, 100, 1_000, 2_000, 5_000, 10_000];
/** V8 collects garbage by itself for some seconds after it has grown. */
const SETTLE_MS = 30_000;
const IDLE_MS = 10_000;
const AT_ONCE = 50;
/** Of those whose pings are measured, and of the default. */
const PINGS = { devices: 1_000, keepAliveSeconds: 10, seconds: 30 };
const KEEP_ALIVE_SECONDS = 300;

/** Ways to open one more, by name. `ca` is a file; empty: plain TCP. */
const clients = {
  'iotkit-ota': (port, ca, keepAlive) => {
    const { connect } = require('../dist/index.js');
    const url = `${ca ? 'mqtts' : 'mqtt'}://localhost:${port}`;
    const tls = ca ? { tls: { ca: readFileSync(ca, 'utf8') } } : {};
    return (index) =>
      connect({
        productKey: 'bench',
        deviceName: `device-${index}`,
        deviceSecret: 'any',
        url,
        keepAlive,
        ...tls,
      });
  },
  'MQTT.js': (port, ca, keepalive) => {
    const { connectAsync } = require('mqtt');
    const url = `${ca ? 'mqtts' : 'mqtt'}://localhost:${port}`;
    const options = { keepalive, ...(ca ? { ca: readFileSync(ca) } : {}) };
    return async (index) => {
      const client = await connectAsync(url, { ...options, clientId: `client-${index}` });
      await client.subscribeAsync(`/ota/device/upgrade/bench/client-${index}`);
      return client;
    };
  },
};

if (process.argv[2] === '--child') await child(...process.argv.slice(3));
else await main(process.argv.slice(2));

async function main(args) {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { tls: { type: 'boolean' }, json: { type: 'string' } },
  });
  const counts = positionals.length > 0 ? positionals.map(Number) : COUNTS;
  const directory = mkdtempSync(path.join(tmpdir(), 'iotkit-ota-bench-'));
  const certificate = values.tls ? issue(directory) : undefined;
  const broker = await startMosquitto(certificate);
  const found = { load: loadavg()[0], clients: {} };
  try {
    for (const name of Object.keys(clients)) {
      const grown = await run(name, counts, KEEP_ALIVE_SECONDS);
      const { ping } = await run(name, [PINGS.devices], PINGS.keepAliveSeconds);
      found.clients[name] = { ...grown, ping };
      show(name, found.clients[name]);
    }
  } finally {
    broker.stop();
    rmSync(directory, { recursive: true });
  }
  if (values.json) keep(values.json, values.tls ? 'tls' : 'tcp', found);

  async function run(name, points, keepAlive) {
    const options = [name, broker.port, points.join(), keepAlive, certificate?.file ?? ''];
    const one = spawn(process.execPath, ['--expose-gc', self, '--child', ...options.map(String)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    one.stdout.on('data', (data) => {
      output += data;
    });
    const [code] = await once(one, 'close');
    if (code !== 0) throw new Error(`${name} with ${points} devices ended with ${code}`);
    return JSON.parse(output);
  }
}

/** Beside what the file has of the other protocol. */
function keep(file, protocol, found) {
  const before = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {};
  const all = { ...before, [protocol]: found };
  writeFileSync(file, `${JSON.stringify(all, undefined, 2)}\n`);
}

function show(name, { points, idle, ping }) {
  for (const { devices, memory, heap, young, seconds, connectCpu } of points) {
    const each = `${memory.toFixed(1)} KiB (heap ${heap.toFixed(1)}, young ${young.toFixed(1)}) each`;
    const time = `connected in ${seconds.toFixed(1)} s, cpu ${connectCpu.toFixed(0)} µs each`;
    console.log(`${devices.toLocaleString('en').padStart(7)}  ${name.padEnd(12)}${each}   ${time}`);
  }
  console.log(`idle ${idle.toFixed(2)} ms/s, a ping ${ping.toFixed(0)} µs`);
}

/** Prints what there is at each of the counts. */
async function child(name, port, counts, keepAlive, ca) {
  const open = clients[name](port, ca, Number(keepAlive));
  const all = [await open(0)];
  const first = await sizes();
  const cpuBefore = process.cpuUsage();
  const points = [];
  let seconds = 0;
  for (const count of counts.split(',').map(Number)) {
    const began = performance.now();
    const more = async () => {
      while (all.length < count) {
        const at = all.push(undefined) - 1;
        all[at] = await open(at);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, more));
    seconds += (performance.now() - began) / 1_000;
    const cpu = process.cpuUsage(cpuBefore);
    points.push(pointOf(all.length, { first, now: await sizes(), seconds, cpu }));
  }
  await delay(SETTLE_MS);
  const cpu = process.cpuUsage(cpuBefore);
  const rested = pointOf(all.length, { first, now: await sizes(), seconds, cpu });
  const idle = await cpuOf(IDLE_MS);
  const pings = (PINGS.seconds / Number(keepAlive)) * all.length;
  const pinging = Number(keepAlive) === PINGS.keepAliveSeconds;
  const ping = pinging ? ((await cpuOf(PINGS.seconds * 1_000)) * PINGS.seconds * 1_000) / pings : 0;
  process.stdout.write(JSON.stringify({ points, rested, idle, ping }), () => process.exit());
}

function pointOf(devices, { first, now, seconds, cpu }) {
  const added = Math.max(devices - 1, 1);
  return {
    devices,
    resident: now.resident,
    memory: (now.resident - first.resident) / added,
    heap: (now.heap - first.heap) / added,
    young: (now.young - first.young) / added,
    seconds,
    connectCpu: (cpu.user + cpu.system) / added,
  };
}

/** Milliseconds a second, of what goes on meanwhile. */
async function cpuOf(ms) {
  const before = process.cpuUsage();
  await delay(ms);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / ms;
}

/** In KiB, once nothing is left to collect. */
async function sizes() {
  for (let turn = 0; turn < 4; turn += 1) {
    globalThis.gc();
    await delay(100);
  }
  const { rss, heapUsed } = process.memoryUsage();
  const young = getHeapSpaceStatistics()
    .filter(({ space_name: name }) => name === 'new_space')
    .reduce((sum, { physical_space_size: size }) => sum + size, 0);
  return { resident: rss / 1_024, heap: heapUsed / 1_024, young: young / 1_024 };
}
