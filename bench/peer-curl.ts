// The shell way: curl -o, then md5sum or sha256sum. Its processes are measured by the shell that
// runs them.
import { existsSync } from 'node:fs';
import path from 'node:path';
import { performance } from 'node:perf_hooks';
import { runWell } from '../test/support/process';
import type { Cost } from './measure';
import type { Download } from './work';

const script = `
curl --silent --show-error --fail --cacert "$CA" --output "$TARGET" "$URL" &&
"$SUM" "$TARGET" &&
times
`;

/** Whether there is a curl to compare with. */
export const hasCurl = (process.env.PATH ?? '')
  .split(path.delimiter)
  .some((folder) => existsSync(path.join(folder, 'curl')));

/** `caFile` holds the PEM to trust. `pinned`: see `placement.ts`. */
export async function curl(
  work: Download,
  caFile: string,
  pinned: readonly string[],
): Promise<Cost> {
  const env = {
    ...process.env,
    URL: work.url,
    CA: caFile,
    TARGET: work.target,
    SUM: `${work.method}sum`,
  };
  const begin = performance.now();
  const [command = 'sh', ...args] = [...pinned, 'sh', '-c', script];
  const output = await runWell(command, args, { env });
  const seconds = (performance.now() - begin) / 1000;
  if (!output.startsWith(`${work.digest} `)) throw new Error('curl: the digest differs');
  return { seconds, cpuSeconds: cpuSecondsOf(output) };
}

/**
 * The shell prints user and system time of itself, and on the next line of its children: 0m0.020s
 * 0m0.310s.
 */
function cpuSecondsOf(output: string): number {
  const times = [...output.matchAll(/(\d+)m(\d+(?:\.\d+)?)s/g)].slice(-4);
  return times.reduce(
    (sum, [, minutes, seconds]) => sum + Number(minutes) * 60 + Number(seconds),
    0,
  );
}
