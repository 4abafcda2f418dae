import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';

const exec = promisify(execFile);
const root = path.join(__dirname, '../../..');
const driverFolder = path.join(__dirname, '../driver');
const cache = path.join(root, '.cache/parity');
const compiler = process.env.CC ?? 'cc';
// As the addon: OpenSSL is found at run time, so nothing but libc has to be there.
const flags = ['-std=gnu11', '-O1', '-D_GNU_SOURCE', '-D_FILE_OFFSET_BITS=64', '-Wall', '-Werror'];
const libraries = ['-lpthread', '-ldl'];
const PARALLEL = 2;

let driver: Promise<string> | undefined;

/**
 * The program that runs IOT_* calls, with the C library in it; built once for each content of their
 * sources.
 */
export function buildDriver(): Promise<string> {
  driver ??= build('driver', [
    ...['driver.c', 'calls_mqtt.c', 'calls_ota.c'].map((name) => path.join(driverFolder, name)),
    ...librarySources(),
  ]);
  return driver;
}

/**
 * A program that prints the published constants `names`; one that the headers lack is an error of
 * the compiler.
 */
export function buildConstants(names: readonly string[]): Promise<string> {
  const lines = names.map((name) => `CONSTANT(${name})`).join(' ');
  return build('constants', [path.join(driverFolder, 'constants.c')], [`-DCONSTANTS=${lines}`]);
}

/** Builds any program over the C library. */
export function buildProgram(name: string, source: string): Promise<string> {
  return build(name, [source, ...librarySources()]);
}

type Groups = { readonly [name: string]: readonly string[] | Groups };

function librarySources(): string[] {
  const all = JSON.parse(readFileSync(path.join(root, 'sources.json'), 'utf8')) as Groups;
  const flatten = (groups: Groups | readonly string[]): string[] =>
    Array.isArray(groups) ? [...groups] : Object.values(groups).flatMap(flatten);
  return flatten(all.iotkit as Groups).map((file) => path.join(root, file));
}

async function build(name: string, sources: string[], more: string[] = []): Promise<string> {
  const program = path.join(cache, `${name}-${hashOf(sources, more)}`);
  if (existsSync(program)) return program;
  const work = path.join(cache, `${name}-${process.pid}`);
  mkdirSync(work, { recursive: true });
  try {
    const objects = await compileAll(sources, work, more);
    const made = path.join(work, name);
    await exec(compiler, ['-o', made, ...objects, ...libraries]);
    for (const old of readdirSync(cache)) {
      // Of former sources; a folder is another process's work.
      const former =
        /^(.+)-[0-9a-f]{16}$/.exec(old)?.[1] === name && old !== path.basename(program);
      if (former) rmSync(path.join(cache, old), { force: true });
    }
    renameSync(made, program);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return program;
}

async function compileAll(sources: string[], work: string, more: string[]): Promise<string[]> {
  const include = ['deps/iotkit/include', 'deps/iotkit/src'].map(
    (folder) => `-I${path.join(root, folder)}`,
  );
  const queue = sources.map((source, i) => ({ source, object: path.join(work, `${i}.o`) }));
  const objects = queue.map(({ object }) => object);
  const worker = async () => {
    for (let next = queue.shift(); next; next = queue.shift()) {
      await exec(compiler, [...flags, ...more, ...include, '-c', next.source, '-o', next.object]);
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, worker));
  return objects;
}

/** Of the sources, and of every header that they might include. */
function hashOf(sources: readonly string[], more: readonly string[]): string {
  const headers = ['deps/iotkit/include', 'deps/iotkit/src', 'test/parity/driver'].flatMap(
    (folder) =>
      readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' })
        .filter((file) => file.endsWith('.h'))
        .map((file) => path.join(root, folder, file)),
  );
  const hash = createHash('sha256').update([compiler, ...flags, ...more].join('\0'));
  for (const file of [...sources, ...headers].sort()) {
    hash.update(path.relative(root, file)).update(readFileSync(file));
  }
  return hash.digest('hex').slice(0, 16);
}
