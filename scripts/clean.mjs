// `npm run clean`: removes everything that is built; node_modules stays.
import fs from 'node:fs';
import { at } from './lib/paths.mjs';

const built = [
  'build',
  'dist',
  'platform/dist',
  'examples/dist',
  'bench/dist',
  'lib/generated',
  'coverage',
  '.cache',
];
for (const folder of built) fs.rmSync(at(folder), { recursive: true, force: true });

// Its page and its sums are committed.
for (const name of fs.readdirSync(at('prebuilds'), { recursive: true })) {
  if (name.endsWith('.node')) fs.rmSync(at('prebuilds', name));
}
