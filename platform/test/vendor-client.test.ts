import { createHmac } from 'node:crypto';
import { type Device, ManualClock, type Platform } from '../src/index';
import { PRODUCT, readyDevice, TestDevice } from './support/device';
import { bytes, download, md5 } from './support/download';
import { startPlatform } from './support/start';

// What the vendor's client programs send, byte for byte where it matters: they cannot run here.

const image = bytes(300_000);
let platform: Platform;
let device: Device;

beforeEach(async () => {
  platform = await startPlatform({ clock: new ManualClock() });
  device = await platform.devices.add({ productKey: PRODUCT, deviceName: 'lamp' });
});

/** The sign-in of the current C SDK: its id, a fixed timestamp, a comma before the last bar. */
function vendorSignIn(parameters = '_ss=1,_v=sdk-c-4.2.0,', end = ',|') {
  const id = `${PRODUCT}.lamp`;
  const content = `clientId${id}deviceNamelampproductKey${PRODUCT}timestamp2524608000000`;
  const clientId =
    `${id}|timestamp=2524608000000,${parameters}securemode=2,` +
    `signmethod=hmacsha256,ext=3${end}`;
  const password = createHmac('sha256', device.deviceSecret).update(content).digest('hex');
  return { clientId, username: `lamp&${PRODUCT}`, password: password.toUpperCase() };
}

function vendor(parameters?: string, end?: string): Promise<TestDevice> {
  const options = { ...vendorSignIn(parameters, end), keepalive: 1200, clean: true };
  return TestDevice.connect(platform, device, options);
}

async function start(): Promise<string> {
  const firmware = await platform.firmware.add({
    productKey: PRODUCT,
    version: '2.0.0',
    data: image,
  });
  const upgrade = await platform.upgrades.start({ firmwareId: firmware.id, devices: ['lamp'] });
  return upgrade.id;
}

// The parameters as programs with these SDKs were seen to send them.
const dot = `${PRODUCT}.lamp`;
const and = `${PRODUCT}&lamp`;
const far = '2524608000000';

test.each([
  [
    'C 4.2.0',
    dot,
    far,
    `timestamp=${far},_ss=1,_v=sdk-c-4.2.0,securemode=2,signmethod=hmacsha256,ext=3,`,
  ],
  [
    'C 4.2.0, plain',
    dot,
    far,
    `timestamp=${far},_ss=1,_v=sdk-c-4.2.0,securemode=3,signmethod=hmacsha256,ext=3,`,
  ],
  [
    'C 4.2.0, -2',
    dot,
    far,
    `timestamp=${far},_ss=1,_v=sdk-c-4.2.0,securemode=-2,signmethod=hmacsha256,ext=3,`,
  ],
  [
    'C 4.0.0, plain',
    dot,
    undefined,
    '_ss=1,_v=sdk-c-4.0.0,securemode=3,signmethod=hmacsha256,ext=3,',
  ],
  [
    'C 3.1.0',
    dot,
    far,
    `timestamp=${far},_v=sdk-c-3.1.0,securemode=2,signmethod=hmacsha256,lan=C,_ss=1,gw=0,ext=0`,
  ],
  [
    'C 2.3.0',
    dot,
    far,
    `securemode=2,tokenType=0,token=,_v=sdk-c-2.3.0,timestamp=${far},signmethod=hmacsha1,lan=C,pid=,mid=,_ss=1`,
  ],
  ['JavaScript', and, '1700000000000', 'securemode=2,signmethod=hmacsha1,timestamp=1700000000000'],
  ['Python', and, undefined, 'securemode=2,_v=1.5.3,lan=Python,signmethod=hmacsha1,ext=1'],
  ['LuatOS, plain', 'lamp', '32472115200', 'securemode=3,signmethod=HmacMD5,timestamp=32472115200'],
] as const)(
  'the sign-in of %s is accepted; with _ss=1 the answer comes unsubscribed',
  async (...row) => {
    const [, id, stamp, parameters] = row;
    const content =
      `clientId${id}deviceNamelampproductKey${PRODUCT}` +
      (stamp === undefined ? '' : `timestamp${stamp}`);
    const hash = /signmethod=hmac(\w+)/i.exec(parameters)?.[1]?.toLowerCase() ?? '';
    const lamp = await TestDevice.connect(platform, device, {
      url: parameters.includes('securemode=3') ? platform.mqttUrl : platform.mqttsUrl,
      clientId: `${id}|${parameters}|`,
      username: `lamp&${PRODUCT}`,
      password: createHmac(hash, device.deviceSecret).update(content).digest('hex'),
      keepalive: 1200,
    });
    const topic = `/sys/${lamp.names}/thing/ota/firmware/get`;
    const isSubscribed = parameters.includes('_ss=1');
    if (!isSubscribed) await lamp.client.subscribeAsync(`${topic}_reply`);
    await lamp.client.publishAsync(topic, '{"id":1,"params":{}}');
    expect((await lamp.next()).topic).toBe(`${topic}_reply`);
  },
);

test.each([
  ['a number as id, neither version nor method', '{"id":5,"params":{}}', '5'],
  [
    'a string as id',
    '{"id":"5","version":"1.0","params":{"module":"default"},"method":"thing.ota.firmware.get"}',
    '"5"',
  ],
  ['params as a string', '{"id":5,"version":"1.0","params":"{}"}', '5'],
  ['a comma after the last member', '{"id":5,"params":{"module":"default",},}', '5'],
])('a request with %s is answered in compact JSON, with a message', async (_, request, id) => {
  const lamp = await vendor();
  await lamp.client.publishAsync(`/sys/${lamp.names}/thing/ota/firmware/get`, request);
  const { payload } = await lamp.next();
  expect(payload.toString()).toBe(`{"id":${id},"code":200,"data":{},"message":"success"}`);
});

test('the 3.x request for the configuration is answered with a message', async () => {
  const lamp = await vendor();
  await platform.configs.set({ productKey: PRODUCT, data: '{}' });
  await lamp.client.publishAsync(
    `/sys/${lamp.names}/thing/config/get`,
    '{"id":123,"version":"1.0","params":{"configScope":"product","getType":"file",' +
      '"attributeKeys":""},"method":"thing.config.get"}',
  );
  const reply = JSON.parse((await lamp.next()).payload.toString());
  expect(reply).toMatchObject({ id: 123, code: 200, data: {}, message: 'success' });
});

test.each([
  ['a comma before the last bar', '_ss=1,_v=sdk-c-4.2.0,', ',|'],
  ['no parameters of its own', '', '|'],
  ['empty parameters and values', ',,_v=,sii=,lan=C,gw=0,', ',,|'],
])('a client id with %s is accepted', async (_, parameters, end) => {
  const lamp = await vendor(parameters, end);
  expect(lamp.client.connected).toBe(true);
});

test('with _ss=1 system topics arrive unsubscribed: notice, pull, blocks, configuration', async () => {
  const lamp = await vendor();
  const id = await start();
  await lamp.send(`/ota/device/inform/${lamp.names}`, { version: '1.0.0' }, 0);
  const { topic, payload } = await lamp.next();
  expect(topic).toBe(`/ota/device/upgrade/${lamp.names}`);
  const { data } = JSON.parse(payload.toString());
  expect(data).toMatchObject({ signMethod: 'Md5', md5: md5(image), sign: md5(image) });
  expect(platform.upgrades.get(id)?.tasks[0]?.state).toBe('pushed');

  // Neither version nor method.
  await lamp.client.publishAsync(
    `/sys/${lamp.names}/thing/ota/firmware/get`,
    '{"id":5,"params":{}}',
  );
  expect((await lamp.next()).topic).toBe(`/sys/${lamp.names}/thing/ota/firmware/get_reply`);

  const config = await platform.configs.set({ productKey: PRODUCT, data: '{}' });
  const pushing = platform.configs.push({ productKey: PRODUCT });
  const push = JSON.parse((await lamp.next()).payload.toString());
  expect(push.params).toMatchObject({ configId: config.id, signMethod: 'Sha256' });
  const reply = JSON.stringify({ id: push.id, code: 200, data: {} });
  await lamp.client.publishAsync(`/sys/${lamp.names}/thing/config/push_reply`, reply);
  expect(await pushing).toMatchObject([{ state: 'accepted' }]);
});

test('with _ss=1 and a subscription a message comes once', async () => {
  const lamp = await vendor();
  await lamp.subscribe();
  await start();
  await lamp.inform('1.0.0');
  await lamp.notice();
  await lamp.settle();
  expect(lamp.unread).toBe(0);
});

test('without _ss=1 nothing comes unsubscribed', async () => {
  const lamp = await vendor('_v=sdk-c-4.2.0,');
  const id = await start();
  const reported = platform.waitFor('version-reported');
  await lamp.inform('1.0.0');
  await reported;
  await lamp.settle();
  expect(lamp.unread).toBe(0);
  expect(platform.upgrades.get(id)?.tasks[0]?.state).toBe('pending');
});

test("the block request's trailing comma is read, and its answer arrives unsubscribed", async () => {
  const lamp = await vendor();
  const firmware = await platform.firmware.add({
    productKey: PRODUCT,
    version: '2.0.0',
    data: image,
  });
  await platform.upgrades.start({
    firmwareId: firmware.id,
    devices: ['lamp'],
    protocol: 'mqtt',
  });
  await lamp.inform('1.0.0');
  const { streamId } = (await lamp.notice()).data;
  const request =
    `{"id":"1","version":"1.0","params":{"fileToken":"default",` +
    `"fileInfo":{"streamId":${streamId},"fileId":1,},"fileBlock":{"size":5120,"offset":0}}}`;
  await lamp.client.publishAsync(`/sys/${lamp.names}/thing/file/download`, request);
  const { topic, payload } = await lamp.next();
  expect(topic).toBe(`/sys/${lamp.names}/thing/file/download_reply`);
  const end = 2 + payload.readUInt16BE(0);
  expect(JSON.parse(payload.toString('utf8', 2, end))).toMatchObject({
    id: '1',
    code: 200,
    data: { bSize: 5120, bOffset: 0, fileLength: image.length, fileToken: 'default' },
    message: 'success',
  });
  expect(payload.subarray(end, end + 5120).equals(image.subarray(0, 5120))).toBe(true);
});

test('version and progress with a number as id, step 0 first, which starts the time-out', async () => {
  const lamp = await vendor();
  const firmware = await platform.firmware.add({
    productKey: PRODUCT,
    version: '2.0.0',
    data: image,
  });
  const { id } = await platform.upgrades.start({
    firmwareId: firmware.id,
    devices: ['lamp'],
    timeoutMinutes: 5,
  });
  const names = lamp.names;
  await lamp.client.publishAsync(
    `/ota/device/inform/${names}`,
    '{"id":1,"params":{"version":"1.0.0"}}',
  );
  await lamp.notice();
  const upgrading = platform.waitFor('task-changed', ({ task }) => task.state === 'upgrading');
  await lamp.client.publishAsync(
    `/ota/device/progress/${names}`,
    '{"id":2,"params":{"step":"0","desc":""}}',
  );
  expect((await upgrading).task).toMatchObject({ step: 0, deadline: expect.any(Number) });
  expect(platform.upgrades.get(id)?.settled).toBe(false);
});

test('its download: a range from 0, headers compared to the letter', async () => {
  const lamp = await readyDevice(platform, 'fan');
  const firmware = await platform.firmware.add({
    productKey: PRODUCT,
    version: '2.0.0',
    data: image,
  });
  await platform.upgrades.start({ firmwareId: firmware.id, devices: ['fan'] });
  const { data } = await lamp.notice();
  const got = await download(platform, data.url, { headers: { range: 'bytes=0-' } });
  expect(got).toMatchObject({ status: 206, headers: { 'content-length': String(image.length) } });
  expect(got.rawHeaders).toContain('Content-Length');
  expect(got.headers['transfer-encoding']).toBeUndefined();
});
