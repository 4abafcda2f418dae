// Loads a TypeScript module of the repository, and those it imports by relative paths, without compiling to disk.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { at } from './paths.mjs';

const require = createRequire(import.meta.url);

function compile(module, file) {
  const { transformSync } = require('@swc/core');
  const { code } = transformSync(readFileSync(file, 'utf8'), {
    swcrc: false,
    filename: file,
    sourceMaps: 'inline',
    module: { type: 'commonjs' },
    jsc: { target: 'es2022', parser: { syntax: 'typescript' } },
  });
  module._compile(code, file);
}

/** `file` is its path in the repository. */
export function loadTypeScript(file) {
  require.extensions['.ts'] ??= compile;
  return require(at(file));
}
