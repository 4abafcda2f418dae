// `npm run bench`: downloads on this machine, ours against what users do today, run in turn;
// prints ratios of medians.
import { rmSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { cpus, loadavg } from 'node:os';
import path from 'node:path';
import { localIdentity } from 'iotkit-ota-platform';
import { Cloud } from './cloud';
import { type Image, makeFolder, makeImage } from './image';
import { type Loading, loading } from './loading';
import type { Cost } from './measure';
import { type BenchOptions, help, parseOptions } from './options';
import { curl } from './peer-curl';
import {
  goalLine,
  goalsOf,
  type Method,
  type Peer,
  type Protocol,
  rowsOf,
  type Section,
  toText,
} from './report';
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
}

/** Processes that run or want to, on average; above this the peers do not meet the same machine. */
const QUIET_LOAD = 1;

const say = (text: string): boolean => process.stdout.write(`${text}\n`);

async function main(): Promise<void> {
  const options = parseOptions(process.argv.slice(2));
  if (options === undefined) {
    say(help);
    return;
  }
  const folder = await makeFolder();
  // Whatever ends the process, it must not leave gigabytes in memory.
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => process.exit(130));
  await benchIn(folder, options);
}

async function benchIn(folder: string, options: BenchOptions): Promise<void> {
  const image = await makeImage(path.join(folder, 'image.bin'), options.size);
  const { ca, ...identity } = await localIdentity(folder, ['127.0.0.1', 'localhost']);
  const caFile = path.join(folder, 'trusted.pem');
  await writeFile(caFile, ca);
  const cloud = await Cloud.start();
  const server = await startServer(folder, image.file, identity);
  try {
    const load = loadavg()[0] ?? 0;
    if (load > QUIET_LOAD)
      say(`This machine is busy (load ${load.toFixed(1)}): do not trust this.`);
    say(
      `Node.js ${process.version}, ${cpus().length} × ${cpus()[0]?.model}; server: ${server.name}`,
    );
    say(`${options.size / 2 ** 20} MiB in memory, ${options.runs} alternating runs of each peer\n`);
    const sections = await runAll({ options, folder, image, server, cloud, ca, caFile });
    const begin = await loading(options.runs);
    say(`Loading the whole package takes ${begin.packageMs.toFixed(1)} ms`);
    for (const goal of begin.goals) say(goalLine(goal));
    if (options.json !== undefined) {
      await writeJson(options.json, { load, server: server.name, loading: begin }, sections);
    }
  } finally {
    await server.stop();
    await cloud.close();
  }
}

async function runAll(bench: Bench): Promise<Section[]> {
  const sections: Section[] = [];
  for (const protocol of bench.options.protocols) {
    for (const method of bench.options.methods) {
      const section = await runSection(bench, protocol, method);
      sections.push(section);
      say(toText(section));
    }
  }
  return sections;
}

async function runSection(bench: Bench, protocol: Protocol, method: Method): Promise<Section> {
  const { image, server, folder, ca, options } = bench;
  const download: Download = {
    url: protocol === 'http' ? server.httpUrl : server.httpsUrl,
    ca,
    method,
    digest: image[method],
    size: image.size,
    target: path.join(folder, 'out.bin'),
  };
  const costs: Partial<Record<Peer, Cost[]>> = {};
  for (let run = 0; run < options.runs; run++) {
    for (const peer of options.peers) {
      const cost = await runPeer(bench, peer, download);
      if (cost !== undefined) costs[peer] = [...(costs[peer] ?? []), cost];
      await rm(download.target, { force: true });
    }
  }
  return { protocol, method, size: image.size, costs };
}

async function runPeer(bench: Bench, peer: Peer, download: Download): Promise<Cost | undefined> {
  const script = (name: string): string => path.join(__dirname, name);
  switch (peer) {
    case 'node':
      return inChild(script('peer-node.js'), download);
    case 'curl':
      return curl(download, bench.caFile);
    default:
      return inChild(script('peer-ours.js'), await bench.cloud.announce(download, peer));
  }
}

async function writeJson(
  file: string,
  facts: { readonly load: number; readonly server: string; readonly loading: Loading },
  sections: readonly Section[],
): Promise<void> {
  const figures = {
    date: new Date().toISOString(),
    node: process.version,
    cpu: cpus()[0]?.model,
    cpus: cpus().length,
    ...facts,
    sections: sections.map((section) => ({
      ...section,
      rows: rowsOf(section),
      goals: goalsOf(section),
    })),
  };
  await writeFile(file, `${JSON.stringify(figures, undefined, 2)}\n`);
}

// A reader that goes away (| head) wants nothing any more.
process.stdout.on('error', () => process.exit(1));

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
