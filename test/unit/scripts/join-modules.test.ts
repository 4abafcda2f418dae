import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { runWell } from '../../support/process';

const root = path.resolve(__dirname, '..', '..', '..');
const script = pathToFileURL(path.join(root, 'scripts/build/join-modules.mjs')).href;
const folder = mkdtempSync(path.join(tmpdir(), 'iotkit-join-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function write(name: string, text: string): void {
  const file = path.join(folder, name);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, text);
}

const node = (...args: string[]): Promise<string> =>
  runWell(process.execPath, args, { cwd: folder });

const head = '"use strict";\nObject.defineProperty(exports, "__esModule", { value: true });\n';

/** What tsc makes of a small package, joined into dist/. */
beforeAll(async () => {
  write(
    'from/base/state.js',
    `${head}exports.state = void 0;\nexports.state = { of: __dirname };\n`,
  );
  write(
    'from/index.js',
    `${head}exports.a = exports.b = void 0;
const state_1 = require("./base/state");
Object.defineProperty(exports, "state", { enumerable: true, get: function () { return state_1.state; } });
exports.a = require("./loop").before;
exports.b = () => require('./late');
exports.outside = require("../beside.js").value;
exports.load = (function load() { return 'a name of our own'; })();
const used_1 = require("./used/index");
exports.make = () => [new used_1.Made(2).of, (0, used_1.twice)(4)];
`,
  );
  write(
    'from/used/index.js',
    `${head}globalThis.isUsed = true;
const state_1 = require("../base/state");
class Made { constructor(of) { this.of = [of, state_1.state.of]; } }
exports.Made = Made;
exports.twice = (n) => 2 * n;
`,
  );
  write(
    'from/late.js',
    `${head}if (!globalThis.ready) throw new Error('late');\nexports.late = 1;\n`,
  );
  write(
    'from/loop.js',
    `${head}exports.before = 1;\nexports.seen = require("./loop-back").seen;\n`,
  );
  write('from/loop-back.js', `${head}exports.seen = require("./loop").before;\n`);
  write(
    'from/more/index.js',
    `${head}exports.other = void 0;\n__exportStar(require("../base/state"), exports);
function __exportStar(m, exports) { for (var p in m) if (p !== "default" && !exports[p]) exports[p] = m[p]; }
exports.other = 2;\n`,
  );
  write(
    'from/cli/index.js',
    `#!/usr/bin/env node\n${head}const { state } = require("../base/state");
console.log('runs', state === require("../../dist/index.js").state);\n`,
  );
  write('beside.js', 'exports.value = 3;\n');
  write('dist/old.js', '');
  write('dist/old.js.map', '');
  write('dist/index.d.ts', '');
  const entries = ['index', 'more/index', 'cli/index'];
  await node(
    '--input-type=module',
    '-e',
    `import { joinModules } from ${JSON.stringify(script)};
     joinModules({ from: 'from', to: 'dist', entries: ${JSON.stringify(entries)}, later: ['used/index'] });`,
  );
});

test('an entry exports what its module exports, by require and by import', async () => {
  const program =
    'const it = require("./dist/index.js"); console.log(Object.keys(it).sort().join())';
  expect(await node('-e', program)).toBe('a,b,load,make,outside,state\n');
  write(
    'by-import.mjs',
    `import { a, b, state, outside, load } from './dist/index.js';
     import { state as same, other } from './dist/more/index.js';
     console.log(a, outside, load, typeof b, state === same, other);`,
  );
  expect(await node('by-import.mjs')).toBe('1 3 a name of our own function true 2\n');
});

test('__dirname is that of the module, as if it lay in dist/ by itself', async () => {
  const program = 'console.log(require("./dist/index.js").state.of)';
  expect(await node('-e', program)).toBe(`${path.join(folder, 'dist', 'base')}\n`);
});

test('a module is loaded when it is required, and again if it has failed', async () => {
  const program = `const { b } = require('./dist/index.js');
    try { b() } catch ({ message, stack }) { console.log(message, /at .*late/.test(stack)) }
    globalThis.ready = true;
    console.log(b().late, b() === b());`;
  expect(await node('-e', program)).toBe('late true\n1 true\n');
});

test('what is for later is read and runs when it is first used', async () => {
  const program = `const { make } = require('./dist/index.js');
    const isRead = () => Object.keys(require.cache).some((file) => /later/.test(file));
    console.log(isRead(), globalThis.isUsed);
    console.log(isRead(), JSON.stringify(make()), isRead(), globalThis.isUsed);`;
  const base = path.join(folder, 'dist', 'base');
  expect(await node('-e', program)).toBe(`false undefined\nfalse [[2,"${base}"],8] true true\n`);
});

test('a program keeps its first line, and what lies outside is found', async () => {
  expect(await node('dist/cli/index.js')).toBe('runs true\n');
});

test('of an earlier build nothing is left but declarations', () => {
  const left = ['old.js', 'old.js.map', 'index.d.ts'].filter((name) =>
    existsSync(path.join(folder, 'dist', name)),
  );
  expect(left).toEqual(['index.d.ts']);
});

test('to require the package reads nothing that is for later', async () => {
  const program = `const { connect } = require('iotkit-ota');
    console.log(typeof connect, Object.keys(require.cache).filter((file) => /later|more/.test(file)));`;
  expect(await runWell(process.execPath, ['-e', program], { cwd: root })).toBe('function []\n');
  const byImport = `import { createRequire } from 'node:module';
    import { connect } from 'iotkit-ota';
    const files = Object.keys(createRequire(import.meta.url).cache);
    console.log(typeof connect, files.filter((file) => /later|more/.test(file)));`;
  const args = ['--input-type=module', '-e', byImport];
  expect(await runWell(process.execPath, args, { cwd: root })).toBe('function []\n');
});

test('the entries of the package give the same names to require and to import', async () => {
  for (const name of ['iotkit-ota', 'iotkit-ota/install', 'iotkit-ota/sdk', 'iotkit-ota/testing']) {
    const program = `import * as imported from '${name}';
      import { createRequire } from 'node:module';
      const required = Object.keys(createRequire(process.cwd() + '/x.js')('${name}')).sort();
      const names = Object.keys(imported).filter((it) => !/^(default|module.exports)$/.test(it));
      console.log(JSON.stringify(required) === JSON.stringify(names.sort()));`;
    const args = ['--input-type=module', '-e', program];
    expect(await runWell(process.execPath, args, { cwd: root })).toBe('true\n');
  }
});
