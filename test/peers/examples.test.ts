import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { IOT_Ioctl, IOT_SetupConnInfo, IOTX_IOCTL_SET_MQTT_TLS } from 'iotkit-ota/sdk';
import { localIdentity, Platform } from 'iotkit-ota-platform';
import { buildProgram } from '../parity/support/build';
import { imageOf } from '../support/image';
import { type Mosquitto, startMosquitto } from '../support/mosquitto';
import { type Nginx, startNginx } from '../support/nginx';
import { runWell } from '../support/process';

// The example in C and the one in TypeScript, against a real mosquitto and a real nginx. The
// sign-in of the published API has a fixed timestamp, so the broker can know the passwords.

const root = path.join(__dirname, '..', '..');
const image = imageOf(2_000_003);
const productKey = 'a1Peers';
const deviceSecret = 'e'.repeat(32);
const names = ['c', 'ts'] as const;
const operator = { username: 'platform', password: 'secret' };

let directory: string;
let mosquitto: Mosquitto;
let nginx: Nginx;
let platform: Platform;
let firmwareId: string;
let programs: Readonly<Record<(typeof names)[number], readonly [string, ...string[]]>>;
const inDirectory = (name: string): string => path.join(directory, name);

beforeAll(async () => {
  programs = {
    c: [await buildProgram('example-ota', path.join(root, 'examples/c/ota.c'))],
    ts: [process.execPath, path.join(root, 'examples/dist/ts/ota-sdk.js')],
  };
  directory = await mkdtemp(path.join(tmpdir(), 'iotkit-ota-peers-'));
  const identity = await localIdentity(directory, ['127.0.0.1', 'localhost']);
  await writeFile(inDirectory('trusted.pem'), identity.ca);
  IOT_Ioctl(IOTX_IOCTL_SET_MQTT_TLS, 1);
  const users = names.map((name) => {
    const [, info] = IOT_SetupConnInfo(productKey, name, deviceSecret);
    if (info === null) throw new Error('IOT_SetupConnInfo failed');
    return info;
  });
  mosquitto = await startMosquitto({
    directory: inDirectory('mosquitto'),
    ...identity,
    users: [...users, operator],
  });
  await mkdir(inDirectory('www'));
  nginx = await startNginx({
    directory: inDirectory('nginx'),
    root: inDirectory('www'),
    ...identity,
  });
  platform = await Platform.start({
    broker: { url: `mqtts://127.0.0.1:${mosquitto.port}`, ca: identity.ca, ...operator },
    firmwareBaseUrl: nginx.httpsUrl,
  });
  ({ id: firmwareId } = await platform.firmware.add({
    productKey,
    version: '2.0.0',
    data: image,
    signMethod: 'SHA256',
  }));
  await cp(platform.firmware.path(firmwareId), inDirectory(`www/${firmwareId}.bin`));
});

afterAll(async () => {
  await platform?.close();
  await nginx?.stop();
  await mosquitto?.stop();
  await rm(directory, { recursive: true, force: true });
});

test.each(names)('%s updates a device', async (name) => {
  await platform.devices.add({ productKey, deviceName: name, deviceSecret });
  const { id } = await platform.upgrades.start({ firmwareId, devices: [name] });
  const output = inDirectory(`${name}.bin`);
  const [command, ...first] = programs[name];
  const identity = [productKey, name, deviceSecret, '1.0.0', output];
  const place = ['127.0.0.1', String(mosquitto.port), inDirectory('trusted.pem')];
  const said = await runWell(command, [...first, ...place, ...identity]);
  expect(said).toContain('the image is the announced one');
  expect((await readFile(output)).equals(image)).toBe(true);
  const { tasks } = await platform.upgrades.settled(id);
  expect(tasks[0]?.state).toBe('succeeded');
});
