import { type AddressInfo, createServer } from 'node:net';
import { Aedes } from 'aedes';
import { type Device, Platform } from '../src/index';
import { atEnd } from './support/clean-up';
import { PRODUCT, TestDevice } from './support/device';
import { bytes, download } from './support/download';
import { startPlatform, temporaryFolder } from './support/start';

const image = bytes(50_000);

/** A broker that knows nothing of the platform's protocol. */
async function startBroker(login?: { username: string; password: string }): Promise<string> {
  const broker = await Aedes.createBroker({
    authenticate: (_client, username, password, done) => {
      const good = username === login?.username && password?.toString() === login?.password;
      done(null, login === undefined || username !== 'platform' || good);
    },
  });
  const server = createServer(broker.handle);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  atEnd(async () => {
    await new Promise<void>((resolve) => broker.close(resolve));
    await new Promise((resolve) => server.close(resolve));
  });
  return `mqtt://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function ready(platform: Platform, device: Device, url: string): Promise<TestDevice> {
  const lamp = await TestDevice.connect(platform, device, { url });
  await lamp.subscribe();
  const reported = platform.waitFor('version-reported');
  await lamp.inform('1.0.0');
  await reported;
  return lamp;
}

test('a configuration is pushed and asked for through it', async () => {
  const url = await startBroker();
  const platform = await startPlatform({ broker: { url } });
  const device = await platform.devices.add({ productKey: PRODUCT, deviceName: 'lamp' });
  await platform.configs.set({ productKey: PRODUCT, data: image });
  expect(await platform.configs.push({ productKey: PRODUCT })).toMatchObject([
    { state: 'offline' },
  ]);
  const lamp = await ready(platform, device, url);
  const topics = `/sys/${lamp.names}/thing/config`;
  await lamp.client.subscribeAsync([`${topics}/push`, `${topics}/get_reply`]);
  const pushing = platform.configs.push({ productKey: PRODUCT });
  const { id } = await lamp.notice();
  await lamp.client.publishAsync(`${topics}/push_reply`, JSON.stringify({ id, code: 200 }));
  expect(await pushing).toMatchObject([{ state: 'accepted' }]);
  await lamp.send(`${topics}/get`, { configScope: 'product', getType: 'file' });
  const { data } = await lamp.notice();
  expect((await download(platform, data.url)).body.equals(image)).toBe(true);
});

test('the whole job goes through a broker of somebody else', async () => {
  const login = { username: 'platform', password: 'secret' };
  const url = await startBroker(login);
  const platform = await startPlatform({ broker: { url, ...login } });
  expect(platform.ports).toEqual({ http: expect.any(Number), https: expect.any(Number) });
  expect(() => platform.mqttUrl).toThrow(expect.objectContaining({ code: 'ERR_NOT_FOUND' }));
  const device = await platform.devices.add({ productKey: PRODUCT, deviceName: 'lamp' });
  const lamp = await ready(platform, device, url);
  expect(platform.devices.get(device)?.online).toBe(true);
  const firmware = await platform.firmware.add({ productKey: PRODUCT, version: '2', data: image });
  const { id } = await platform.upgrades.start({ firmwareId: firmware.id, devices: ['lamp'] });
  const { data } = await lamp.notice();
  expect((await download(platform, data.url)).body.equals(image)).toBe(true);
  await lamp.progress(100);
  await lamp.inform('2');
  const { tasks } = await platform.upgrades.settled(id);
  expect(tasks[0]?.history.map(({ state }) => state)).toEqual([
    'pending',
    'pushed',
    'upgrading',
    'succeeded',
  ]);
});

test('a notice that found nobody is sent again with the next version report', async () => {
  const url = await startBroker();
  const platform = await startPlatform({ broker: { url } });
  const device = await platform.devices.add({ productKey: PRODUCT, deviceName: 'lamp' });
  const lamp = await ready(platform, device, url);
  await lamp.disconnect();
  const firmware = await platform.firmware.add({ productKey: PRODUCT, version: '2', data: image });
  await platform.upgrades.start({ firmwareId: firmware.id, devices: ['lamp'] });
  const again = await ready(platform, device, url);
  expect((await again.notice()).data.version).toBe('2');
});

test('a restart reaches the devices that stayed connected', async () => {
  const url = await startBroker();
  const stateDir = await temporaryFolder();
  const before = await startPlatform({ broker: { url }, stateDir });
  const device = await before.devices.add({ productKey: PRODUCT, deviceName: 'lamp' });
  const lamp = await ready(before, device, url);
  const firmware = await before.firmware.add({ productKey: PRODUCT, version: '2', data: image });
  const { id } = await before.upgrades.start({
    firmwareId: firmware.id,
    devices: ['lamp'],
    requireConfirmation: true,
  });
  await before.close();
  const after = await startPlatform({ broker: { url }, stateDir });
  await after.upgrades.confirm(id);
  expect((await lamp.notice()).data.version).toBe('2');
  await after.close();
  // What was pushed may have been lost in between: it is sent again.
  await startPlatform({ broker: { url }, stateDir });
  expect((await lamp.notice()).data.version).toBe('2');
});

test('the legacy request does not make the platform answer itself', async () => {
  const url = await startBroker();
  const platform = await startPlatform({ broker: { url } });
  const device = await platform.devices.add({ productKey: PRODUCT, deviceName: 'lamp' });
  const lamp = await ready(platform, device, url);
  const firmware = await platform.firmware.add({ productKey: PRODUCT, version: '2', data: image });
  await platform.upgrades.start({ firmwareId: firmware.id, devices: ['lamp'], delivery: 'pull' });
  const topic = `/ota/device/request/${lamp.names}`;
  await lamp.client.subscribeAsync(topic, { qos: 1 });
  const sent: string[] = [];
  platform.on('notice-sent', (event) => sent.push(event.topic));
  await lamp.send(topic, { version: '1.0.0' }, 1);
  // Its own request comes back to the device first: this broker makes no difference.
  expect(await lamp.notice()).toHaveProperty('params');
  expect(await lamp.notice()).toMatchObject({ code: '1000', data: { version: '2' } });
  const reported = platform.waitFor('version-reported');
  await lamp.inform('1.0.0');
  await reported;
  expect(sent).toEqual([topic]);
});

test('devices that are not registered are told of, and no more', async () => {
  const url = await startBroker();
  const platform = await startPlatform({ broker: { url } });
  const stranger = { productKey: PRODUCT, deviceName: 'x', deviceSecret: 's' } as Device;
  const device = await TestDevice.connect(platform, stranger, { url });
  const complaint = platform.waitFor('bad-message');
  await device.inform('1.0.0');
  expect(await complaint).toMatchObject({ reason: 'the device is not registered' });
  expect(platform.devices.list()).toEqual([]);
});

test('a broker that cannot be joined, or is asked to misbehave, is an error', async () => {
  const url = await startBroker({ username: 'platform', password: 'secret' });
  const wrong = Platform.start({
    broker: { url: url.replace('//', '//platform:hunter2@'), username: 'platform', password: 'x' },
  });
  await expect(wrong).rejects.toMatchObject({ code: 'ERR_BROKER' });
  await expect(wrong).rejects.not.toThrow('hunter2');
  const platform = await startPlatform({ broker: { url } });
  const device = await platform.devices.add({ productKey: PRODUCT, deviceName: 'lamp' });
  expect(() => platform.devices.disconnect(device)).toThrow(
    expect.objectContaining({ code: 'ERR_FAULT_UNSUPPORTED' }),
  );
  expect(() => platform.faults.set({ kind: 'mqtt-no-puback' })).toThrow(
    expect.objectContaining({ code: 'ERR_FAULT_UNSUPPORTED' }),
  );
});
