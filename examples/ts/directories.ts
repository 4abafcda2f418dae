/**
 * Keeps an application current whose releases are directories: a service of its own beside it, which
 * needs no rights but to write below ROOT and DATA and to restart the application.
 *
 *   announced → unpacked into ROOT/releases/VERSION → ROOT/current switched → restarted
 *   → healthy: confirmed and reported; else the previous release runs again, and the platform
 *   shows why
 *   stopped or killed at any point → the next start goes on there
 */
import { mkdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { type OpenOptions, open } from 'iotkit-ota';
import { createUpdateAgent, directoriesInstaller } from 'iotkit-ota/install';

const USAGE = `usage: directories DEVICE.json ROOT DATA HEALTH_MS CHECK -- RESTART...
  Installs what is announced below ROOT, and keeps its record in DATA.
  DEVICE.json: the options of open(), such as
    { "productKey": "…", "deviceName": "…", "deviceSecret": "…", "region": "cn-shanghai" }
  HEALTH_MS: how long a new release has to be healthy, such as 60000
  CHECK: a program that ends with 0 where the application is healthy
  RESTART: what starts ROOT/current, such as: systemctl restart app
exit codes: 0 stopped by SIGTERM or SIGINT, 1 failed, 2 wrong usage
`;

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

async function main(args: readonly string[]): Promise<number> {
  const [file, root, data, healthMs, check, dashes, ...restart] = args;
  if (check === undefined || dashes !== '--' || restart.length === 0) {
    process.stderr.write(USAGE);
    return 2;
  }
  const stop = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => stop.abort());
  await mkdir(data ?? '', { recursive: true });
  const options: OpenOptions = JSON.parse(await readFile(file ?? '', 'utf8'));
  await using device = open(options);
  await using agent = await createUpdateAgent({
    device,
    installer: directoriesInstaller({ root: root ?? '', restart }),
    record: path.join(data ?? '', 'update.record'),
    health: {
      checks: ['connected', { argv: [check] }],
      holdMs: Number(healthMs),
      everyMs: Math.max(1, Math.min(5000, Number(healthMs))),
    },
  });
  agent.on('state', ({ version, phase, reason }) => say(`${version} ${phase} ${reason}`.trim()));
  agent.on('error', (error) => say(error instanceof Error ? error.message : String(error)));
  await agent.run({ signal: stop.signal });
  return 0;
}

main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
    process.exitCode = 1;
  },
);
