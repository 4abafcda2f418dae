// The process that is measured: node measured.mjs <client> <task> <port> <messages>. Says "ready" when it has
// subscribed, and at the end what it saw, as JSON.
//
//   out      sends messages of 64 bytes
//   in       takes them in
//   trip     one message after the other to itself, each when the one before has come back
//   steady   takes in messages that say when they were sent
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { clients, payload } from './clients.mjs';
import { countFrom, sentAt, stamp } from './packets.mjs';

const [name, task, port, messages] = process.argv.slice(2);
const count = Number(messages);
const client = await clients[name](Number(port));
const tasks = { out, in: takeIn, trip, steady };
const result = await tasks[task]();
await client.close();
process.stdout.write(`${JSON.stringify(result)}\n`);

/** What `work` took of this process, for each message. Its clock runs from the first call of `begin`. */
async function measure(work) {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  let began;
  let before;
  await work(() => {
    if (began !== undefined) return;
    delay.enable();
    before = process.resourceUsage();
    began = performance.now();
  });
  const seconds = (performance.now() - began) / 1_000;
  delay.disable();
  const since = countFrom(before, process.resourceUsage());
  return {
    rate: count / seconds,
    longest: delay.max / 1e6,
    cpu: (since.userCPUTime + since.systemCPUTime) / count,
    switches: (since.voluntaryContextSwitches + since.involuntaryContextSwitches) / count,
  };
}

function out() {
  return measure((begin) => {
    begin();
    return client.send(count);
  });
}

function takeIn() {
  return measure((begin) => {
    let left = count;
    return client.receive(ready, () => {
      begin();
      left -= 1;
      return left > 0;
    });
  });
}

async function trip() {
  const times = [];
  let sent;
  const next = () => {
    sent = performance.now();
    client.publish(payload);
  };
  await client.receive(next, () => {
    times.push((performance.now() - sent) * 1_000);
    if (times.length === count) return false;
    next();
    return true;
  });
  return quantiles(times);
}

async function steady() {
  const times = [];
  const used = await measure((begin) =>
    client.receive(ready, (data) => {
      begin();
      times.push(stamp() - sentAt(data));
      return times.length < count;
    }),
  );
  return { ...used, ...quantiles(times) };
}

function ready() {
  process.stdout.write('ready\n');
}

function quantiles(times) {
  times.sort((a, b) => a - b);
  const at = (share) => times[Math.min(times.length - 1, Math.floor(times.length * share))];
  return { median: at(0.5), p99: at(0.99), most: times.at(-1) };
}
