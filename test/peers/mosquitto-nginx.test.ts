import { cp, mkdir, mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { connect, type Device } from 'iotkit-ota';
import {
  type Firmware,
  localIdentity,
  signIn,
  type TlsIdentity,
  type Upgrade,
} from 'iotkit-ota-platform';
import { PlatformCli } from '../support/cli';
import { fromDebianPackage, type PackagedFile } from '../support/debian';
import { md5 } from '../support/image';
import { type Mosquitto, startMosquitto } from '../support/mosquitto';
import { type Nginx, type NginxOptions, startNginx } from '../support/nginx';
import { runWell } from '../support/process';
import { type MoreOptions, nextUpgrade, statesOf } from '../support/world';

// A broker with a list of passwords has to know the device's before it connects: it must be the
// same each time.
const timestamp = 1_700_000_000_000;
const key = { productKey: 'a1Peers', deviceName: 'board', deviceSecret: 'f'.repeat(32) };
const operator = { username: 'platform', password: 'a password with spaces' };

let directory: string;
let identity: TlsIdentity;
let image: PackagedFile;
let mosquitto: Mosquitto;
let nginx: Nginx;
let cli: PlatformCli;
const inDirectory = (name: string): string => path.join(directory, name);

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'iotkit-ota-peers-'));
  identity = await localIdentity(directory, ['127.0.0.1', 'localhost']);
  await mkdir(inDirectory('debian'));
  image = await fromDebianPackage(
    'u-boot-qemu',
    'usr/lib/u-boot/qemu_arm64/u-boot.bin',
    inDirectory('debian'),
  );
  mosquitto = await startBroker();
  await mkdir(inDirectory('www'));
  nginx = await startServer();
  cli = new PlatformCli(inDirectory('state'), {
    IOTKIT_PLATFORM_BROKER_PASSWORD: operator.password,
  });
  await cli.serve([
    ...['--broker', `mqtts://127.0.0.1:${mosquitto.port}`],
    ...['--broker-username', operator.username, '--broker-ca', inDirectory('ca.pem')],
    ...['--firmware-base-url', nginx.httpsUrl],
  ]);
  const { productKey, deviceName, deviceSecret } = key;
  await cli.run('device', 'add', productKey, deviceName, '--secret', deviceSecret);
});

afterAll(async () => {
  await cli?.stop();
  await nginx?.stop();
  await mosquitto?.stop();
  await rm(directory, { recursive: true, force: true });
});

function startBroker(port?: number): Promise<Mosquitto> {
  const { username, password } = signIn(key, { timestamp: String(timestamp) });
  return startMosquitto({
    directory: inDirectory('mosquitto'),
    ...identity,
    users: [{ username, password }, operator],
    ...(port !== undefined && { port }),
  });
}

function startServer(options: Partial<NginxOptions> = {}): Promise<Nginx> {
  return startNginx({
    directory: inDirectory('nginx'),
    root: inDirectory('www'),
    ...identity,
    ...options,
  });
}

const devices: Device[] = [];

afterEach(async () => {
  for (const device of devices.splice(0)) await device.close();
});

async function boot(options: MoreOptions = {}): Promise<Device> {
  const device = await connect({
    ...key,
    url: `mqtts://127.0.0.1:${mosquitto.port}`,
    tls: { ca: identity.ca },
    timestamp,
    ...options,
  });
  devices.push(device);
  return device;
}

test('the image is the one the package records', async () => {
  expect((await stat(image.file)).size).toBeGreaterThan(500_000);
  expect(md5(await readFile(image.file))).toBe(image.md5);
});

test('mosquitto refuses a device with another password', async () => {
  await expect(boot({ deviceSecret: 'wrong' })).rejects.toMatchObject({
    code: 'ERR_MQTT_NOT_AUTHORIZED',
  });
});

test('a board takes a real firmware through mosquitto and nginx', async () => {
  const firmware = await cli.run<Firmware>(
    ...['firmware', 'add', key.productKey, '2023.01', image.file, '--sign-method', 'MD5'],
  );
  expect(firmware).toMatchObject({ md5: image.md5, signMethod: 'MD5' });
  await cp(image.file, inDirectory(`www/${firmware.id}.bin`));

  const before = await boot();
  await before.ota.reportVersion('2022.10');
  const announced = nextUpgrade(before);
  const started = await cli.run<Upgrade>('upgrade', 'start', firmware.id, key.deviceName);
  const upgrade = await announced;
  expect(upgrade).toMatchObject({ version: '2023.01', digest: image.md5 });
  expect(upgrade.url.startsWith(nginx.httpsUrl)).toBe(true);
  await upgrade.download(inDirectory('u-boot.bin'));
  expect(md5(await readFile(inDirectory('u-boot.bin')))).toBe(image.md5);
  await before.close();

  const after = await boot();
  await after.ota.reportVersion('2023.01');
  await after.close();
  const { tasks } = await cli.run<Upgrade>('upgrade', 'status', started.id);
  // What was published to somebody else's broker is not delivered until the device is heard.
  expect(tasks.map(statesOf)).toEqual([['pending', 'upgrading', 'succeeded']]);
});

test('a persistent session on mosquitto holds a notice for a device that is away', async () => {
  const device = await boot({ cleanSession: false });
  await device.ota.reportVersion('2023.01');
  await device.close();

  const firmware = await cli.run<Firmware>(
    ...['firmware', 'add', key.productKey, '2023.04', image.file],
  );
  await cp(image.file, inDirectory(`www/${firmware.id}.bin`));
  // The platform cannot see that the device is away from somebody else's broker: it publishes, the
  // broker keeps.
  await cli.run<Upgrade>('upgrade', 'start', firmware.id, key.deviceName);

  const back = await boot({ cleanSession: false });
  const upgrade = await nextUpgrade(back);
  expect(upgrade.version).toBe('2023.04');
  await upgrade.download(inDirectory('u-boot-2023.04.bin'));
  await back.ota.reportVersion('2023.04');
  await back.close();
});

test('a download goes on where a restart of nginx has cut it off', async () => {
  const firmware = await cli.run<Firmware>(
    ...['firmware', 'add', key.productKey, '2023.07', image.file],
  );
  await cp(image.file, inDirectory(`www/${firmware.id}.bin`));
  const device = await boot({ fetch: { maxRetries: 1000, retry: { min: 1, max: 20 } } });
  const announced = nextUpgrade(device);
  await device.ota.reportVersion('2023.04');
  await cli.run<Upgrade>('upgrade', 'start', firmware.id, key.deviceName);
  const upgrade = await announced;

  const { ports } = nginx;
  await nginx.stop();
  nginx = await startServer({ ports, server: 'limit_rate_after 400k; limit_rate 1k;' });
  let restarted: Promise<void> | undefined;
  const restart = async (): Promise<void> => {
    await nginx.stop();
    nginx = await startServer({ ports });
  };
  const received: number[] = [];
  await upgrade.download(inDirectory('resumed.bin'), {
    onProgress: (progress) => {
      received.push(progress.received);
      if (progress.received > 0) restarted ??= restart();
    },
  });
  await restarted;
  await device.ota.reportVersion('2023.07');
  await device.close();

  expect(md5(await readFile(inDirectory('resumed.bin')))).toBe(image.md5);
  expect(received).toEqual([...received].sort((a, b) => a - b));
  // A graceful end has written down every request.
  await nginx.stop('SIGQUIT');
  expect(await readFile(nginx.accessLog, 'utf8')).toMatch(/"GET \S+ HTTP\/1\.1" 206 /);
});

test('a report made while mosquitto is down arrives when it is back, and the subscriptions with it', async () => {
  const device = await boot({ reconnect: { min: 1, max: 50 } });
  const { port } = mosquitto;
  await mosquitto.stop();
  const report = device.ota.reportVersion('2023.04');
  mosquitto = await startBroker(port);
  await report;
  // Sent after the connect, so after the subscriptions, too.
  await device.ota.reportVersion('2023.04');

  const announced = nextUpgrade(device);
  const notice = {
    code: '1000',
    data: {
      size: 4,
      version: '2024.01',
      url: `${nginx.httpsUrl}/none.bin`,
      signMethod: 'MD5',
      md5: md5(Buffer.from('none')),
      sign: md5(Buffer.from('none')),
    },
    id: 1507707025,
    message: 'success',
  };
  await runWell('mosquitto_pub', [
    ...['--cafile', inDirectory('ca.pem'), '-h', '127.0.0.1', '-p', String(port), '-q', '1'],
    ...['-u', operator.username, '-P', operator.password],
    ...['-t', `/ota/device/upgrade/${key.productKey}/${key.deviceName}`],
    ...['-m', JSON.stringify(notice)],
  ]);
  expect(await announced).toMatchObject({ id: '1507707025', version: '2024.01', size: 4 });
  await device.close();
});
