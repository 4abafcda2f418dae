// What it costs to have the package at all: the time to load it in a fresh process, and the size
// of its addon.
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { runWell } from '../test/support/process';
import { atMost, type Goal } from './goals';
import { median } from './ratios';

const root = path.resolve(__dirname, '..', '..', '..');
const addon = path.join(root, 'build', 'Release', 'iotkit_ota.node');
const script = `
  const file = ${JSON.stringify(addon)};
  const times = [performance.now()];
  require(file);
  times.push(performance.now());
  require('iotkit-ota');
  times.push(performance.now());
  process.stdout.write(JSON.stringify([times[1] - times[0], times[2] - times[0]]));
`;

/** Medians of times, and the addon's goals. */
export interface Loading {
  /** Milliseconds. */
  readonly addonMs: number;
  /** Milliseconds, the addon included. */
  readonly packageMs: number;
  readonly goals: readonly Goal[];
}

export async function loading(runs: number): Promise<Loading> {
  const times: Array<readonly [addon: number, all: number]> = [];
  for (let run = 0; run < runs; run++) {
    times.push(JSON.parse(await evaluate(script)));
  }
  const addonMs = median(times.map(([addon]) => addon));
  const packageMs = median(times.map(([, all]) => all));
  const goals = [
    atMost('addon-load', 'addon: ms to load', addonMs, 5),
    atMost('package-load', 'package: ms to load', packageMs, 15),
    atMost('addon-size', 'addon as shipped: KiB', await shippedKiB(), 330),
  ];
  return { addonMs, packageMs, goals: goals.filter((goal) => goal !== undefined) };
}

/** The addon that a release has for this machine; undefined: none was built (`npm run prebuild`). */
async function shippedKiB(): Promise<number | undefined> {
  const folder = path.join(root, 'prebuilds', `${process.platform}-${process.arch}`);
  const names = await readdir(folder).catch(() => []);
  const name = names.find((one) => one.endsWith('.node') && !one.includes('musl'));
  return name === undefined ? undefined : (await stat(path.join(folder, name))).size / 1024;
}

/** What a script prints, in a fresh process. */
function evaluate(source: string): Promise<string> {
  return runWell(process.execPath, ['-e', source], { cwd: root });
}
