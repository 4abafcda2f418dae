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
  'prebuilds',
  'coverage',
  '.cache',
];
for (const folder of built) fs.rmSync(at(folder), { recursive: true, force: true });
