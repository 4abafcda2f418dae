import { type Device, ManualClock, Platform } from '../../src/index';
import { PRODUCT, readyDevice, type TestDevice } from '../support/device';
import { startPlatform, temporaryFolder } from '../support/start';

const START = 1_700_000_000_000;

function entry(logContent: string, over: object = {}) {
  return {
    utcTime: '2026-11-29T12:00:00.000+0000',
    logLevel: 'WARN',
    module: 'agent',
    code: '7',
    logContent,
    ...over,
  };
}

async function loggingDevice(platform: Platform, deviceName = 'lamp'): Promise<TestDevice> {
  const lamp = await readyDevice(platform, deviceName);
  await lamp.client.subscribeAsync([
    `/sys/${lamp.names}/thing/log/post_reply`,
    `/sys/${lamp.names}/thing/config/log/+`,
  ]);
  return lamp;
}

/** Posts, and gives the answer. */
async function post(lamp: TestDevice, entries: readonly unknown[], id: unknown = '5') {
  const message = { id, version: '1.0', params: entries, method: 'thing.log.post' };
  await lamp.client.publishAsync(`/sys/${lamp.names}/thing/log/post`, JSON.stringify(message));
  const { topic, payload } = await lamp.next();
  expect(topic).toBe(`/sys/${lamp.names}/thing/log/post_reply`);
  return JSON.parse(payload.toString());
}

test('what a device uploads is kept in order, and given by time and number', async () => {
  const clock = new ManualClock(START);
  const platform = await startPlatform({ clock });
  const lamp = await loggingDevice(platform);
  const heard = platform.waitFor('log-posted');
  expect(await post(lamp, [entry('a'), entry('b', { utcTime: 'now', traceContext: 't' })])).toEqual(
    {
      id: '5',
      code: 200,
      data: {},
    },
  );
  expect(await heard).toMatchObject({ deviceName: 'lamp', entries: 2 });
  clock.advance(1000);
  await post(lamp, [entry('c', { logLevel: 'FATAL' })]);
  const key = { productKey: PRODUCT, deviceName: 'lamp' };
  const time = Date.parse('2026-11-29T12:00:00Z');
  expect(platform.logs.list(key)).toEqual([
    { ...key, time, receivedAt: START, ...entry('a') },
    { ...key, receivedAt: START, ...entry('b', { utcTime: 'now', traceContext: 't' }) },
    { ...key, time, receivedAt: START + 1000, ...entry('c', { logLevel: 'FATAL' }) },
  ]);
  const contents = (selection: object) =>
    platform.logs.list(key, selection).map(({ logContent }) => logContent);
  expect(contents({ limit: 2 })).toEqual(['b', 'c']);
  expect(contents({ since: START + 1 })).toEqual(['c']);
  expect(contents({ until: START + 1000 })).toEqual(['a', 'b']);
  await platform.logs.clear(key);
  expect(platform.logs.list(key)).toEqual([]);
});

test('a post that is wrong is answered with its code, and nothing of it is kept', async () => {
  const platform = await startPlatform();
  const lamp = await loggingDevice(platform);
  const complaint = platform.waitFor('bad-message');
  expect(await post(lamp, [entry('a'), entry('b', { logLevel: 'loud' })], 9)).toMatchObject({
    id: 9,
    code: 460,
    message: expect.stringContaining('params[1].logLevel'),
  });
  expect(await complaint).toMatchObject({ topic: expect.stringContaining('log/post') });
  expect(platform.logs.list(lamp.device)).toEqual([]);
});

test('the last 256 KiB of a device are kept, over a restart as well', async () => {
  const stateDir = await temporaryFolder();
  const before = await Platform.start({ stateDir });
  const lamp = await loggingDevice(before);
  for (let i = 0; i < 3; i += 1) {
    const big = Array.from({ length: 25 }, (_, j) => entry(`${i}.${j}.`.padEnd(4096, 'x')));
    await post(lamp, big);
  }
  const shown = (platform: Platform) =>
    platform.logs.list(lamp.device).map(({ logContent }) => logContent.slice(0, 4));
  expect(shown(before)).toHaveLength(50);
  expect(shown(before)[0]).toBe('1.0.');
  await before.close();
  const after = await startPlatform({ stateDir });
  expect(shown(after)).toHaveLength(50);
  expect(shown(after)[0]).toBe('1.0.');
});

describe('whether logs are wanted', () => {
  async function ask(lamp: TestDevice, params: object): Promise<unknown> {
    await lamp.send(`/sys/${lamp.names}/thing/config/log/get`, params);
    let message = await lamp.next();
    while (message.topic.endsWith('/get')) message = await lamp.next();
    return JSON.parse(message.payload.toString());
  }
  const right = { configScope: 'device', getType: 'content' };

  test('is asked and told', async () => {
    const platform = await startPlatform();
    const lamp = await loggingDevice(platform);
    const mode = (of: number) => ({ data: { getType: 'content', content: { mode: of } } });
    expect(await ask(lamp, right)).toMatchObject({ code: 200, ...mode(0) });
    await platform.logs.want(lamp.device, true);
    const push = await lamp.next();
    expect(push.topic).toBe(`/sys/${lamp.names}/thing/config/log/push`);
    expect(JSON.parse(push.payload.toString())).toMatchObject({
      method: 'thing.config.log.push',
      params: { content: { mode: 1 } },
    });
    expect(await ask(lamp, right)).toMatchObject(mode(1));
    expect(await ask(lamp, { ...right, configScope: 'x' })).toMatchObject({ code: 6718 });
    expect(await ask(lamp, { ...right, getType: 'x' })).toMatchObject({ code: 6717 });
  });

  test('outlives a restart, and ends with the device', async () => {
    const stateDir = await temporaryFolder();
    const before = await Platform.start({ stateDir });
    const device: Device = await before.devices.add({ productKey: PRODUCT, deviceName: 'lamp' });
    await before.logs.want(device, true);
    await before.close();
    const after = await startPlatform({ stateDir });
    expect(after.logs.isWanted(device)).toBe(true);
    await after.devices.remove(device);
    await after.devices.add(device);
    expect(after.logs.isWanted(device)).toBe(false);
    await after.logs.want(device, true);
    await after.logs.want(device, false);
    expect(after.logs.isWanted(device)).toBe(false);
  });
});

test.each([
  ['list', (platform: Platform, key: Device) => platform.logs.list(key)],
  ['want', (platform: Platform, key: Device) => platform.logs.want(key, true)],
  ['clear', (platform: Platform, key: Device) => platform.logs.clear(key)],
])('%s of a device that is not registered is refused', async (_, call) => {
  const platform = await startPlatform();
  const stranger = { productKey: PRODUCT, deviceName: 'x' } as Device;
  await expect((async () => call(platform, stranger))()).rejects.toMatchObject({
    code: 'ERR_DEVICE_UNKNOWN',
  });
});

test("an upgrade shows what its devices wrote since it began, and not the next one's", async () => {
  const clock = new ManualClock(START);
  const platform = await startPlatform({ clock });
  const lamp = await loggingDevice(platform);
  const fan = await loggingDevice(platform, 'fan');
  await post(lamp, [entry('before')]);
  const start = async (version: string, devices: string[]) => {
    const file = Buffer.from(version);
    const image = await platform.firmware.add({ productKey: PRODUCT, version, data: file });
    clock.advance(1000);
    return platform.upgrades.start({ firmwareId: image.id, devices });
  };
  const first = await start('2.0.0', ['lamp', 'fan']);
  const read = async (each: TestDevice) => {
    // Notices come between.
    let message = await each.next();
    while (!message.topic.endsWith('post_reply')) message = await each.next();
  };
  const say = async (each: TestDevice, text: string) => {
    const message = { id: 1, params: [entry(text)], method: 'thing.log.post' };
    await each.client.publishAsync(`/sys/${each.names}/thing/log/post`, JSON.stringify(message));
    await read(each);
  };
  await say(lamp, 'lamp, first');
  clock.advance(1000);
  await say(fan, 'fan, first');
  await platform.upgrades.cancel(first.id);
  const second = await start('2.0.1', ['lamp']);
  await say(lamp, 'lamp, second');
  await say(fan, 'fan, later');
  const shown = (id: string, devices?: string[]) =>
    platform.upgrades.logs(id, devices).map(({ logContent }) => logContent);
  expect(shown(first.id)).toEqual(['lamp, first', 'fan, first', 'fan, later']);
  expect(shown(first.id, ['lamp'])).toEqual(['lamp, first']);
  expect(shown(second.id)).toEqual(['lamp, second']);
  expect(() => shown(first.id, ['x'])).toThrow(/no device x/);
  expect(() => shown('x')).toThrow(/no upgrade x/);
});

test('an upgrade does not show what its device wrote before, though it uploads it later', async () => {
  const clock = new ManualClock(START);
  const platform = await startPlatform({ clock });
  const lamp = await loggingDevice(platform);
  const data = Buffer.from('2.0.0');
  const image = await platform.firmware.add({ productKey: PRODUCT, version: '2.0.0', data });
  const old = entry('before', { utcTime: new Date(START).toISOString() });
  clock.advance(60_000);
  const upgrade = await platform.upgrades.start({ firmwareId: image.id, devices: ['lamp'] });
  await lamp.notice();
  clock.advance(1000);
  const now = new Date(clock.now()).toISOString();
  const boot = entry('boot', { utcTime: '1970-01-01T00:00:03.000+0000' });
  await post(lamp, [old, boot, entry('during', { utcTime: now })]);
  await post(lamp, [old, boot]);
  const contents = platform.upgrades.logs(upgrade.id).map(({ logContent }) => logContent);
  expect(contents).toEqual(['boot', 'during', 'before', 'boot']);
  expect(platform.logs.list(lamp.device)).toHaveLength(5);
});
