// `npm run check:pack`: packs the package as it would be published, with the addons of every machine, installs it
// into an empty folder as a user would, and loads it: by require and by import, with the prebuilt addon and no compiler
// on the PATH, then compiled by `iotkit-ota build` from the packed sources; and once as a dependency by a git address.
// What is packed has to be the golden list; `npm run check:pack -- --write` takes what is packed as that list.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { checkContents, writeList } from './check/pack/contents.mjs';
import { lintPackage } from './check/pack/lint.mjs';
import { at, root } from './lib/paths.mjs';
import { npmCommand, run, StepError } from './lib/run.mjs';
import { pathOf, targets } from './prebuild/targets.mjs';
import { command, prepare } from './prepare.mjs';

const MAX_TARBALL_BYTES = 2_540_000;
const work = fs.mkdtempSync(path.join(os.tmpdir(), 'iotkit-pack-'));

async function main() {
  try {
    await prepare(['install', 'generate', 'ts']);
    if (process.argv.includes('--write')) return writeList(filesOf(npmPack(['--dry-run'])));
    await run(process.execPath, [at('scripts/prebuild.mjs')]);
    await run(process.execPath, [at('scripts/prepack.mjs')]);
    const tarball = await pack();
    await lintPackage(tarball);
    await checkPrebuilt(tarball);
    await checkFromSource(tarball);
    await checkFromGit();
  } finally {
    fs.rmSync(work, { recursive: true, force: true });
  }
}

async function npm(args, options) {
  const [program, ...first] = npmCommand();
  return run(program, [...first, ...args], { quiet: true, ...options });
}

function npmPack(options) {
  const [program, ...first] = npmCommand();
  const args = [...first, 'pack', '--json', '--ignore-scripts', ...options];
  const output = { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] };
  return JSON.parse(execFileSync(program, args, output))[0];
}

const filesOf = (packed) => packed.files.map((file) => file.path);

async function pack() {
  const packed = npmPack(['--pack-destination', work]);
  const files = filesOf(packed);
  checkContents(files);
  const wanted = [
    'dist/index.js',
    'dist/index.d.ts',
    'dist/cli/index.js',
    'addon.js',
    'sources.json',
    'native/flags.json',
    'README.md',
    'LICENSE',
  ];
  const listed = JSON.stringify(JSON.parse(fs.readFileSync(at('sources.json'), 'utf8'))).match(
    /[^"]+\.cc?(?=")/g,
  );
  const missing = [...wanted, ...listed].filter((file) => !files.includes(file));
  if (missing.length > 0) throw new StepError(`not in the tarball: ${missing.join(', ')}`);
  const surplus = files.filter((file) =>
    /(^|\/)(test|fuzz|corpus|node_modules|build|\.cache)\//.test(file),
  );
  if (surplus.length > 0)
    throw new StepError(`should not be in the tarball: ${surplus.join(', ')}`);
  // Package managers that see it at the root compile the package, whatever its manifest says.
  if (files.includes('binding.gyp')) throw new StepError('binding.gyp must not be in the tarball');
  const missingAddons = Object.values(targets)
    .map(pathOf)
    .filter((file) => !files.includes(file));
  if (missingAddons.length > 0)
    throw new StepError(`not in the tarball: ${missingAddons.join(', ')}`);
  if (packed.size > MAX_TARBALL_BYTES)
    throw new StepError(`the tarball has ${packed.size} bytes, at most ${MAX_TARBALL_BYTES}`);
  console.log(`${packed.filename}: ${files.length} files, ${Math.ceil(packed.size / 1024)} KiB`);
  return path.join(work, packed.filename);
}

async function checkPrebuilt(tarball) {
  const folder = await install('prebuilt', tarball, []);
  const env = { ...process.env, PATH: emptyPath() };
  await load(folder, env);
  if (fs.existsSync(path.join(folder, 'node_modules/iotkit-ota/build'))) {
    throw new StepError('the installation compiled the addon although a prebuilt one fits');
  }
  console.log('prebuilt: loads by require and by import, without a compiler');
}

async function checkFromSource(tarball) {
  const folder = await install('source', tarball, ['--ignore-scripts']);
  const installed = path.join(folder, 'node_modules/iotkit-ota');
  fs.rmSync(path.join(installed, 'prebuilds'), { recursive: true });
  // Compilers and nothing else: no make, no python, no node-gyp.
  const env = { ...process.env, PATH: onlyCompilers() };
  await run(process.execPath, [path.join(installed, 'dist/cli/index.js'), 'build'], {
    quiet: true,
    cwd: folder,
    env,
  });
  await load(folder, env);
  console.log('from source: compiles with the compilers alone, and loads');
}

function onlyCompilers() {
  const folder = path.join(work, 'compilers');
  fs.mkdirSync(folder);
  for (const name of ['cc', 'c++', 'as', 'ld']) {
    const found = process.env.PATH.split(path.delimiter)
      .map((place) => path.join(place, name))
      .find((file) => fs.existsSync(file));
    if (found) fs.symlinkSync(fs.realpathSync(found), path.join(folder, name));
  }
  return folder;
}

// What is committed, as a program has it that depends on a git address: npm clones it, prepares it, packs it.
async function checkFromGit() {
  const folder = await install('git', `git+file://${root}`, []);
  await load(folder, { ...process.env, PATH: emptyPath() });
  console.log('by a git address: compiles while it is installed, and loads');
}

async function install(name, tarball, args) {
  const folder = path.join(work, name);
  fs.mkdirSync(folder);
  fs.writeFileSync(path.join(folder, 'package.json'), '{ "name": "user", "private": true }\n');
  await npm(['install', tarball, '--no-audit', '--no-fund', ...args], { cwd: folder });
  return folder;
}

async function load(folder, env) {
  const ask =
    'if (typeof connect !== "function") throw new Error("connect is not exported"); console.log("ok")';
  const programs = {
    'required.cjs': `const { connect } = require('iotkit-ota'); ${ask}`,
    'imported.mjs': `import { connect } from 'iotkit-ota'; ${ask}`,
  };
  for (const [name, program] of Object.entries(programs)) {
    fs.writeFileSync(path.join(folder, name), program);
    await run(process.execPath, [name], { quiet: true, cwd: folder, env });
  }
}

function emptyPath() {
  const folder = path.join(work, 'empty');
  fs.mkdirSync(folder, { recursive: true });
  return folder;
}

await command(main);
