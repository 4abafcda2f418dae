// `npm run torture:boot`: a machine in qemu updates itself from the platform outside, and its power is cut, each time
// at another step or write; its disk loses any part of what it had not flushed. It must always start again, always be
// on a version that is whole, and end as if nothing had happened: updated, or rolled back with the reason.
//
//   node scripts/torture-boot.mjs [--loader grub|u-boot|systemd-boot] [--cuts 12] [--seed S] [--only TEXT]
//     [--jobs J] [--verbose]
//
// --cuts: so many that chance picks, besides those that have a name; --only: those whose name contains it. U-Boot needs
// Debian's u-boot-qemu, u-boot-tools and libubootenv-tool, systemd-boot ovmf, systemd-boot-efi, dosfstools and mtools.
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { loadTypeScript } from './lib/load-typescript.mjs';
import { StepError } from './lib/run.mjs';
import { command, prepare } from './prepare.mjs';
import { namedCuts, randomCut } from './torture/cuts.mjs';

const loaders = ['grub', 'u-boot', 'systemd-boot'];

await command(async () => {
  const { values } = parseArgs({
    options: {
      loader: { type: 'string', default: 'grub' },
      cuts: { type: 'string', default: '12' },
      seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
      only: { type: 'string', default: '' },
      jobs: { type: 'string', default: String(availableParallelism()) },
      verbose: { type: 'boolean', default: false },
    },
  });
  const { loader } = values;
  if (!loaders.includes(loader)) throw new StepError(`${loader} is none of ${loaders.join(', ')}`);
  const [cuts, seed, jobs] = [values.cuts, values.seed, values.jobs].map(whole);
  await prepare();
  const random = randomOf(seed);
  const all = [
    ...namedCuts(loader),
    ...Array.from({ length: cuts }, (_, i) => randomCut(i + 1, random)),
  ].filter(({ name }) => name.includes(values.only));
  console.log(`${all.length} updates by ${loader}, seed ${seed}`);
  const failed = await withCommon(loader, (common) =>
    runAll(common, { cuts: all, seed, jobs, verbose: values.verbose }),
  );
  if (failed.length === 0) return;
  console.log(`${failed.length} FAILED of seed ${seed}: ${failed.join('; ')}`);
  process.exitCode = 1;
});

function whole(text) {
  if (/^\d{1,10}$/.test(text)) return Number(text);
  throw new StepError(`${text} is not a whole number`);
}

/** Numbers from 0 to 1 that a seed repeats (mulberry32). */
function randomOf(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Opens what all have in common, and closes it. */
async function withCommon(loader, use) {
  const { Platform, localIdentity } = await import('iotkit-ota-platform');
  const { Bench, HOST } = loadTypeScript('test/support/boot/bench.ts');
  const { BootImages } = loadTypeScript('test/support/boot/image.ts');
  const images = await BootImages.make('small', loader);
  const directory = await mkdtemp(path.join(tmpdir(), 'iotkit-ota-boot-'));
  let platform;
  try {
    const tls = await localIdentity(directory, [HOST, '127.0.0.1', 'localhost']);
    platform = await Platform.start({ tls, publicHost: HOST });
    return await use({ Bench, images, platform });
  } finally {
    await platform?.close();
    await rm(directory, { recursive: true, force: true });
  }
}

/** Resolves with the names of those that failed. */
async function runAll(common, { cuts, seed, jobs, verbose }) {
  const failed = [];
  const waiting = cuts.map((cut, number) => ({ cut, number }));
  const work = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const { cut, number } = next;
      const started = performance.now();
      const random = randomOf(seed + number);
      const outcome = await runOne(common, cut, { number, random, verbose }).catch((error) => {
        failed.push(cut.name);
        return `FAILED: ${error.stack}`;
      });
      const seconds = ((performance.now() - started) / 1000).toFixed(0);
      console.log(`${cut.name}: ${outcome}, ${seconds} s`);
    }
  };
  await Promise.all(Array.from({ length: jobs }, work));
  return failed;
}

async function runOne({ Bench, images, platform }, cut, { number, random, verbose }) {
  const health = cut.system.health === 'sick' ? { withinMs: 5000 } : {};
  const hasWatchdog = cut.system.health === 'frozen';
  const name = `pump-${number}`;
  const bench = await Bench.open(platform, images, name, { random, health, hasWatchdog });
  try {
    if (verbose) bench.machine.onEveryLine = (line) => console.log(`  [${number}] ${line}`);
    const id = await bench.announce(cut.system);
    bench.machine.powerOn();
    let isPlanned = true;
    if (cut.where !== undefined) {
      isPlanned = await bench.powerCut(cut.where, id);
      bench.machine.powerOn();
    }
    const task = await bench.outcome(id);
    // What the platform believes must outlast another cut at this very moment.
    bench.machine.cut();
    bench.expectEnd(cut.system, task);
    const when = isPlanned ? '' : 'cut only when it had ended: ';
    return `${when}${task.state}${task.desc ? ` (${task.desc})` : ''}`;
  } finally {
    await bench[Symbol.asyncDispose]();
  }
}
