// `npm run check:pack`: packs the package as it would be published, with an addon for this machine, installs it into an
// empty folder as a user would, and loads it: by require and by import, with the prebuilt addon and no compiler on the
// PATH, then compiled from the packed sources. Says which GLIBC the addon needs.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { findHeaders } from './lib/node-headers.mjs';
import { at, root } from './lib/paths.mjs';
import { isOnPath, npmCommand, run, StepError } from './lib/run.mjs';
import { command, prepare } from './prepare.mjs';

const MAX_ADDON_BYTES = 330 * 1024;
const work = fs.mkdtempSync(path.join(os.tmpdir(), 'iotkit-pack-'));

async function main() {
  try {
    await prepare(['install', 'generate', 'ts']);
    await run(process.execPath, [at('scripts/prebuild.mjs')]);
    const tarball = await pack();
    await checkPrebuilt(tarball);
    await checkFromSource(tarball);
  } finally {
    fs.rmSync(work, { recursive: true, force: true });
  }
}

async function npm(args, options) {
  const [program, ...first] = npmCommand();
  return run(program, [...first, ...args], { quiet: true, ...options });
}

async function pack() {
  const [program, ...first] = npmCommand();
  const options = ['pack', '--json', '--ignore-scripts', '--pack-destination', work];
  const [packed] = JSON.parse(
    execFileSync(program, [...first, ...options], {
      cwd: root,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }),
  );
  const files = packed.files.map((file) => file.path);
  const wanted = [
    'dist/index.js',
    'dist/index.d.ts',
    'binding.gyp',
    'sources.json',
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
  const addons = packed.files.filter((file) => file.path.endsWith('.node'));
  if (addons.length === 0) throw new StepError('no prebuilt addon is in the tarball');
  for (const { path: name, size } of addons) {
    if (size > MAX_ADDON_BYTES)
      throw new StepError(`${name} has ${size} bytes, at most ${MAX_ADDON_BYTES}`);
    console.log(`${name}: ${Math.ceil(size / 1024)} KiB${glibcOf(at(name))}`);
  }
  console.log(`${packed.filename}: ${files.length} files, ${Math.ceil(packed.size / 1024)} KiB`);
  return path.join(work, packed.filename);
}

function glibcOf(file) {
  if (!isOnPath('objdump')) return '';
  const symbols = execFileSync('objdump', ['-T', file], { encoding: 'utf8' });
  const versions = [...symbols.matchAll(/GLIBC_2\.(\d+)/g)].map(([, minor]) => Number(minor));
  return versions.length > 0 ? `, needs GLIBC 2.${Math.max(...versions)}` : '';
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
  const nodedir = await findHeaders();
  const env = { ...process.env, ...(nodedir && { npm_config_nodedir: nodedir }) };
  // What npm does for a package whose install script the user allowed.
  env.PATH = [at('node_modules/.bin'), env.PATH].join(path.delimiter);
  await run(process.execPath, [path.join(installed, 'scripts/install.cjs')], {
    quiet: true,
    env,
    cwd: installed,
  });
  await load(folder, process.env);
  console.log('from source: compiles and loads');
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
