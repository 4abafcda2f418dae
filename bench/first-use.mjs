// From a notice to a verified image of 100 KiB over HTTPS, in a program that has fetched nothing before; beside it
// what curl takes to connect, ask and receive from the same server. `node bench/first-use.mjs [runs]`, after
// `npm run build:all` and `npm run bench -- --help`, which compiles what starts nginx. Each run is a process of its
// own, in turn. `again`: a second notice to the same program, for another device, at once; `file`: a third, whose image
// is kept and flushed, which curl does not do. Milliseconds; CPU of the whole program, opening the device included.
import { execFileSync, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { loadavg, tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { announce } from './announced.mjs';
import { issue } from './certificate.mjs';

const require = createRequire(import.meta.url);
const self = fileURLToPath(import.meta.url);
const SIZE = 100 * 1024;

/** One program: its first image, and more. */
async function run({ ca, directory, ...image }) {
  const fetch = { ca: readFileSync(ca, 'utf8') };
  const found = {};
  for (const [name, fetchInto] of Object.entries({ first: nothing, again: nothing, file })) {
    const before = process.cpuUsage();
    const { device, upgrade, since } = await announce(name, image, fetch);
    await fetchInto(upgrade, directory);
    found[name] = performance.now() - since;
    const { user, system } = process.cpuUsage(before);
    found[`${name}Cpu`] = (user + system) / 1e3;
    await device.close();
  }
  process.send(found);
  process.disconnect();
}

/** Ends when the image is verified. */
async function nothing(upgrade) {
  for await (const chunk of upgrade) if (chunk.length === 0) throw new Error('an empty chunk');
}

/** Ends when the image is verified, on the disk and under its name. */
async function file(upgrade, directory) {
  await upgrade.download(path.join(directory, 'ours.bin'));
}

async function ours(image) {
  const child = spawn(process.execPath, [self, 'run', JSON.stringify(image)], {
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
  });
  const [found] = await once(child, 'message');
  await once(child, 'exit');
  return found;
}

/** From the first thing it does for the URL to the last byte, as it says itself. */
function curl({ url, ca, directory }) {
  const out = path.join(directory, 'curl.bin');
  const asked = ['-sS', '--cacert', ca, '-o', out, '-w', '%{time_total}', url];
  return { curl: 1e3 * Number(execFileSync('curl', asked, { encoding: 'utf8' })) };
}

const sorted = (values) => values.toSorted((a, b) => a - b);

async function main(runs) {
  const { startNginx } = require('./dist/test/support/nginx.js');
  const directory = mkdtempSync(path.join(tmpdir(), 'iotkit-bench-'));
  const certificate = issue(directory);
  const bytes = randomBytes(SIZE);
  writeFileSync(path.join(directory, 'image.bin'), bytes);
  const nginx = await startNginx({
    directory: path.join(directory, 'nginx'),
    root: directory,
    key: readFileSync(certificate.key, 'utf8'),
    cert: readFileSync(certificate.file, 'utf8'),
  });
  const digest = createHash('sha256').update(bytes).digest('hex');
  const url = `${nginx.httpsUrl}/image.bin`;
  const image = { url, digest, size: SIZE, ca: certificate.file, directory };
  const all = [];
  try {
    for (let turn = 0; turn < runs; turn += 1) all.push({ ...(await ours(image)), ...curl(image) });
  } finally {
    await nginx.stop();
    rmSync(directory, { recursive: true });
  }
  console.log(`load ${loadavg()[0].toFixed(1)}, ${runs} runs in turn`);
  for (const name of Object.keys(all[0])) {
    const values = sorted(all.map((one) => one[name]));
    const median = values[runs >> 1].toFixed(2);
    console.log(`${name.padEnd(10)} median ${median}   least ${values[0].toFixed(2)}`);
  }
}

if (process.argv[2] === 'run') await run(JSON.parse(process.argv[3]));
else await main(Number(process.argv[2] ?? 15));
