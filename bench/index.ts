// `npm run bench`: downloads on this machine against their floor and against what users do today, run
// in turn; prints ratios of medians.
import { rmSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { cpus, loadavg, release, type } from 'node:os';
import path from 'node:path';
import { localIdentity } from 'iotkit-ota-platform';
import { Cloud } from './cloud';
import type { Figures } from './figures';
import type { Floor, FloorWork } from './floor';
import { QUIET_LOAD } from './goals';
import { type Image, makeFolder, makeImage } from './image';
import { loading } from './loading';
import type { Cost } from './measure';
import { type BenchOptions, help, parseOptions } from './options';
import { writePage } from './page';
import { alone } from './peer-alone';
import { curl } from './peer-curl';
import { canPin, clientCore, cores, pinned, serverCores } from './placement';
import { rowsOf } from './ratios';
import { cpuOnly, isHalved, moveLine, movesOf, type Reference, referenceOf } from './reference';
import { goalLine, toText } from './report';
import type { Method, Peer, Placement, Protocol, Section, Stage } from './section';
import { type ImageServer, startServer } from './server';
import { type Download, inChild } from './work';

/** What all runs share. */
interface Bench {
  readonly options: BenchOptions;
  readonly folder: string;
  readonly image: Image;
  readonly server: ImageServer;
  readonly cloud: Cloud;
  readonly ca: string;
  readonly caFile: string;
  readonly reference: Reference;
}

/** Those that run bound to cores, too. */
const PINNED: readonly Peer[] = ['alone', 'alone-fetch', 'file', 'recycled'];

const root = path.resolve(__dirname, '../../..');
const referenceFile = path.join(root, 'bench/reference.json');

const say = (text: string): boolean => process.stdout.write(`${text}\n`);

async function main(): Promise<void> {
  const options = parseOptions(process.argv.slice(2));
  if (options === undefined) {
    say(help);
    return;
  }
  const figures =
    options.from === undefined
      ? await run(options)
      : (JSON.parse(await readFile(options.from, 'utf8')) as Figures);
  if (options.write) await write(figures);
}

async function run(options: BenchOptions): Promise<Figures> {
  const folder = await makeFolder();
  // Whatever ends the process, it must not leave gigabytes in memory.
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => process.exit(130));
  return benchIn(folder, options);
}

async function benchIn(folder: string, options: BenchOptions): Promise<Figures> {
  const image = await makeImage(path.join(folder, 'image.bin'), options.size);
  const { ca, ...identity } = await localIdentity(folder, ['127.0.0.1', 'localhost']);
  const caFile = path.join(folder, 'trusted.pem');
  await writeFile(caFile, ca);
  const reference = await readReference();
  const cloud = await Cloud.start();
  const server = await startServer(folder, image.file, identity);
  try {
    const load = loadavg()[0] ?? 0;
    if (load > QUIET_LOAD)
      say(`This machine is busy (load ${load.toFixed(1)}): do not trust this.`);
    say(`Node.js ${process.version}, ${cores} × ${cpus()[0]?.model}; server: ${server.name}`);
    say(`${options.size / 2 ** 20} MiB in memory, ${options.runs} alternating runs of each peer\n`);
    const bench = { options, folder, image, server, cloud, ca, caFile, reference };
    const sections = await runAll(bench);
    const begin = await loading(options.runs);
    say(`Loading the whole package takes ${begin.packageMs.toFixed(1)} ms`);
    for (const goal of begin.goals) say(goalLine(goal));
    compare(sections, reference);
    const figures: Figures = {
      date: new Date().toISOString(),
      node: process.version,
      openssl: process.versions.openssl ?? '',
      kernel: `${type()} ${release().split('-')[0]}`,
      cpu: cpus()[0]?.model ?? '',
      cores,
      load: [load, loadavg()[0] ?? 0],
      server: server.name,
      loading: begin,
      sections,
    };
    await keep(figures, options.json);
    return figures;
  } finally {
    await server.stop();
    await cloud.close();
  }
}

async function runAll(bench: Bench): Promise<Section[]> {
  const sections: Section[] = [];
  for (const placement of bench.options.placements.filter((one) => one === 'free' || canPin)) {
    await bench.server.pin(serverCores(placement)).catch(() => {});
    for (const protocol of bench.options.protocols) {
      for (const method of bench.options.methods) {
        const section = await runTwiceIfHalved(bench, protocol, method, placement);
        sections.push(section);
        say(toText(section, rowsOf(section, cores)));
      }
    }
  }
  return sections;
}

/** What looks half as good as the reference is measured on, before it counts. */
async function runTwiceIfHalved(
  bench: Bench,
  protocol: Protocol,
  method: Method,
  placement: Placement,
): Promise<Section> {
  const section = await runSection(bench, protocol, method, placement);
  const now = referenceOf([{ section, rows: rowsOf(section, cores) }]);
  if (!movesOf(bench.reference, now).some(isHalved)) return section;
  return runSection(bench, protocol, method, placement, section);
}

/** `before`: its runs count as well. */
async function runSection(
  bench: Bench,
  protocol: Protocol,
  method: Method,
  placement: Placement,
  before?: Section,
): Promise<Section> {
  const { image, server, folder, ca, options } = bench;
  const download: Download = {
    url: protocol === 'http' ? server.httpUrl : server.httpsUrl,
    ca,
    method,
    digest: image[method],
    size: image.size,
    target: path.join(folder, 'out.bin'),
  };
  const costs: Partial<Record<Peer, Cost[]>> = copyOf(before?.costs ?? {});
  const floor: Partial<Record<Stage, Cost[]>> = copyOf(before?.floor ?? {});
  const peers = options.peers.filter((peer) => placement === 'free' || PINNED.includes(peer));
  for (let run = 0; run < options.runs; run++) {
    for (const peer of peers) {
      const cost = await withServer(server, () => runPeer(bench, peer, download, placement));
      costs[peer] = [...(costs[peer] ?? []), cost];
      await rm(download.target, { force: true });
    }
    for (const [stage, cost] of Object.entries(await runFloor(bench, download, placement))) {
      floor[stage as Stage] = [...(floor[stage as Stage] ?? []), cost];
    }
    await rm(download.target, { force: true });
  }
  return { protocol, method, placement, size: image.size, costs, floor };
}

const copyOf = <Key extends string>(
  costs: Readonly<Partial<Record<Key, readonly Cost[]>>>,
): Partial<Record<Key, Cost[]>> => structuredClone(costs) as Partial<Record<Key, Cost[]>>;

async function withServer(server: ImageServer, work: () => Promise<Cost>): Promise<Cost> {
  const before = server.cpuSeconds();
  const cost = await work();
  const after = server.cpuSeconds();
  if (before === undefined || after === undefined) return cost;
  return { ...cost, serverCpuSeconds: after - before };
}

function runFloor(bench: Bench, download: Download, placement: Placement): Promise<Floor> {
  const work: FloorWork = {
    method: download.method,
    tls: download.url.startsWith('https:'),
    size: download.size,
    url: bench.server.httpUrl,
    target: download.target,
  };
  return inChild<Floor>(scriptOf('floor'), work, clientCore(placement));
}

const scriptOf = (name: string): string => path.join(__dirname, `${name}.js`);

async function runPeer(
  bench: Bench,
  peer: Peer,
  download: Download,
  placement: Placement,
): Promise<Cost> {
  const core = clientCore(placement);
  switch (peer) {
    case 'node':
    case 'undici':
      return inChild(scriptOf(`peer-${peer}`), download, core);
    case 'curl':
      return curl(download, bench.caFile, pinned(placement));
    case 'alone':
    case 'alone-fetch':
      return alone(download, bench.caFile, peer === 'alone', pinned(placement));
    default:
      return inChild(scriptOf('peer-ours'), await bench.cloud.announce(download, peer), core);
  }
}

/** Says what has moved since the reference; exit code 1 where something is halved. */
function compare(sections: readonly Section[], reference: Reference): void {
  if (Object.keys(reference).length === 0) return;
  const now = referenceOf(sections.map((section) => ({ section, rows: rowsOf(section, cores) })));
  const moves = movesOf(reference, now);
  say(`\nSince bench/reference.json: ${moves.length === 0 ? 'nothing has moved' : ''}`);
  for (const move of moves) say(moveLine(move));
  if (moves.some(isHalved)) process.exitCode = 1;
}

async function readReference(): Promise<Reference> {
  const text = await readFile(referenceFile, 'utf8').catch(() => undefined);
  return text === undefined ? {} : (JSON.parse(text) as { ratios: Reference }).ratios;
}

async function keep(figures: Figures, file = path.join(root, '.cache/bench/figures.json')) {
  await mkdir(path.dirname(file), { recursive: true });
  await writeFile(file, `${JSON.stringify(figures, undefined, 2)}\n`);
}

async function write(figures: Figures): Promise<void> {
  const { sections, cpu, date } = figures;
  const ratios = referenceOf(
    sections.map((section) => ({ section, rows: rowsOf(section, figures.cores) })),
  );
  const busy = figures.load[0] > QUIET_LOAD;
  const kept = {
    date: date.slice(0, 10),
    cpu,
    cores: figures.cores,
    ratios: busy ? cpuOnly(ratios) : ratios,
  };
  await writeFile(referenceFile, `${JSON.stringify(kept, undefined, 2)}\n`);
  const file = (name: string): string => path.join(root, 'bench', `${name}.json`);
  const written = { notes: file('notes'), devices: file('devices'), shared: file('share') };
  await writePage(figures, path.join(root, 'docs'), written);
  say('docs/performance.md, its plots and bench/reference.json are written');
}

// A reader that goes away (| head) wants nothing any more.
process.stdout.on('error', () => process.exit(1));

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
