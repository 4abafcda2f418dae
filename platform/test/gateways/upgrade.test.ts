import { type Device, ManualClock, type Platform } from '../../src/index';
import type { Notice } from '../support/device';
import { PRODUCT } from '../support/device';
import { bytes, download } from '../support/download';
import { claim, TestGateway } from '../support/gateway';
import { startPlatform } from '../support/start';

const image = bytes(5000);
const clock = new ManualClock();
const notices = `/ota/device/upgrade/${PRODUCT}/sensor`;
let platform: Platform;
let hub: Device;
let sensor: Device;
let gateway: TestGateway;

beforeEach(async () => {
  platform = await startPlatform({ clock });
  hub = await platform.devices.add({ productKey: PRODUCT, deviceName: 'hub' });
  sensor = await platform.devices.add({ productKey: PRODUCT, deviceName: 'sensor' });
  gateway = await TestGateway.connect(platform, hub);
  await gateway.carry(sensor);
  await gateway.link.client.subscribeAsync(notices, { qos: 1 });
});

async function start(protocol: 'https' | 'mqtt' = 'https'): Promise<string> {
  const firmware = await platform.firmware.add({ productKey: PRODUCT, version: '2', data: image });
  const options = { firmwareId: firmware.id, devices: ['sensor'], protocol };
  return (await platform.upgrades.start(options)).id;
}

/** Says something on a topic of the sub-device. */
async function say(kind: 'inform' | 'progress', params: object): Promise<void> {
  const topic = `/ota/device/${kind}/${PRODUCT}/sensor`;
  await gateway.link.client.publishAsync(topic, JSON.stringify({ id: '1', params }), { qos: 1 });
}

async function notice(): Promise<Notice['data'] | undefined> {
  const all = await gateway.told();
  const mine = all.filter(([topic]) => topic === notices);
  expect(mine.length).toBeLessThan(2);
  return (mine[0]?.[1] as Notice | undefined)?.data;
}

function stateOf(id: string): string | undefined {
  return platform.upgrades.get(id)?.tasks[0]?.state;
}

test('a sub-device is upgraded over its gateway', async () => {
  const id = await start();
  await say('inform', { version: '1' });
  const { url = '', version } = (await notice()) ?? {};
  expect([version, stateOf(id)]).toEqual(['2', 'pushed']);
  expect((await download(platform, url)).body.equals(image)).toBe(true);
  await say('progress', { step: '50' });
  await gateway.told();
  expect(stateOf(id)).toBe('upgrading');
  await say('inform', { version: '2' });
  await platform.upgrades.settled(id);
  expect([stateOf(id), platform.devices.get(hub)?.versions]).toEqual(['succeeded', {}]);
});

test('it asks for its upgrade on its own topic', async () => {
  await say('inform', { version: '1' });
  await start();
  const get = `/sys/${PRODUCT}/sensor/thing/ota/firmware/get`;
  await gateway.told();
  await gateway.link.client.subscribeAsync(`${get}_reply`);
  await gateway.link.client.publishAsync(get, '{"id":"1","params":{}}');
  expect(await gateway.told()).toEqual([
    [`${get}_reply`, expect.objectContaining({ data: expect.objectContaining({ version: '2' }) })],
  ]);
});

test.each(['sensor', 'hub'])(
  'blocks are sent to whoever asks by the name of the %s',
  async (name) => {
    await say('inform', { version: '1' });
    await start('mqtt');
    const { streamId } = (await notice()) ?? {};
    const ask = `/sys/${PRODUCT}/${name}/thing/file/download`;
    await gateway.link.client.subscribeAsync(`${ask}_reply`);
    const answered = platform.waitFor('block-requested');
    const params = { fileInfo: { streamId, fileId: 1 }, fileBlock: { size: 256, offset: 512 } };
    const arrived = new Promise<Buffer>((resolve) =>
      gateway.link.client.on('message', (topic, payload) => {
        if (topic === `${ask}_reply`) resolve(payload);
      }),
    );
    await gateway.link.client.publishAsync(ask, JSON.stringify({ id: '1', params }));
    expect(await answered).toMatchObject({ deviceName: name, code: 200 });
    const payload = await arrived;
    const head = 2 + payload.readUInt16BE(0);
    expect(payload.subarray(head, head + 256).equals(image.subarray(512, 768))).toBe(true);
  },
);

test('a sub-device is away with its gateway, and is told again when it is logged in again', async () => {
  const id = await start();
  await say('inform', { version: '1' });
  expect((await notice())?.version).toBe('2');
  await say('progress', { step: '10' });
  await gateway.told();
  const gone = platform.waitFor('device-disconnected', ({ deviceName }) => deviceName === 'hub');
  gateway.link.drop();
  await gone;
  gateway = await TestGateway.connect(platform, hub);
  await say('inform', { version: '1' });
  expect(await notice()).toBeUndefined();
  expect((await gateway.ask('login', claim(sensor))).code).toBe(200);
  await gateway.link.client.subscribeAsync(notices, { qos: 1 });
  await say('inform', { version: '1' });
  expect((await notice())?.version).toBe('2');
  expect(stateOf(id)).toBe('upgrading');
});

test('one that reports nothing is told when it has had the time to', async () => {
  await say('inform', { version: '1' });
  await gateway.told();
  expect((await gateway.ask('logout', claim(sensor))).code).toBe(200);
  await start();
  expect((await gateway.ask('login', claim(sensor))).code).toBe(200);
  expect(await notice()).toBeUndefined();
  clock.advance(2000);
  expect((await notice())?.version).toBe('2');
});

test('a configuration is pushed to it', async () => {
  const push = `/sys/${PRODUCT}/sensor/thing/config/push`;
  await gateway.link.client.subscribeAsync(push);
  await gateway.told();
  await platform.configs.set({ productKey: PRODUCT, data: '{}' });
  const pushing = platform.configs.push({ productKey: PRODUCT, devices: ['sensor'] });
  const [[topic, message] = []] = await gateway.told();
  expect(topic).toBe(push);
  const reply = JSON.stringify({ id: (message as { id: string }).id, code: 200, data: {} });
  await gateway.link.client.publishAsync(`${push}_reply`, reply);
  expect(await pushing).toMatchObject([{ state: 'accepted' }]);
});
