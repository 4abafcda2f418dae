import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type ConfigPush, ManualClock, Platform } from '../../src/index';
import { PRODUCT, readyDevice, type TestDevice } from '../support/device';
import { bytes, download, md5, sha256 } from '../support/download';
import { startPlatform, temporaryFolder } from '../support/start';

const data = bytes(5000);

interface ConfigMessage {
  readonly id: string | number;
  readonly code?: number;
  readonly message?: string;
  readonly method?: string;
  readonly params?: Record<string, unknown>;
  readonly data?: Record<string, unknown>;
}

function topic(device: TestDevice, name: string): string {
  return `/sys/${device.names}/thing/config/${name}`;
}

async function configDevice(platform: Platform, deviceName = 'lamp'): Promise<TestDevice> {
  const device = await readyDevice(platform, deviceName);
  await device.client.subscribeAsync([topic(device, 'get_reply'), topic(device, 'push')], {
    qos: 0,
  });
  return device;
}

async function next(device: TestDevice, name: string): Promise<ConfigMessage> {
  const message = await device.next();
  expect(message.topic).toBe(topic(device, name));
  return JSON.parse(message.payload.toString('utf8')) as ConfigMessage;
}

async function ask(device: TestDevice, params: object): Promise<ConfigMessage> {
  await device.send(topic(device, 'get'), params);
  return next(device, 'get_reply');
}

async function answer(device: TestDevice, reply: object | string): Promise<void> {
  const text = typeof reply === 'string' ? reply : JSON.stringify(reply);
  await device.client.publishAsync(topic(device, 'push_reply'), text);
}

const asked = { configScope: 'product', getType: 'file' };

test('a device gets what was set for its product', async () => {
  const platform = await startPlatform();
  const lamp = await configDevice(platform);
  const config = await platform.configs.set({ productKey: PRODUCT, data });
  expect(config).toMatchObject({ size: 5000, md5: md5(data), sha256: sha256(data) });
  const reply = await ask(lamp, asked);
  expect(reply).toEqual({
    id: '2',
    code: 200,
    data: {
      configId: config.id,
      configSize: 5000,
      sign: sha256(data),
      signMethod: 'Sha256',
      url: expect.any(String),
      getType: 'file',
    },
    message: 'success',
  });
  const ended = platform.waitFor('config-download');
  const url = String(reply.data?.url);
  expect((await download(platform, url)).body).toEqual(data);
  expect(await ended).toMatchObject({ configId: config.id, status: 200, bytes: 5000 });
  const ranged = await download(platform, url, { headers: { range: 'bytes=4990-' } });
  expect([ranged.status, ranged.body]).toEqual([206, data.subarray(4990)]);
  const altered = await download(platform, url.replace('/config/', '/firmware/'));
  expect(altered.status).toBe(403);
});

test('a new configuration takes the place of the one before', async () => {
  const platform = await startPlatform();
  const lamp = await configDevice(platform);
  await platform.configs.set({ productKey: PRODUCT, data });
  const before = String((await ask(lamp, asked)).data?.url);
  const config = await platform.configs.set({ productKey: PRODUCT, data: '{}', signMethod: 'MD5' });
  expect((await download(platform, before)).status).toBe(404);
  const reply = await ask(lamp, asked);
  expect(reply.data).toMatchObject({ configId: config.id, sign: md5(Buffer.from('{}')) });
  expect(reply.data).toMatchObject({ signMethod: 'Md5', configSize: 2 });
  expect(await readdir(join(platform.stateDir, 'config'))).toEqual([`${config.id}.bin`]);
  await platform.configs.remove(PRODUCT);
  expect(await readdir(join(platform.stateDir, 'config'))).toEqual([]);
  expect(platform.configs.list()).toEqual([]);
});

test.each([
  ['no configuration', asked, 6710],
  ['another scope', { configScope: 'device', getType: 'file' }, 460],
  ['another way to get it', { configScope: 'product', getType: 'mqtt' }, 460],
])('a request is answered with an error: %s', async (_, params, code) => {
  const platform = await startPlatform();
  const lamp = await configDevice(platform);
  if (code === 460) await platform.configs.set({ productKey: PRODUCT, data });
  expect(await ask(lamp, params)).toEqual({
    id: '2',
    code,
    message: expect.any(String),
    data: {},
  });
});

test('a push waits for the answer of every device', async () => {
  const platform = await startPlatform({ clock: new ManualClock() });
  const lamp = await configDevice(platform);
  const fan = await configDevice(platform, 'fan');
  await platform.devices.add({ productKey: PRODUCT, deviceName: 'away' });
  await platform.devices.add({ productKey: 'a1Other', deviceName: 'lamp' });
  const config = await platform.configs.set({ productKey: PRODUCT, data });
  const pushing = platform.configs.push({ productKey: PRODUCT });
  const toLamp = await next(lamp, 'push');
  expect(toLamp).toMatchObject({
    method: 'thing.config.push',
    params: { configId: config.id, sign: sha256(data), getType: 'file' },
  });
  const toFan = await next(fan, 'push');
  expect(toFan.id).not.toBe(toLamp.id);
  const event = platform.waitFor('config-answered', ({ deviceName }) => deviceName === 'fan');
  await answer(fan, { id: toFan.id, code: 460, message: 'no', data: {} });
  expect(await event).toMatchObject({ configId: config.id, code: 460, message: 'no' });
  await answer(lamp, { id: toLamp.id, code: 200, data: {} });
  const base = { productKey: PRODUCT, configId: config.id };
  expect(await pushing).toEqual<ConfigPush[]>([
    { ...base, deviceName: 'lamp', state: 'accepted', code: 200 },
    { ...base, deviceName: 'fan', state: 'refused', code: 460, message: 'no' },
    { ...base, deviceName: 'away', state: 'offline' },
  ]);
});

test('what is no answer to a push is reported and changes nothing', async () => {
  const clock = new ManualClock();
  const platform = await startPlatform({ clock });
  const lamp = await configDevice(platform);
  const fan = await configDevice(platform, 'fan');
  await platform.configs.set({ productKey: PRODUCT, data });
  const pushing = platform.configs.push({
    productKey: PRODUCT,
    devices: ['lamp', 'lamp'],
    timeoutSeconds: 5,
  });
  const { id } = await next(lamp, 'push');
  const bad: [TestDevice, object | string, RegExp][] = [
    [lamp, '{', /not JSON/],
    [lamp, [], /not an object/],
    [lamp, { id, code: 'x' }, /code must be/],
    [lamp, { id: '', code: 460 }, /id must be/],
    [lamp, { id: '1', code: 200 }, /no push with this id/],
    [fan, { id, code: 200 }, /no push with this id/],
  ];
  for (const [device, reply, reason] of bad) {
    const event = platform.waitFor('bad-message');
    await answer(device, reply);
    expect((await event).reason).toMatch(reason);
  }
  clock.advance(5000);
  expect(await pushing).toMatchObject([{ deviceName: 'lamp', state: 'unanswered' }]);
  const late = platform.waitFor('bad-message');
  await answer(lamp, { id, code: 200, data: {} });
  expect((await late).reason).toMatch(/no push with this id/);
});

test('a push ends with its signal and with the platform', async () => {
  const platform = await startPlatform();
  const lamp = await configDevice(platform);
  await platform.configs.set({ productKey: PRODUCT, data });
  const controller = new AbortController();
  const pushing = platform.configs.push({ productKey: PRODUCT }, { signal: controller.signal });
  await next(lamp, 'push');
  controller.abort(new Error('enough'));
  await expect(pushing).rejects.toThrow('enough');
  const other = platform.configs.push({ productKey: PRODUCT });
  await next(lamp, 'push');
  const ended = expect(other).rejects.toMatchObject({ code: 'ERR_CLOSED' });
  await platform.close();
  await ended;
  await expect(platform.configs.push({ productKey: PRODUCT })).rejects.toMatchObject({
    code: 'ERR_CLOSED',
  });
});

test('configurations outlive a restart', async () => {
  const stateDir = await temporaryFolder();
  const first = await Platform.start({ stateDir });
  const config = await first.configs.set({ productKey: PRODUCT, data });
  await first.close();
  const platform = await startPlatform({ stateDir });
  expect(platform.configs.get(PRODUCT)).toEqual(config);
  const lamp = await configDevice(platform);
  const reply = await ask(lamp, asked);
  expect((await download(platform, String(reply.data?.url))).body).toEqual(data);
});

test('a file server that can misbehave does so with configurations too', async () => {
  const platform = await startPlatform({ firmwareBaseUrl: 'https://elsewhere.example' });
  const lamp = await configDevice(platform);
  await platform.configs.set({ productKey: PRODUCT, data });
  // Firmware elsewhere: configurations are still served here.
  const url = String((await ask(lamp, asked)).data?.url);
  expect(url.startsWith('https://127.0.0.1:')).toBe(true);
  expect((await download(platform, url)).body).toEqual(data);
  const own = await startPlatform();
  const other = await configDevice(own);
  await own.configs.set({ productKey: PRODUCT, data });
  own.faults.set({ kind: 'http-corrupt', offset: 0 });
  const spoilt = await download(own, String((await ask(other, asked)).data?.url));
  expect(spoilt.body).not.toEqual(data);
});

test.each([
  ['an empty one', { productKey: PRODUCT, data: '' }, 'ERR_INVALID_ARGUMENT'],
  ['one that is too long', { productKey: PRODUCT, data: bytes(65_537) }, 'ERR_CONFIG_TOO_LARGE'],
  ['no product', { productKey: '', data }, 'ERR_INVALID_ARGUMENT'],
  ['no data', { productKey: PRODUCT, data: 5 as never }, 'ERR_INVALID_ARGUMENT'],
  [
    'another method',
    { productKey: PRODUCT, data, signMethod: 'SHA1' as never },
    'ERR_INVALID_ARGUMENT',
  ],
])('set refuses %s', async (_, options, code) => {
  const platform = await startPlatform();
  await expect(platform.configs.set(options)).rejects.toMatchObject({ code });
  expect(platform.configs.list()).toEqual([]);
});

test('a configuration may have 64 KiB', async () => {
  const platform = await startPlatform();
  const config = await platform.configs.set({ productKey: PRODUCT, data: bytes(65_536) });
  expect(config.size).toBe(65_536);
});

test('push and remove refuse what does not exist', async () => {
  const platform = await startPlatform();
  const unknown = { code: 'ERR_CONFIG_UNKNOWN' };
  await expect(platform.configs.push({ productKey: PRODUCT })).rejects.toMatchObject(unknown);
  await expect(platform.configs.remove(PRODUCT)).rejects.toMatchObject(unknown);
  await platform.configs.set({ productKey: PRODUCT, data });
  await expect(
    platform.configs.push({ productKey: PRODUCT, devices: ['nobody'] }),
  ).rejects.toMatchObject({ code: 'ERR_DEVICE_UNKNOWN' });
  await expect(
    platform.configs.push({ productKey: PRODUCT, timeoutSeconds: 0 }),
  ).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' });
});
