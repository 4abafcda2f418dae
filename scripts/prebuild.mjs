// `npm run prebuild`: the addons that a release ships, for every machine that scripts/prebuild/targets.mjs lists,
// built on Linux x64 by one compiler; `npm run prebuild -- linux-arm64 …` those named. What is current is not built
// again.
//
//   --force   builds all the same
//   --list    writes prebuilds/SHA256SUMS, once every addon is there
import fs from 'node:fs';
import path from 'node:path';
import { at } from './lib/paths.mjs';
import { StepError } from './lib/run.mjs';
import { filesUnder, hashOf, isCurrent, setCurrent } from './lib/stamp.mjs';
import { buildAddon } from './prebuild/build.mjs';
import { problemsOf } from './prebuild/gates.mjs';
import { describe, writeSums } from './prebuild/release.mjs';
import { pathOf, targets } from './prebuild/targets.mjs';
import { compilerId, installZig } from './prebuild/zig.mjs';
import { command, prepare } from './prepare.mjs';

async function main() {
  const args = process.argv.slice(2);
  const names = args.filter((arg) => !arg.startsWith('--'));
  for (const name of names) if (!targets[name]) throw new StepError(unknown(name));
  await prepare(['install']);
  for (const name of names.length > 0 ? names : Object.keys(targets)) {
    await build(name, args.includes('--force'));
  }
  if (args.includes('--list')) writeSums();
}

const unknown = (name) => `there is no ${name}: ${Object.keys(targets).join(', ')}`;

async function build(name, force) {
  const target = targets[name];
  const file = pathOf(target);
  const step = `prebuild-${name}`;
  const hash = inputsOf(target);
  if (force || !isCurrent(step, hash, [file])) {
    await installZig();
    const started = Date.now();
    await buildAddon(target, at('.cache', 'prebuild', name), at(file));
    setCurrent(step, hash);
    process.stderr.write(`${name}: built in ${Math.round((Date.now() - started) / 1000)} s\n`);
  }
  const problems = problemsOf(target, fs.readFileSync(at(file)));
  if (problems.length > 0) throw new StepError(`${file} ${problems.join(`\n${file} `)}`);
  console.log(describe(target));
}

const inputsOf = (target) =>
  hashOf(
    [
      ...filesUnder(['deps/iotkit/src', 'deps/iotkit/include', 'native'], /\.(c|cc|h|map)$/),
      ...['build.mjs', 'recipe.mjs', 'zig.mjs', 'cxx-runtime.cc'].map(
        (it) => `scripts/prebuild/${it}`,
      ),
      'native/flags.json',
      'sources.json',
      ...['node-addon-api', 'node-api-headers'].map((it) =>
        path.join('node_modules', it, 'package.json'),
      ),
    ],
    [JSON.stringify(target), compilerId],
  );

await command(main);
