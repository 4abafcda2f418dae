// `npm start`: builds what is missing and runs the main job. Arguments after `--` are the job's.
import { pathToFileURL } from 'node:url';
import { at } from './lib/paths.mjs';
import { command, prepare } from './prepare.mjs';

await command(async () => {
  await prepare();
  const entry = at('examples/dist/main-job/index.js');
  process.argv[1] = entry;
  await import(pathToFileURL(entry).href);
});
