// The layer rule: who may include or import whom. See ARCHITECTURE.md, "Layers".
import path from 'node:path';
import { findCycle, lineOf, read, report, repositoryFiles, withoutComments } from './lib/tree.mjs';

const problems = [];
const complain = (file, text, index, message) =>
  problems.push(`${file}:${lineOf(text, index)}: ${message}`);

// --- C and C++ ---

const SRC = 'deps/iotkit/src';
const INCLUDE = 'deps/iotkit/include';

// What each layer of the SDK sees besides itself and the public headers. `port` is the contract, src/port/*.h.
const allowed = {
  base: [],
  mqtt: ['base'],
  http: ['base'],
  ota: ['base', 'mqtt', 'http', 'port'],
  net: ['base', 'http', 'port'], // http for the answer of a proxy
  api: ['base', 'mqtt', 'http', 'ota', 'net', 'port'],
  port: ['base'],
  'port/posix': ['base', 'port'],
  'port/openssl': ['base', 'port', 'port/soft'], // where no OpenSSL is found
  'port/soft': ['base', 'port'],
};
// Of libc, what has no operating system in it: no I/O, no clock, no threads.
const pureHeaders = new Set(
  'assert ctype errno float inttypes limits math stdalign stdarg stdatomic stdbool stddef stdint stdio stdlib string'
    .split(' ')
    .map((name) => `${name}.h`),
);

const cFiles = repositoryFiles(/^(deps\/iotkit\/(src|include)|native)\/.*\.(c|cc|h)$/);
const known = new Set(cFiles);
const includes = new Map(cFiles.map((file) => [file, readIncludes(file)]));
for (const [file, list] of includes) for (const include of list) checkInclude(file, include);
complainOfCycle(
  new Map([...includes].map(([file, list]) => [file, list.flatMap(({ target }) => target ?? [])])),
);

function readIncludes(file) {
  const text = withoutComments(read(file));
  return [...text.matchAll(/^[ \t]*#[ \t]*include[ \t]*(?:"([^"]+)"|<([^>]+)>)/gm)].map((match) => {
    const name = match[1] ?? match[2];
    const places = match[1] ? [path.posix.dirname(file)] : [];
    if (file.startsWith(SRC)) places.push(SRC);
    const target = [...places, INCLUDE]
      .map((folder) => path.posix.join(folder, name))
      .find((it) => known.has(it));
    return { name, target, text, index: match.index };
  });
}

// base, mqtt … ; 'port' for the contract and 'port/posix' … for what implements it; 'public', 'native'.
function layerOf(file) {
  if (file.startsWith(`${INCLUDE}/`)) return 'public';
  if (!file.startsWith(`${SRC}/`)) return 'native';
  const [layer, ...rest] = path.posix.relative(SRC, file).split('/');
  return layer === 'port' && rest.length > 1 ? `port/${rest[0]}` : layer;
}

function checkInclude(file, { name, target, text, index }) {
  const from = layerOf(file);
  if (!target) {
    if (!mayIncludeSystem(from, name))
      complain(file, text, index, `${from} must not include <${name}>`);
    return;
  }
  const to = layerOf(target);
  if (to === 'public' || to === from) return;
  if (!allowed[from]?.includes(to))
    complain(file, text, index, `${from} must not include ${to} (${target})`);
}

function mayIncludeSystem(from, name) {
  if (from.startsWith('port/')) return true;
  if (from !== 'native') return pureHeaders.has(name);
  return name === 'napi.h' || pureHeaders.has(name) || /^[a-z_]+$/.test(name);
}

// --- TypeScript ---

const tsFiles = repositoryFiles(/^(lib|platform\/src)\/.*\.ts$/);
const loaders = new Set(['node-gyp-build', 'bindings']);
const imports = new Map(tsFiles.map((file) => [file, readImports(file)]));
for (const [file, list] of imports) for (const it of list) checkImport(file, it);
complainOfCycle(
  new Map([...imports].map(([file, list]) => [file, list.flatMap(({ target }) => target ?? [])])),
);
checkIndex('lib/index.ts');

function readImports(file) {
  const text = withoutComments(read(file));
  const pattern = /(?:\bfrom\s*|\bimport\s*\(?\s*|\brequire\s*\(\s*)['"]([^'"\n]+)['"]/g;
  return [...text.matchAll(pattern)].map((match) => {
    const name = match[1];
    const base = path.posix.join(path.posix.dirname(file), name.replace(/\.js$/, ''));
    const target = name.startsWith('.')
      ? [`${base}.ts`, `${base}/index.ts`, base].find((it) => tsFiles.includes(it))
      : undefined;
    return { name, target, text, index: match.index };
  });
}

function checkImport(file, { name, target, text, index }) {
  const house = file.startsWith('lib/') ? 'lib' : 'platform';
  if (loaders.has(name) || name.endsWith('.node')) {
    if (file !== 'lib/native.ts') complain(file, text, index, 'only lib/native.ts loads the addon');
  }
  if (target === 'lib/index.ts')
    complain(file, text, index, 'nothing inside lib/ imports lib/index.ts');
  if (house === 'lib' && /^iotkit-ota(-platform)?($|\/)/.test(name))
    complain(file, text, index, `lib must not import ${name}`);
  if (house === 'platform' && /^iotkit-ota($|\/)/.test(name))
    complain(file, text, index, `platform must not import ${name}`);
  if (
    name.startsWith('.') &&
    !path.posix
      .join(path.posix.dirname(file), name)
      .startsWith(house === 'lib' ? 'lib/' : 'platform/')
  ) {
    complain(file, text, index, `${house} must not reach outside its folder (${name})`);
  }
}

// lib/index.ts only re-exports.
function checkIndex(file) {
  if (!tsFiles.includes(file)) return;
  const rest = withoutComments(read(file)).replaceAll(
    /export\s+(?:type\s+)?(?:\*(?:\s+as\s+\w+)?|\{[^}]*\})\s+from\s+['"][^'"]+['"]\s*;/g,
    '',
  );
  if (rest.trim() !== '')
    problems.push(`${file}: only re-exports, found: ${rest.trim().split('\n')[0]}`);
}

function complainOfCycle(graph) {
  const cycle = findCycle(graph);
  if (cycle) problems.push(`cycle: ${cycle.join(' → ')}`);
}

report('layers', problems, cFiles.length + tsFiles.length);
