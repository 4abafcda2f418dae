// `npm run bench`: builds what is missing and runs the benchmark. Arguments after `--` are its own.
import { pathToFileURL } from 'node:url';
import { at } from './lib/paths.mjs';
import { command, prepare } from './prepare.mjs';

await command(async () => {
  await prepare(['install', 'generate', 'ts', 'native', 'bench']);
  const entry = at('bench/dist/bench/index.js');
  process.argv[1] = entry;
  await import(pathToFileURL(entry).href);
});
