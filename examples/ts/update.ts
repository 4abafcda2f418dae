/**
 * A command that looks for an update, shows a bar while it comes, and ends: for a person at a
 * terminal, or for cron.
 *
 *   connect → report the version → is there an upgrade? → download with a bar → report the new version
 *   Ctrl-C → stop; the next run goes on in the middle of the image
 */
import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { SingleBar } from 'cli-progress';
import { type ConnectOptions, connect, IotkitError, type Progress, type Upgrade } from 'iotkit-ota';

const USAGE = `usage: update --version VERSION --output FILE DEVICE.json
  Reports VERSION, which runs now. If the platform has an upgrade: fetches its image into FILE, reports the new version.
  DEVICE.json: the options of connect(), such as
    { "productKey": "…", "deviceName": "lamp", "deviceSecret": "…", "region": "cn-shanghai" }
exit codes: 0 updated, 1 failed, 2 wrong usage, 3 failed but may succeed later, 4 no upgrade, 130 interrupted
`;

const exitCodes = {
  updated: 0,
  failed: 1,
  usage: 2,
  later: 3,
  current: 4,
  interrupted: 130,
} as const;

interface Arguments {
  readonly options: ConnectOptions;
  /** That runs now. */
  readonly version: string;
  readonly output: string;
}

async function readArguments(args: string[]): Promise<Arguments | undefined> {
  const known = { version: { type: 'string' }, output: { type: 'string' } } as const;
  try {
    const { values, positionals } = parseArgs({ args, options: known, allowPositionals: true });
    const { version, output } = values;
    const [file, ...others] = positionals;
    if (!version || !output || !file || others.length > 0) return undefined;
    return { options: JSON.parse(await readFile(file, 'utf8')), version, output };
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
    return undefined;
  }
}

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;

/** What stands to the right of the bar. */
function newsOf({ bytesPerSecond, retrying }: Progress): string {
  if (retrying === undefined) return `${megabytes(bytesPerSecond)}/s`;
  return `${retrying.error.message}; again at ${retrying.at.toLocaleTimeString()}`;
}

/** Shows a bar, on a terminal; in the log of cron a line now and then. */
async function download(upgrade: Upgrade, output: string, signal: AbortSignal): Promise<void> {
  const bar = new SingleBar({
    format: '{bar} {percentage}% of {size}  {news}',
    noTTYOutput: true,
    hideCursor: true,
  });
  bar.start(upgrade.size, 0, { size: megabytes(upgrade.size), news: '' });
  const onProgress = (progress: Progress): void => {
    bar.update(progress.received, { news: newsOf(progress) });
  };
  try {
    await upgrade.download(output, { signal, onProgress });
  } finally {
    bar.stop();
  }
}

async function update(given: Arguments, signal: AbortSignal): Promise<keyof typeof exitCodes> {
  const { options, version, output } = given;
  await using device = await connect({ ...options, signal });
  // First the version: to it belongs the answer of check(), also where the last run was cut off.
  await device.ota.reportVersion(version, { signal });
  const upgrade = await device.ota.check({ signal });
  if (upgrade === undefined) {
    process.stderr.write(`${version} is current\n`);
    return 'current';
  }
  process.stderr.write(`${version} → ${upgrade.version}\n`);
  await download(upgrade, output, signal);
  // A device would restart into the new firmware, which then reports its version.
  await device.ota.reportVersion(upgrade.version, { signal });
  process.stderr.write(`${output} is ${upgrade.version}\n`);
  return 'updated';
}

async function main(): Promise<number> {
  const given = await readArguments(process.argv.slice(2));
  if (given === undefined) {
    process.stderr.write(USAGE);
    return exitCodes.usage;
  }
  const interrupted = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => interrupted.abort());
  try {
    return exitCodes[await update(given, interrupted.signal)];
  } catch (error) {
    if (interrupted.signal.aborted) return exitCodes.interrupted;
    process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
    return IotkitError.is(error) && error.retryable ? exitCodes.later : exitCodes.failed;
  }
}

main().then((code) => {
  process.exitCode = code;
});
