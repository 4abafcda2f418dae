// `npm run check:tidy`: clang-tidy over the C SDK and the addon, as many at a time as there are processors. Slow.
//   node scripts/check-tidy.mjs [--quick] [part of a path …]     only files whose path contains one of them
// --quick: without the static analyzer, which takes nine tenths of the time.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { at, root } from './lib/paths.mjs';
import { isOnPath, run, StepError } from './lib/run.mjs';
import { repositoryFiles } from './lib/tree.mjs';
import { command, prepare } from './prepare.mjs';

const build = at('.cache', 'tidy');

await command(async () => {
  const tidy = ['clang-tidy-14', 'clang-tidy'].find(isOnPath);
  if (!tidy)
    throw new StepError('clang-tidy is not installed (Debian: apt-get install clang-tidy)');
  await prepare(['install']);
  await makeDatabase();
  const isQuick = process.argv.includes('--quick');
  const wanted = process.argv.slice(2).filter((argument) => argument !== '--quick');
  const files = repositoryFiles(/^(deps\/iotkit\/src\/.*\.c|native\/.*\.cc)$/).filter(
    (file) => wanted.length === 0 || wanted.some((part) => file.includes(part)),
  );
  const failed = await checkAll([tidy, ...(isQuick ? ['--checks=-clang-analyzer-*'] : [])], files);
  console.log(
    failed.length === 0
      ? `clang-tidy: ${files.length} files passed`
      : `clang-tidy: failed: ${failed.join(', ')}`,
  );
  if (failed.length > 0) process.exitCode = 1;
});

// compile_commands.json by CMake; the addon's needs the headers cmake-js would pass.
async function makeDatabase() {
  fs.rmSync(build, { recursive: true, force: true });
  const { include_dir: headers } = await import('node-api-headers').then(
    (module) => module.default,
  );
  const options = ['-DIOTKIT_BUILD_ADDON=ON', `-DCMAKE_JS_INC=${headers}`];
  const compilers = ['-DCMAKE_C_COMPILER=clang', '-DCMAKE_CXX_COMPILER=clang++'];
  await run('cmake', ['-S', root, '-B', build, ...compilers, ...options], { quiet: true });
}

async function checkAll(tidy, files) {
  const failed = [];
  const queue = [...files];
  const worker = async () => {
    for (let file = queue.shift(); file; file = queue.shift()) {
      const { ok, output } = await check(tidy, file);
      if (ok) continue;
      failed.push(file);
      console.error(output);
    }
  };
  await Promise.all(Array.from({ length: os.availableParallelism() }, worker));
  return failed.sort();
}

function check([tidy, ...options], file) {
  return new Promise((resolve, reject) => {
    const argv = [...options, '--quiet', '-p', build, path.join(root, file)];
    const child = spawn(tidy, argv, { cwd: root });
    const chunks = [];
    child.stdout.on('data', (chunk) => chunks.push(chunk));
    child.stderr.on('data', (chunk) => chunks.push(chunk));
    child.on('error', reject);
    child.on('close', (code) =>
      resolve({ ok: code === 0, output: Buffer.concat(chunks).toString() }),
    );
  });
}
