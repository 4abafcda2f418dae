/**
 * A lamp that has an MQTT connection of its own for what it measures, by MQTT.js, and updates itself
 * over the same: the platform allows one connection for each device.
 *
 *   MQTT.js signs in → attachMqttJs() → report the version → download each upgrade → report the new version
 *   meanwhile the lamp sends a property now and then
 *   SIGTERM → the device is closed first, then the client, which is the program's
 */
import { createHmac } from 'node:crypto';
import { readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { type AttachedDevice, attachMqttJs, type Upgrade } from 'iotkit-ota';
import mqtt, { type IClientOptions, type MqttClient } from 'mqtt';

const USAGE = `usage: mqttjs SETTINGS.json DIRECTORY
  SETTINGS.json: { "productKey": "…", "deviceName": "…", "deviceSecret": "…", "url": "mqtts://…", "ca": "PEM" }
  DIRECTORY has the version that runs and gets firmware.bin.
exit codes: 0 stopped by SIGTERM or SIGINT, 1 failed, 2 wrong usage
`;

const PROPERTY_MS = 60_000;

interface Settings {
  readonly productKey: string;
  readonly deviceName: string;
  readonly deviceSecret: string;
  readonly url: string;
  /** Of broker and firmware servers; undefined: the runtime's. */
  readonly ca?: string;
}

/** The platform's sign-in, document 73742. */
function signIn({ productKey, deviceName, deviceSecret }: Settings): IClientOptions {
  const id = `${productKey}.${deviceName}`;
  const text = `clientId${id}deviceName${deviceName}productKey${productKey}`;
  return {
    clientId: `${id}|securemode=2,signmethod=hmacsha256|`,
    username: `${deviceName}&${productKey}`,
    password: createHmac('sha256', deviceSecret).update(text).digest('hex'),
  };
}

/** What the program has used the connection for all along. */
function sendProperties(client: MqttClient, { productKey, deviceName }: Settings): NodeJS.Timeout {
  const topic = `/sys/${productKey}/${deviceName}/thing/event/property/post`;
  const send = (): void => {
    const params = { temperature: 20 + Math.random() };
    const message = { id: String(Date.now()), version: '1.0', params };
    client.publish(topic, JSON.stringify({ ...message, method: 'thing.event.property.post' }));
  };
  send();
  return setInterval(send, PROPERTY_MS);
}

/** The version that runs stands in a file, which is written last. */
class Installed {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  get image(): string {
    return path.join(this.#directory, 'firmware.bin');
  }

  async version(): Promise<string> {
    try {
      return await readFile(path.join(this.#directory, 'version'), 'utf8');
    } catch {
      return '1.0.0';
    }
  }

  async enter(version: string): Promise<void> {
    const file = path.join(this.#directory, 'version');
    await writeFile(`${file}.new`, version);
    await rename(`${file}.new`, file);
  }
}

async function install(
  device: AttachedDevice,
  upgrade: Upgrade,
  installed: Installed,
  signal: AbortSignal,
): Promise<void> {
  try {
    await upgrade.download(installed.image, { signal });
  } catch (error) {
    signal.throwIfAborted();
    // It has reported itself; whether the upgrade comes again is the platform's to say.
    process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
    return;
  }
  await installed.enter(upgrade.version);
  await device.ota.reportVersion(upgrade.version, { signal });
  process.stdout.write(`runs ${upgrade.version}\n`);
}

async function keepCurrent(
  client: MqttClient,
  settings: Settings,
  directory: string,
  signal: AbortSignal,
): Promise<void> {
  const { productKey, deviceName, ca } = settings;
  const installed = new Installed(directory);
  await using device = attachMqttJs(client, { productKey, deviceName, fetch: { ca } });
  device.on('state', ({ state }) => process.stdout.write(`${state}\n`));
  device.on('refused', ({ message }) => process.stderr.write(`${message}\n`));
  await device.ota.reportVersion(await installed.version(), { signal });
  for await (const upgrade of device.ota.upgrades({ signal })) {
    await install(device, upgrade, installed, signal);
  }
}

async function main(): Promise<number> {
  const [file, directory, ...others] = process.argv.slice(2);
  if (!file || !directory || others.length > 0) {
    process.stderr.write(USAGE);
    return 2;
  }
  const stop = new AbortController();
  for (const name of ['SIGTERM', 'SIGINT'] as const) process.once(name, () => stop.abort());
  const settings: Settings = JSON.parse(await readFile(file, 'utf8'));
  const trusted = settings.ca === undefined ? {} : { ca: settings.ca };
  const client = mqtt.connect(settings.url, { ...signIn(settings), ...trusted });
  client.on('error', ({ message }) => process.stderr.write(`${message}\n`));
  const properties = sendProperties(client, settings);
  try {
    await keepCurrent(client, settings, directory, stop.signal);
    return 0;
  } catch (error) {
    if (stop.signal.aborted) return 0;
    process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
    return 1;
  } finally {
    clearInterval(properties);
    await client.endAsync();
  }
}

main().then((code) => {
  process.exitCode = code;
});
