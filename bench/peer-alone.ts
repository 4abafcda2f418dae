// The C library by itself, one thread and no Node.js: native/alone.c, over the objects of the addon.
import path from 'node:path';
import { runWell } from '../test/support/process';
import type { Cost } from './measure';
import type { Download } from './work';

const program = path.resolve(__dirname, '../../../.cache/bench/alone');

/** `caFile` holds the PEM to trust; `file`: whether it is written. `pinned`: see `placement.ts`. */
export async function alone(
  download: Download,
  caFile: string,
  file: boolean,
  pinned: readonly string[],
): Promise<Cost> {
  const { url, size, digest, method, target } = download;
  const data = { size, version: '2', url, signMethod: method.toUpperCase(), sign: digest };
  const notice = JSON.stringify({ code: '1000', id: 1, message: 'success', data });
  const args = [...pinned, program, caFile, notice, file ? target : '-'];
  const [command = program, ...rest] = args;
  const [seconds = Number.NaN, cpuSeconds = Number.NaN] = (await runWell(command, rest))
    .trim()
    .split(' ')
    .map(Number);
  return { seconds, cpuSeconds };
}
