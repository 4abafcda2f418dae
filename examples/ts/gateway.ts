/**
 * A gateway, as a service that runs for months: it keeps the firmware of the machines around it,
 * each of which the platform knows by an identity of its own.
 *
 *   start, with or without a network → report each machine's version → install what is announced
 *   SIGTERM → stop; the next start goes on in the middle of the image
 *
 * A failure that the program cannot mend ends it, so that its supervisor (systemd, a container)
 * starts it again.
 */
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { type OpenOptions, open, setMaxDownloads, type Upgrade } from 'iotkit-ota';

const USAGE = `usage: gateway MACHINES.json DIRECTORY
  Keeps the firmware of some machines current, in a folder of DIRECTORY for each.
  MACHINES.json: a list of the options of open(), such as
    [{ "productKey": "…", "deviceName": "press", "deviceSecret": "…", "region": "cn-shanghai" }]
exit codes: 0 stopped by SIGTERM or SIGINT, 1 failed, 2 wrong usage
`;

const FACTORY_VERSION = '1.0.0';
const DAY_MS = 86_400_000;

type Level = 'debug' | 'info' | 'warn' | 'error';

/** One line of JSON for each thing that happens; a pino logger would do as well. */
function write(level: Level, { err, ...details }: { err?: unknown }, message: string): void {
  const error = err instanceof Error ? { error: err.message } : {};
  const time = new Date().toISOString();
  process.stdout.write(`${JSON.stringify({ time, level, message, ...details, ...error })}\n`);
}

const logger = {
  debug: write.bind(undefined, 'debug'),
  info: write.bind(undefined, 'info'),
  warn: write.bind(undefined, 'warn'),
  error: write.bind(undefined, 'error'),
};

async function versionIn(folder: string): Promise<string> {
  try {
    return await readFile(path.join(folder, 'version'), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return FACTORY_VERSION;
    throw error;
  }
}

/** Here the image would go to the machine. Whenever a crash ends this, it is done once more. */
async function install(image: string, version: string, folder: string): Promise<void> {
  await rename(image, path.join(folder, 'firmware.bin'));
  await writeFile(path.join(folder, 'version.new'), version, { flush: true });
  await rename(path.join(folder, 'version.new'), path.join(folder, 'version'));
}

/** Whether the machine now runs the new version. */
async function update(upgrade: Upgrade, folder: string, signal: AbortSignal): Promise<boolean> {
  const image = path.join(folder, 'next.bin');
  try {
    await upgrade.download(image, { signal });
  } catch (error) {
    // Stopped: the platform hears nothing, and the next start goes on. Failed: it has been told and
    // decides whether to announce the upgrade once more; the device has logged why.
    signal.throwIfAborted();
    logger.debug({ err: error }, 'waiting for the next notice');
    return false;
  }
  try {
    await install(image, upgrade.version, folder);
    return true;
  } catch (error) {
    await upgrade.fail('the image could not be installed');
    throw error;
  }
}

async function keepCurrent(options: OpenOptions, folder: string, stop: AbortSignal): Promise<void> {
  await mkdir(folder, { recursive: true });
  // For a day the network may be away without that being a failure.
  const fetch = { patience: DAY_MS, ...options.fetch };
  await using device = open({ ...options, fetch, logger });
  // Waits for the first connection. The platform answers with the upgrade that is unfinished.
  await device.ota.reportVersion(await versionIn(folder), { signal: stop });
  for await (const upgrade of device.ota.upgrades({ signal: stop })) {
    if (await update(upgrade, folder, stop)) {
      await device.ota.reportVersion(upgrade.version, { signal: stop });
    }
  }
}

async function main([file, directory]: readonly string[]): Promise<number> {
  if (file === undefined || directory === undefined) {
    process.stderr.write(USAGE);
    return 2;
  }
  const stop = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => stop.abort());
  setMaxDownloads(1); // the line is thin: one after the other
  const machines: readonly OpenOptions[] = JSON.parse(await readFile(file, 'utf8'));
  let failures = 0;
  const running = machines.map(async (options) => {
    try {
      await keepCurrent(options, path.join(directory, options.deviceName), stop.signal);
    } catch (error) {
      if (stop.signal.aborted) return;
      failures += 1;
      logger.error({ err: error }, 'failed');
      stop.abort();
    }
  });
  await Promise.all(running);
  return failures === 0 ? 0 : 1;
}

main(process.argv.slice(2)).then((code) => {
  process.exitCode = code;
});
