import { generateKeyPairSync } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import type { ConfigChange, Device, RemoteConfig } from 'iotkit-ota';
import type { ConfigPush } from 'iotkit-ota-platform';
import { PRODUCT_KEY, World } from '../support/world';

const content = JSON.stringify({ colour: 'grün', interval: 60 });
const bytes = Buffer.byteLength(content);

async function lamp(): Promise<{ readonly world: World; readonly device: Device }> {
  const world = await World.open();
  const device = await world.connect(await world.register());
  return { world, device };
}

const set = (world: World, data: string, signMethod: 'MD5' | 'SHA256' = 'SHA256') =>
  world.platform.configs.set({ productKey: PRODUCT_KEY, data, signMethod });
const push = (world: World): Promise<ConfigPush[]> =>
  world.platform.configs.push({ productKey: PRODUCT_KEY });

async function next(changes: ReturnType<RemoteConfig['changes']>): Promise<ConfigChange> {
  const { value } = await changes.next();
  return value as ConfigChange;
}

/** Until the device has asked by itself and heard that there is none. */
async function subscribed(world: World, device: Device): Promise<void> {
  await device.config.get();
  expect(world.platform.configs.get(PRODUCT_KEY)).toBeUndefined();
}

test.each([
  ['SHA256', 'Sha256', 'sha256'],
  ['MD5', 'Md5', 'md5'],
] as const)(
  'a configuration is asked for and read (%s)',
  async (signMethod, wire, digestMethod) => {
    const { world, device } = await lamp();
    const { id } = await set(world, content, signMethod);
    const change = await device.config.get();
    expect(change).toMatchObject({ configId: id, size: bytes, signMethod: wire, digestMethod });
    expect(change?.awaitsAnswer).toBe(false);
    expect(await change?.text()).toBe(content);
    expect(await change?.json()).toEqual({ colour: 'grün', interval: 60 });
    expect(await device.config.get()).toBe(change);
  },
);

test('a product without a configuration has none', async () => {
  const { device } = await lamp();
  expect(await device.config.get()).toBeUndefined();
});

test('a pushed configuration is saved whole, and accepted', async () => {
  const { world, device } = await lamp();
  const changes = device.config.changes();
  await subscribed(world, device);
  const { id } = await set(world, content);
  const pushing = push(world);
  const change = await next(changes);
  expect(change).toMatchObject({ configId: id, size: bytes, awaitsAnswer: true, state: 'open' });
  const target = world.path('config.json');
  await change.save({ path: target, mode: 0o600 });
  expect(await readFile(target, 'utf8')).toBe(content);
  expect((await stat(target)).mode & 0o777).toBe(0o600);
  expect(await world.files()).toEqual(['config.json']);
  await change.accept();
  expect(await pushing).toEqual([
    { productKey: PRODUCT_KEY, deviceName: 'lamp', configId: id, state: 'accepted', code: 200 },
  ]);
});

test('the operator reads why a configuration was rejected', async () => {
  const { world, device } = await lamp();
  const changes = device.config.changes();
  await subscribed(world, device);
  await set(world, content);
  const pushing = push(world);
  const change = await next(changes);
  await change.reject(500, 'no such "colour"');
  const [answer] = await pushing;
  expect(answer).toMatchObject({ state: 'refused', code: 500, message: 'no such "colour"' });
});

test('a device that was away gets it with its next connection, and the same one only once', async () => {
  const world = await World.open();
  const device = await world.connect(await world.register(), { reconnect: { min: 1, max: 10 } });
  const changes = device.config.changes();
  await subscribed(world, device);
  const { id } = await set(world, content);
  await reconnect(world, device);
  const first = await next(changes);
  expect(first.configId).toBe(id);
  const asked = world.platform.waitFor('config-sent');
  await reconnect(world, device);
  await asked;
  expect(await device.config.get()).toBe(first);
  const second = await set(world, '{}');
  const pushing = push(world);
  const newer = await next(changes);
  expect(newer.configId).toBe(second.id);
  await newer.accept();
  expect(await pushing).toMatchObject([{ state: 'accepted' }]);
});

test('nothing is handed out of a configuration that is not the announced one', async () => {
  const { world, device } = await lamp();
  await set(world, content);
  const change = (await device.config.get()) as ConfigChange;
  world.platform.faults.set({ kind: 'http-corrupt', offset: 3 });
  await expect(change.save(world.path('config.json'))).rejects.toMatchObject({
    code: 'ERR_DIGEST_MISMATCH',
  });
  expect(await world.files()).toEqual([]);
});

test('an expired URL is replaced by asking again', async () => {
  const { world, device } = await lamp();
  await set(world, content);
  const change = (await device.config.get()) as ConfigChange;
  world.platform.faults.set({ kind: 'http-expired', times: 1 });
  const asked = world.platform.waitFor('config-sent');
  expect(await change.text()).toBe(content);
  await asked;
});

test('keys for firmware do not keep a configuration from being read', async () => {
  const world = await World.open();
  const device = await world.connect(await world.register(), {
    verify: { publicKeys: [publicKey()] },
  });
  await set(world, content);
  const change = await device.config.get();
  expect(await change?.text()).toBe(content);
});

test('closing the device ends iterations and downloads', async () => {
  const { world, device } = await lamp();
  await set(world, content);
  const changes = device.config.changes();
  const change = await next(changes);
  await device.close();
  expect((await changes.next()).done).toBe(true);
  await expect(change.text()).rejects.toMatchObject({ code: 'ERR_CLOSED' });
  await expect(device.config.get()).rejects.toMatchObject({ code: 'ERR_CLOSED' });
});

/** Drops the connection; resolves when there is another one. */
async function reconnect({ platform }: World, device: Device): Promise<void> {
  const back = platform.waitFor('device-connected');
  platform.faults.set({ kind: 'mqtt-drop', on: 'publish', times: 1 });
  await device.ota.reportVersion('1.0.0');
  await back;
}

function publicKey(): string {
  const { publicKey: key } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  return key.export({ type: 'spki', format: 'pem' }).toString();
}
