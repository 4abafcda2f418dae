import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type AttachedDevice, attachMqttJs } from 'iotkit-ota';
import { localIdentity, Platform, signIn, type TlsIdentity } from 'iotkit-ota-platform';
import mqtt, { type MqttClient } from 'mqtt';
import { imageOf } from '../support/image';
import { type Mosquitto, startMosquitto } from '../support/mosquitto';

// A device over a client of MQTT.js, against a real mosquitto: the broker is restarted in the middle.

const timestamp = '1700000000000';
const key = { productKey: 'a1Peers', deviceName: 'mqttjs', deviceSecret: 'd'.repeat(32) };
const operator = { username: 'platform', password: 'secret' };
const image = imageOf(700_001);

let directory: string;
let identity: TlsIdentity;
let mosquitto: Mosquitto;
let platform: Platform;
let client: MqttClient;
let device: AttachedDevice;
const inDirectory = (name: string): string => path.join(directory, name);

function startBroker(port?: number): Promise<Mosquitto> {
  const { username, password } = signIn(key, { timestamp });
  return startMosquitto({
    directory: inDirectory('mosquitto'),
    ...identity,
    users: [{ username, password }, operator],
    ...(port !== undefined && { port }),
  });
}

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'iotkit-ota-peers-'));
  identity = await localIdentity(directory, ['127.0.0.1', 'localhost']);
  mosquitto = await startBroker();
  const url = `mqtts://127.0.0.1:${mosquitto.port}`;
  platform = await Platform.start({ broker: { url, ca: identity.ca, ...operator } });
  await platform.devices.add(key);
  client = mqtt.connect(url, {
    ...signIn(key, { timestamp }),
    ca: identity.ca,
    reconnectPeriod: 10,
  });
  const { productKey, deviceName } = key;
  device = attachMqttJs(client, { productKey, deviceName, fetch: { ca: platform.ca } });
});

afterAll(async () => {
  await device?.close();
  await client?.endAsync();
  await platform?.close();
  await mosquitto?.stop();
  await rm(directory, { recursive: true, force: true });
});

async function update(version: string, protocol: 'https' | 'mqtt'): Promise<void> {
  const firmware = await platform.firmware.add({
    productKey: key.productKey,
    version,
    data: image,
    signMethod: 'SHA256',
  });
  const next = device.ota.nextUpgrade();
  const { id } = await platform.upgrades.start({
    firmwareId: firmware.id,
    devices: [key.deviceName],
    protocol,
  });
  const upgrade = await next;
  const file = inDirectory(`${version}.bin`);
  await upgrade.download(file);
  expect(image.equals(await readFile(file))).toBe(true);
  await device.ota.reportVersion(version);
  expect((await platform.upgrades.settled(id)).tasks).toMatchObject([{ state: 'succeeded' }]);
}

test('updates over https and in blocks', async () => {
  await device.ota.reportVersion('1.0.0');
  await update('2.0.0', 'https');
  await update('3.0.0', 'mqtt');
});

test('and again after the broker was restarted', async () => {
  const { port } = mosquitto;
  const lost = new Promise<void>((resolve) => {
    device.on('state', ({ state }) => {
      if (state === 'waiting') resolve();
    });
  });
  await mosquitto.stop();
  await lost;
  const reported = device.ota.reportVersion('3.0.0');
  mosquitto = await startBroker(port);
  await reported;
  expect(device.state).toBe('connected');
  await update('4.0.0', 'mqtt');
});
