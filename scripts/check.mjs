// `npm run check`: formatting, lint, types and the rules of the house. `npm run format` (--fix) formats instead.
import { execFileSync } from 'node:child_process';
import { at, root } from './lib/paths.mjs';
import { isOnPath, run, runBin } from './lib/run.mjs';
import { repositoryFiles } from './lib/tree.mjs';
import { command, prepare } from './prepare.mjs';

const CLANG_FORMAT_VERSION = 14; // others format some things differently
const fix = process.argv.includes('--fix');

const script = (name) => () => run(process.execPath, [at('scripts', name)]);
const types = (project) => () => runBin('typescript/bin/tsc', ['-p', project, '--noEmit']);

const checks = fix
  ? {
      biome: () => runBin('@biomejs/biome/bin/biome', ['check', '--write', '.']),
      'clang-format': () => clangFormat(['-i']),
    }
  : {
      biome: () => runBin('@biomejs/biome/bin/biome', ['check', '--error-on-warnings', '.']),
      // Compiles lib, platform and examples, whose declarations the others import.
      types: () => prepare(['ts']),
      'types: platform tests': types('platform/test/tsconfig.json'),
      'types: tests': types('test/tsconfig.json'),
      'types: bench': types('bench/tsconfig.json'),
      'clang-format': () => clangFormat(['--dry-run', '-Werror']),
      layers: script('check/layers.mjs'),
      'banned calls': script('check/banned.mjs'),
      sources: script('check/sources.mjs'),
      hygiene: script('check/hygiene.mjs'),
      tests: script('check/tests.mjs'),
      threads: script('check/threads.mjs'),
      scripts: script('check/scripts.mjs'),
      docs: () => run(process.execPath, [at('scripts/docs.mjs'), '--check']),
    };

await command(async () => {
  await prepare(['install', 'generate']);
  const failed = [];
  for (const [name, check] of Object.entries(checks)) {
    try {
      const note = await check();
      console.log(
        `ok    ${name}${typeof note === 'string' && note.length < 200 && note ? `: ${note}` : ''}`,
      );
    } catch (error) {
      console.log(`FAIL  ${name}: ${error.message}`);
      failed.push(name);
    }
  }
  console.log(
    failed.length === 0
      ? `\n${Object.keys(checks).length} checks passed`
      : `\nfailed: ${failed.join(', ')}`,
  );
  if (failed.length > 0) process.exitCode = 1;
});

async function clangFormat(args) {
  const program = ['clang-format-14', 'clang-format'].find(isOnPath);
  if (!program) return 'skipped, clang-format is not installed';
  const version = Number(
    /version (\d+)/.exec(execFileSync(program, ['--version'], { encoding: 'utf8' }))?.[1],
  );
  if (version !== CLANG_FORMAT_VERSION)
    return `skipped, this is clang-format ${version} and not ${CLANG_FORMAT_VERSION}`;
  const files = repositoryFiles(/^(deps|native|examples)\/.*\.(c|cc|h)$/);
  if (files.length > 0) await run(program, ['--style=file', ...args, ...files], { cwd: root });
  return `${files.length} files`;
}
