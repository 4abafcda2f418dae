/**
 * A gateway, as a service that runs for months: the machines around it have identities of their own at
 * the platform and no connection. It logs them in over its own, and keeps their firmware current.
 *
 *   start, with or without a network → put the machines into the topology → log them in
 *   for each → report its version → install what is announced
 *   meanwhile: settings that the platform pushes are kept in a file; the platform may ask for a status (RRPC)
 *   SIGTERM → stop; the next start goes on in the middle of the image
 *
 * A failure that the program cannot mend ends it, so that its supervisor (systemd, a container)
 * starts it again.
 */
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import {
  type Device,
  type OpenOptions,
  open,
  type SubDevice,
  type SubDeviceIdentity,
  setMaxDownloads,
  type Upgrade,
} from 'iotkit-ota';

const USAGE = `usage: gateway SETTINGS.json DIRECTORY
  Keeps the firmware of the machines of a gateway current, in a folder of DIRECTORY for each.
  SETTINGS.json: the options of open() for the gateway, and its machines:
    { "gateway": { "productKey": "…", "deviceName": "hub", "deviceSecret": "…", "region": "cn-shanghai" },
      "machines": [{ "productKey": "…", "deviceName": "press", "deviceSecret": "…" }] }
exit codes: 0 stopped by SIGTERM or SIGINT, 1 failed, 2 wrong usage
`;

interface Settings {
  readonly gateway: OpenOptions;
  readonly machines: readonly SubDeviceIdentity[];
}

const FACTORY_VERSION = '1.0.0';
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

type Level = 'debug' | 'info' | 'warn' | 'error';

/** One line of JSON for each thing that happens; a pino logger would do as well. */
function write(level: Level, given: object, message: string): void {
  const { err, ...details }: { readonly err?: unknown } = given;
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

/** Until it is stopped, or the machine is deleted from the platform. */
async function keepCurrent(machine: SubDevice, folder: string, stop: AbortSignal): Promise<void> {
  await mkdir(folder, { recursive: true });
  // The platform answers with the upgrade that is unfinished.
  await machine.ota.reportVersion(await versionIn(folder));
  for await (const upgrade of machine.ota.upgrades({ signal: stop })) {
    if (await update(upgrade, folder, stop)) await machine.ota.reportVersion(upgrade.version);
  }
}

/** The machines that are logged in; those that the platform refuses are logged, and left out. */
async function logIn(
  { gateway }: Device,
  machines: readonly SubDeviceIdentity[],
  signal: AbortSignal,
): Promise<SubDevice[]> {
  // However long it takes until there is a network.
  const patience = { timeout: HOUR_MS, signal };
  const known = new Set((await gateway.topology(patience)).map(({ deviceName }) => deviceName));
  const missing = machines.filter(({ deviceName }) => !known.has(deviceName));
  if (missing.length > 0) await gateway.addTopology(missing, patience);
  const outcomes = await gateway.loginAll(machines, patience);
  return outcomes.flatMap((outcome, i) => {
    if (outcome.status === 'fulfilled') return [outcome.value];
    const { deviceName } = machines[i] as SubDeviceIdentity;
    logger.error({ err: outcome.reason, deviceName }, 'not logged in');
    return [];
  });
}

/** The newest settings that the platform has for the gateway, in a file. */
async function keepSettings(device: Device, directory: string, signal: AbortSignal): Promise<void> {
  for await (const change of device.config.changes({ signal })) {
    try {
      await change.save(path.join(directory, 'settings.json'));
      await change.accept();
    } catch (error) {
      signal.throwIfAborted();
      await change.reject(500, String(error));
    }
  }
}

/** What the platform may ask: each machine's state and version. */
async function statusOf(machines: readonly SubDevice[], directory: string): Promise<string> {
  const entries = machines.map(async ({ deviceName, state }) => {
    const version = await versionIn(path.join(directory, deviceName));
    return [deviceName, { state, version }] as const;
  });
  return JSON.stringify(Object.fromEntries(await Promise.all(entries)));
}

async function run(settings: Settings, directory: string, stop: AbortSignal): Promise<void> {
  // For a day the network may be away without that being a failure.
  const fetch = { patience: DAY_MS, ...settings.gateway.fetch };
  await using device = open({ ...settings.gateway, fetch, logger });
  device.gateway.on('change', (change) => logger.info(change, 'topology changed'));
  const machines = await logIn(device, settings.machines, stop);
  using _status = await device.onRpc(() => statusOf(machines, directory));
  logger.info({ machines: machines.length }, 'ready');
  await Promise.all([
    keepSettings(device, directory, stop),
    ...machines.map((machine) =>
      keepCurrent(machine, path.join(directory, machine.deviceName), stop),
    ),
  ]);
}

async function main([file, directory]: readonly string[]): Promise<number> {
  if (file === undefined || directory === undefined) {
    process.stderr.write(USAGE);
    return 2;
  }
  const stop = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => stop.abort());
  setMaxDownloads(1); // the line is thin: one after the other
  const settings: Settings = JSON.parse(await readFile(file, 'utf8'));
  try {
    await mkdir(directory, { recursive: true });
    await run(settings, directory, stop.signal);
  } catch (error) {
    if (stop.signal.aborted) return 0;
    logger.error({ err: error }, 'failed');
    return 1;
  }
  return 0;
}

main(process.argv.slice(2)).then((code) => {
  process.exitCode = code;
});
