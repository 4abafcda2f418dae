// What it costs to have the package at all: the time of require() in a fresh process, and the size of the addon.
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { runWell } from '../test/support/process';
import { atMost, type Goal, median } from './report';

const root = path.resolve(__dirname, '..', '..', '..');
const script = `
  const begin = performance.now();
  require('iotkit-ota');
  process.stdout.write(String(performance.now() - begin));
`;

/** The goals about loading, measured. */
export async function loading(runs: number): Promise<Goal[]> {
  const times: number[] = [];
  for (let run = 0; run < runs; run++) {
    times.push(Number(await runWell(process.execPath, ['-e', script], { cwd: root })));
  }
  const findAddon = `process.stdout.write(require('node-gyp-build').resolve(process.cwd()))`;
  const addon = await runWell(process.execPath, ['-e', findAddon], { cwd: root });
  const { size } = await stat(addon);
  return [
    atMost("require('iotkit-ota'), ms", median(times), 5),
    atMost('addon, KiB', size / 1024, 300),
  ].filter((goal) => goal !== undefined);
}
