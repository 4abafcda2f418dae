// How many messages of QoS 0 and 64 bytes go out to a mosquitto and come in from it in a second, by this package and by
// MQTT.js, in one event loop: `node bench/messages.mjs [messages]`, after `npm run build`. Needs mosquitto; MQTT.js is
// what the platform depends on. Out: until the broker has acknowledged a last message of QoS 1. In: the messages come
// from a process of its own, mosquitto_pub. Each is run in turns, in a process of its own; the best of three counts.
// `longest` is the longest turn of the event loop, `cpu` what the process took of all its threads for one message.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';

const require = createRequire(import.meta.url);
const self = fileURLToPath(import.meta.url);
const payload = Buffer.alloc(64, 1);
const topic = 'bench/messages';

/** A client's way to send all, and to receive all. */
const clients = {
  'iotkit-ota': async (port) => {
    const { connect } = require('../dist/index.js');
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
      receive: async (count, ready) => {
        let left = count;
        const messages = await device.subscribe(topic);
        ready();
        for await (const _ of messages) if (--left === 0) break;
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
      receive: async (count, ready) => {
        let left = count;
        const all = new Promise((resolve) => {
          client.on('message', () => {
            left -= 1;
            if (left === 0) resolve();
          });
        });
        await client.subscribeAsync(topic);
        ready();
        await all;
      },
      close: () => client.endAsync(),
    };
  },
};

if (process.argv[2] === '--child') await child(...process.argv.slice(3));
else await main(Number(process.argv[2] ?? 300_000));

async function child(name, way, port, count) {
  const client = await clients[name](Number(port));
  const delay = monitorEventLoopDelay({ resolution: 1 });
  let began = 0;
  let cpu;
  const ready = () => {
    process.stdout.write('ready\n');
    began = performance.now();
    cpu = process.cpuUsage();
    delay.enable();
  };
  if (way === 'out') ready();
  await (way === 'out' ? client.send(Number(count)) : client.receive(Number(count), ready));
  const seconds = (performance.now() - began) / 1_000;
  delay.disable();
  const used = process.cpuUsage(cpu);
  await client.close();
  process.stdout.write(
    `${JSON.stringify({ rate: count / seconds, longest: delay.max / 1e6, cpu: (used.user + used.system) / count })}\n`,
  );
}

async function main(count) {
  const directory = mkdtempSync(path.join(tmpdir(), 'iotkit-ota-bench-'));
  const port = await freePort();
  const file = path.join(directory, 'mosquitto.conf');
  const user = process.getuid?.() === 0 ? 'user root\n' : '';
  writeFileSync(
    file,
    `${user}listener ${port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n`,
  );
  const mosquitto = spawn('mosquitto', ['-c', file], { stdio: ['ignore', 'ignore', 'pipe'] });
  await once(mosquitto.stderr, 'data');
  try {
    for (const way of ['out', 'in']) {
      const best = {};
      for (let turn = 0; turn < 3; turn += 1) {
        for (const name of Object.keys(clients)) {
          const result = await run(name, way, port, count);
          if (!(best[name]?.rate > result.rate)) best[name] = result;
        }
      }
      for (const [name, { rate, longest, cpu }] of Object.entries(best)) {
        const shown = `${Math.round(rate).toLocaleString('en')}/s`.padStart(12);
        console.log(
          `${way.padEnd(4)}${name.padEnd(12)}${shown}   longest ${longest.toFixed(0)} ms   cpu ${cpu.toFixed(1)} µs`,
        );
      }
      console.log(
        `${way.padEnd(4)}ratio ${(best['iotkit-ota'].rate / best['MQTT.js'].rate).toFixed(2)}`,
      );
    }
  } finally {
    mosquitto.kill();
    rmSync(directory, { recursive: true, force: true });
  }
}

async function run(name, way, port, count) {
  const args = [self, '--child', name, way, String(port), String(count)];
  const measured = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  measured.stdout.on('data', (data) => {
    if (way === 'in' && output === '') feed(port, count);
    output += data;
  });
  const [code] = await once(measured, 'close');
  if (code !== 0) throw new Error(`${name} ${way} ended with ${code}`);
  return JSON.parse(output.trim().split('\n').at(-1));
}

/** Somebody else's messages: as many as are awaited. */
function feed(port, count) {
  const line = `${'x'.repeat(64)}\n`;
  const publisher = spawn(
    'mosquitto_pub',
    ['-p', String(port), '-h', '127.0.0.1', '-t', topic, '-l'],
    {
      stdio: ['pipe', 'ignore', 'inherit'],
    },
  );
  publisher.stdin.on('error', () => {});
  publisher.stdin.end(line.repeat(count));
}

async function freePort() {
  if (spawnSync('mosquitto', ['-h']).error) throw new Error('mosquitto is not installed');
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  await once(server.close(), 'close');
  return port;
}
