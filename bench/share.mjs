// One image for many: 1 to 200 devices of one process want the same image at once, and each gets its file. `node
// bench/share.mjs [--write] [MiB] [runs]`, after `npm run build:all`. By hard links (`share: 'link'`), by copies, and
// with `share: false`, in turn; medians. Each run is a process of its own; the server, another one, sends from memory
// over loopback. The devices stand over a connection in memory, so that only downloads are measured. `memory` is the
// highest resident size over that before the first download, `on disk` what the folder of the files takes.
// SHARE_DIR names the folder. --write (after `npm run bench -- --help`, which compiles the page's makers): into
// bench/share.json, docs/performance.md and its plot.
import { execFileSync, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { cpus, tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { announce } from './announced.mjs';

const require = createRequire(import.meta.url);
const self = fileURLToPath(import.meta.url);
const counts = [1, 10, 50, 100, 200];
/** The ways, as the option `share` of a download. */
const ways = { linked: 'link', copied: true, each: false };

async function serve(mib) {
  const image = randomBytes(mib * 1024 * 1024);
  let requests = 0;
  let bytes = 0;
  let cpu = process.cpuUsage();
  const server = createServer((request, response) => {
    if (request.url === '/requests') {
      const { user, system } = process.cpuUsage(cpu);
      response.end(JSON.stringify({ requests, bytes, serverCpu: (user + system) / 1e6 }));
      requests = 0;
      bytes = 0;
      cpu = process.cpuUsage();
      return;
    }
    requests += 1;
    response.setHeader('Content-Length', image.length);
    response.end(image, () => {
      bytes += image.length;
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const digest = createHash('sha256').update(image).digest('hex');
  process.send({ port: server.address().port, digest, size: image.length });
  process.once('disconnect', () => process.exit());
}

const residentKiB = (key) =>
  Number(readFileSync('/proc/self/status', 'utf8').match(new RegExp(`${key}:\\s+(\\d+)`))[1]);

async function run(count, share, image) {
  const directory = mkdtempSync(path.join(process.env.SHARE_DIR ?? tmpdir(), 'iotkit-bench-'));
  const all = [];
  for (let i = 0; i < count; i += 1) {
    const url = `http://127.0.0.1:${image.port}/image?device=${i}`;
    all.push(await announce(`device${i}`, { ...image, url }));
  }
  const before = residentKiB('VmRSS');
  const cpu = process.cpuUsage();
  const targets = all.map((_, i) => path.join(directory, `${i}.bin`));
  await Promise.all(all.map(({ upgrade }, i) => upgrade.download(targets[i], { share })));
  const { user, system } = process.cpuUsage(cpu);
  const memoryKiB = residentKiB('VmHWM') - before;
  const files = new Map(targets.map((target) => statSync(target)).map((file) => [file.ino, file]));
  let onDisk = 0;
  for (const { size, blocks } of files.values()) {
    if (size !== image.size) throw new Error('a file is short');
    onDisk += blocks * 512;
  }
  await Promise.all(all.map(({ device }) => device.close()));
  rmSync(directory, { recursive: true });
  process.send({ cpu: (user + system) / 1e6, memoryKiB, files: files.size, onDisk });
  process.disconnect();
}

/** One run of `count` devices, and what the server has had to do for it. */
async function measure(count, way, image) {
  const share = JSON.stringify(ways[way]);
  const child = spawn(process.execPath, [self, 'run', count, share, JSON.stringify(image)], {
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
  });
  const [ours] = await once(child, 'message');
  await once(child, 'exit');
  const answer = await fetch(`http://127.0.0.1:${image.port}/requests`);
  return { ...ours, ...(await answer.json()) };
}

const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];

function medians(all) {
  const keys = Object.keys(all[0]);
  return Object.fromEntries(keys.map((key) => [key, median(all.map((one) => one[key]))]));
}

async function main(args) {
  const [mib = 8, runs = 3] = args.filter((arg) => arg !== '--write').map(Number);
  const server = spawn(process.execPath, [self, 'serve', mib], {
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
  });
  const [image] = await once(server, 'message');
  const load = readFileSync('/proc/loadavg', 'utf8').split(' ')[0];
  const rows = [];
  for (const count of counts) {
    const found = { linked: [], copied: [], each: [] };
    for (let turn = 0; turn < runs; turn += 1)
      for (const way of Object.keys(ways)) found[way].push(await measure(count, way, image));
    for (const way of Object.keys(ways)) {
      rows.push({ devices: count, way, ...medians(found[way]) });
      console.log(JSON.stringify(rows.at(-1)));
    }
  }
  server.disconnect();
  const directory = process.env.SHARE_DIR ?? tmpdir();
  const disk = execFileSync('stat', ['-f', '-c', '%T', directory], { encoding: 'utf8' }).trim();
  const machine = { cpu: cpus()[0]?.model, cores: cpus().length, load: Number(load), disk };
  const figures = { date: new Date().toISOString(), mib, runs, ...machine, rows };
  if (args.includes('--write')) await write(figures);
}

/** The figures, and the part of the page that shows them. */
async function write(figures) {
  const at = (name) => path.join(path.dirname(self), name);
  writeFileSync(at('share.json'), `${JSON.stringify(figures, undefined, 2)}\n`);
  const { replaceShared, sharedPlots } = require('./dist/bench/shared.js');
  const page = at('../docs/performance.md');
  writeFileSync(page, replaceShared(readFileSync(page, 'utf8'), figures));
  for (const [name, svg] of await sharedPlots(figures)) writeFileSync(at(`../docs/${name}`), svg);
}

const [role, ...rest] = process.argv.slice(2);
if (role === 'serve') await serve(Number(rest[0]));
else if (role === 'run') await run(Number(rest[0]), JSON.parse(rest[1]), JSON.parse(rest[2]));
else await main(process.argv.slice(2));
