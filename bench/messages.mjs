// How many messages of QoS 0 and 64 bytes go out to a broker and come in from it in a second, and how long they
// take, by this package and by MQTT.js, in one event loop: `node bench/messages.mjs [messages [only…]]`, after
// `npm run build:all`. Needs mosquitto; MQTT.js is what the platform depends on. Out: until the broker has
// acknowledged a last message of QoS 1. In: from the first message to the last. Who publishes, the broker and who
// is measured are processes of their own; what each takes of the CPU for one message is said. Each is run in
// turns; the best of three counts. `longest` is the longest turn of the event loop, `switches` how often a thread
// of the process was taken from its processor or gave it away, for one message.
//
// A mosquitto takes 4-9 µs for a message, more than either client: it is what the rates over it show. So the same
// is run over a peer that takes next to nothing, `bare`: it throws away what comes, and sends blocks made
// beforehand.
//
// How long: `trip` is one message after the other to oneself; `steady` 10,000 messages a second, each with the
// time at which it was written to the mosquitto.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { loadavg } from 'node:os';
import { fileURLToPath } from 'node:url';
import { startBare, startMosquitto } from './messages/brokers.mjs';
import { clients } from './messages/clients.mjs';

const TURNS = 3;
const TRIPS = 5_000;
const STEADY_RATE = 10_000;
const STEADY_SECONDS = 3;

await main(Number(process.argv[2] ?? 300_000), process.argv.slice(3));

async function main(count, only) {
  const isWanted = (...names) => only.every((name) => names.includes(name));
  const brokers = [await startMosquitto(), await startBare(count)];
  console.log(`load ${loadavg()[0].toFixed(1)}`);
  try {
    for (const broker of brokers) {
      for (const task of ['out', 'in']) {
        if (isWanted(broker.name, task)) await compareRates(broker, task, count);
      }
    }
    const [mosquitto] = brokers;
    if (isWanted('mosquitto', 'trip')) await compareTimes(mosquitto, 'trip', TRIPS, 0);
    if (isWanted('mosquitto', 'steady')) {
      await compareTimes(mosquitto, 'steady', STEADY_RATE * STEADY_SECONDS, STEADY_RATE);
    }
  } finally {
    for (const { stop } of brokers) stop();
  }
}

async function compareRates(broker, task, count) {
  const best = await inTurns(broker, task, count, 0, (one, other) => one.rate > other.rate);
  const title = `${broker.name.padEnd(10)}${task.padEnd(8)}`;
  for (const [name, result] of Object.entries(best)) {
    const rate = `${Math.round(result.rate).toLocaleString('en')}/s`.padStart(12);
    console.log(
      `${title}${name.padEnd(12)}${rate}   longest ${result.longest.toFixed(0)} ms   ${took(result)}`,
    );
  }
  const [ours, theirs] = Object.values(best);
  const [rates, cpus] = [ours.rate / theirs.rate, theirs.cpu / ours.cpu];
  console.log(`${title}${rates.toFixed(2)} times the rate, cpu 1 / ${cpus.toFixed(2)}`);
}

async function compareTimes(broker, task, count, rate) {
  const best = await inTurns(broker, task, count, rate, (one, other) => one.p99 < other.p99);
  for (const [name, result] of Object.entries(best)) {
    const [median, p99, most] = [result.median, result.p99, result.most].map((at) => at.toFixed(0));
    const times = `median ${median} µs   99 % ${p99} µs   most ${most} µs`;
    const title = `${broker.name.padEnd(10)}${task.padEnd(8)}${name.padEnd(12)}`;
    console.log(`${title}${times}${rate ? `   ${took(result)}` : ''}`);
  }
}

function took({ cpu, switches, brokerCpu, publisherCpu }) {
  const others = [`broker ${brokerCpu.toFixed(2)}`];
  if (publisherCpu !== undefined) others.push(`publisher ${publisherCpu.toFixed(2)}`);
  return `cpu ${cpu.toFixed(2)} µs (${others.join(', ')})   switches ${switches.toFixed(3)}`;
}

async function inTurns(broker, task, count, rate, isBetter) {
  const best = {};
  for (let turn = 0; turn < TURNS; turn += 1) {
    for (const name of Object.keys(clients)) {
      const result = await run(name, broker, task, count, rate);
      if (!best[name] || isBetter(result, best[name])) best[name] = result;
    }
  }
  return best;
}

async function run(name, broker, task, count, rate) {
  const isFed = (task === 'in' || task === 'steady') && !broker.feeds;
  const publisher = isFed ? start('publisher.mjs', broker.port, count, rate) : undefined;
  await publisher?.ready;
  const before = broker.cpu();
  const measured = start('measured.mjs', name, task, broker.port, count);
  if (publisher) {
    await measured.ready;
    publisher.go();
  }
  const result = await measured.result;
  const brokerCpu = (broker.cpu() - before) / count;
  return { ...result, brokerCpu, publisherCpu: (await publisher?.result)?.cpu };
}

/** A process of this bench: `ready` when it has said so, `result` what it says at last, go() lets it begin. */
function start(script, ...args) {
  const file = fileURLToPath(new URL(`messages/${script}`, import.meta.url));
  const child = spawn(process.execPath, [file, ...args.map(String)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let output = '';
  const ready = new Promise((resolve) => {
    child.stdout.on('data', (data) => {
      output += data;
      resolve();
    });
  });
  const result = once(child, 'close').then(([code]) => {
    if (code !== 0) throw new Error(`${script} ${args.join(' ')} ended with ${code}`);
    return JSON.parse(output.trim().split('\n').at(-1));
  });
  return { ready, result, go: () => child.stdin.end('go') };
}
