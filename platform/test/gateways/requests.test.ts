import { createHmac } from 'node:crypto';
import { type Device, ManualClock, type Platform } from '../../src/index';
import { PRODUCT } from '../support/device';
import { claim, TestGateway } from '../support/gateway';
import { startPlatform } from '../support/start';

const clock = new ManualClock();
let platform: Platform;
let hub: Device;
let sensor: Device;
let valve: Device;

function add(deviceName: string, productKey = PRODUCT): Promise<Device> {
  return platform.devices.add({ productKey, deviceName });
}

function namesOf({ productKey, deviceName }: Device) {
  return { productKey, deviceName };
}

beforeEach(async () => {
  platform = await startPlatform({ clock, limits: { subDevices: 3 } });
  hub = await add('hub');
  sensor = await add('sensor');
  valve = await add('valve');
});

function connectHub(): Promise<TestGateway> {
  return TestGateway.connect(platform, hub);
}

test.each([
  ['topo/add', 'a list that is empty', () => [], 460],
  ['topo/add', 'no signature', () => [{ ...claim(sensor), sign: undefined }], 460],
  ['topo/add', 'no method', () => [{ ...claim(sensor), signMethod: undefined }], 460],
  ['topo/add', 'a device that is not there', () => [claim({ ...sensor, deviceName: 'x' })], 6100],
  ['topo/add', 'the gateway itself', () => [claim(hub)], 6402],
  ['topo/add', 'a wrong signature', () => [claim({ ...sensor, deviceSecret: 'x' })], 401],
  ['topo/add', 'an unknown method', () => [claim(sensor, { method: 'rot13' })], 401],
  [
    'topo/delete',
    'a device that is not there',
    () => [{ ...namesOf(sensor), deviceName: 'x' }],
    6100,
  ],
  ['topo/delete', 'a device without a relation', () => [namesOf(sensor)], 6401],
  ['topo/delete', 'a device without a name', () => [{ productKey: PRODUCT }], 460],
  ['list/found', 'a name that cannot be', () => [{ ...namesOf(sensor), deviceName: 'a b' }], 6280],
  [
    'list/found',
    'a product that is not there',
    () => [{ productKey: 'no', deviceName: 'a' }],
    6250,
  ],
  ['sub/register', 'a product without the switch', () => [namesOf(sensor)], 6288],
  [
    'sub/register',
    'a device that is not there',
    () => [{ productKey: 'p', deviceName: 'x' }],
    6100,
  ],
  ['sub/register', 'too many', () => Array(31).fill(namesOf(sensor)), 460],
  ['proxy/provisioning/product_register', 'no list', () => ({}), 460],
  ['login', 'no client id', () => ({ ...claim(sensor), clientId: '' }), 460],
  ['login', 'a device that is not there', () => claim({ ...sensor, deviceName: 'x' }), 6100],
  ['login', 'a device without a relation', () => claim(sensor), 6401],
  ['logout', 'a device without a session', () => namesOf(sensor), 520],
  ['batch_login', 'too many', () => ({ deviceList: Array(51).fill(claim(sensor)) }), 460],
  ['batch_logout', 'too many', () => Array(51).fill(namesOf(sensor)), 460],
  ['batch_logout', 'devices without sessions', () => [namesOf(sensor), namesOf(valve)], 520],
])('%s of %s is refused', async (action, _, params, code) => {
  const gateway = await connectHub();
  const decided = platform.waitFor('gateway-request');
  const reply = await gateway.ask(action, params());
  expect(Object.keys(reply)).toEqual(['id', 'code', 'message', 'data']);
  expect(reply.code).toBe(code);
  expect(await decided).toMatchObject({ deviceName: 'hub', code });
  expect(JSON.stringify(reply)).not.toContain(sensor.deviceSecret);
  expect(platform.gateways.topology(hub)).toEqual([]);
});

describe('registering sub-devices', () => {
  test('gives their secrets to the gateway that nobody else is theirs', async () => {
    await platform.products.add({ productKey: PRODUCT, dynamicRegistration: true });
    const gateway = await connectHub();
    const reply = await gateway.ask('sub/register', [namesOf(sensor), namesOf(valve)]);
    expect(reply).toMatchObject({
      code: 200,
      data: [sensor, valve].map(({ productKey, deviceName, deviceSecret }) => ({
        iotId: expect.stringMatching(/^[\w-]{26}$/),
        productKey,
        deviceName,
        deviceSecret,
      })),
    });
    expect((await gateway.ask('sub/register', [namesOf(hub)])).code).toBe(6402);
    await platform.gateways.add(await add('hub2'), [sensor]);
    expect((await gateway.ask('sub/register', [namesOf(sensor)])).code).toBe(6619);
  });

  test("signs with their product's secret, where the gateway has that", async () => {
    const { productSecret } = await platform.products.add({
      productKey: PRODUCT,
      dynamicRegistration: true,
    });
    const gateway = await connectHub();
    const proxied = (secret: string, random = 'r') => ({
      ...namesOf(sensor),
      random,
      signMethod: 'hmacSha256',
      sign: createHmac('sha256', secret)
        .update(`deviceNamesensorproductKey${PRODUCT}random${random}`)
        .digest('hex'),
    });
    const register = 'proxy/provisioning/product_register';
    const wrong = await gateway.ask(register, { proxieds: [proxied('x')] });
    expect([wrong.code, wrong.data]).toEqual([401, namesOf(sensor)]);
    const reply = await gateway.ask(register, { proxieds: [proxied(productSecret)] });
    const { deviceSecret } = platform.devices.get(sensor) ?? {};
    expect(reply).toMatchObject({ code: 200, data: [{ ...namesOf(sensor), deviceSecret }] });
    expect(deviceSecret).not.toBe(sensor.deviceSecret);
  });
});

describe('what the vendor sends', () => {
  const id = `${PRODUCT}.sensor`;
  const signed = (content: string, hash = 'sha256') =>
    createHmac(hash, sensor.deviceSecret).update(content).digest('hex');
  const content = (clientId: string, timestamp: string) =>
    `clientId${clientId}deviceNamesensorproductKey${PRODUCT}timestamp${timestamp}`;

  test.each([
    [
      'topo/add as C SDK v4: signmethod, its short client id',
      'topo/add',
      () => {
        const { signMethod: _, ...rest } = claim(sensor, {
          clientId: id,
          timestamp: '2524608000000',
        });
        return { params: [{ ...rest, signmethod: 'hmacsha256' }] };
      },
    ],
    [
      'topo/add as the JavaScript SDK: signMethod, a numeric timestamp',
      'topo/add',
      () => ({
        params: [{ ...claim(sensor, { timestamp: '1524448722000' }), timestamp: 1524448722000 }],
      }),
    ],
    ['topo/add with one device that is no list', 'topo/add', () => ({ params: claim(sensor) })],
    [
      'topo/add with a signature in upper case',
      'topo/add',
      () => ({
        params: [{ ...claim(sensor), sign: String(claim(sensor).sign).toUpperCase() }],
      }),
    ],
    ['topo/get of C SDK v4: params as a text', 'topo/get', () => ({ params: '{}' })],
    ['topo/get with a numeric id', 'topo/get', () => ({ id: 7, params: {} })],
    [
      'login of C SDK v4: parameters in the client id',
      'login',
      () => ({
        params: {
          ...claim(sensor, { clientId: `${id}|_ss=1,_v=sdk-c-4.2.0|`, timestamp: '2524608000000' }),
          signMethod: 'hmacsha256',
          cleanSession: 'true',
        },
      }),
    ],
    [
      'login of C SDK 3: the time since its start',
      'login',
      () => ({
        params: { ...claim(sensor, { timestamp: '4711' }), cleanSession: 'false' },
      }),
    ],
    [
      'login by hmacSha1',
      'login',
      () => ({
        params: claim(sensor, { method: 'hmacSha1', hash: 'sha1' }),
      }),
    ],
    [
      'login by hmacmd5',
      'login',
      () => ({
        params: claim(sensor, { method: 'hmacmd5', hash: 'md5' }),
      }),
    ],
    ['login by Sha256', 'login', () => ({ params: claim(sensor, { method: 'Sha256' }) })],
    [
      'login without a timestamp',
      'login',
      () => {
        const sign = signed(`clientId${id}deviceNamesensorproductKey${PRODUCT}`);
        const { timestamp: _, ...rest } = claim(sensor);
        return { params: { ...rest, sign } };
      },
    ],
    [
      'login of the JavaScript SDK: a numeric timestamp',
      'login',
      () => ({
        params: { ...claim(sensor), timestamp: 12, sign: signed(content(id, '12')) },
      }),
    ],
    [
      'batch_login of C SDK v4: signMethod beside the list',
      'batch_login',
      () => {
        const { signMethod, ...rest } = claim(sensor);
        return { params: { signMethod, deviceList: [rest] } };
      },
    ],
    ['batch_login as a list alone', 'batch_login', () => ({ params: [claim(sensor)] })],
    ['a comma after the last member', 'topo/get', () => '{"id":"9","params":{},}'],
  ])('is understood: %s', async (_, action, message) => {
    const gateway = await connectHub();
    if (action !== 'topo/add') await platform.gateways.add(hub, [sensor]);
    const sent = message();
    const text = typeof sent === 'string' ? sent : JSON.stringify({ id: '1', ...sent });
    const reply = await gateway.askText(action, text);
    expect([reply.code, reply.message]).toEqual([200, 'success']);
    if (action.endsWith('login')) expect(platform.devices.get(sensor)?.online).toBe(true);
  });

  test.each([
    ['no JSON', 'x', ''],
    ['no object', '[]', ''],
    ['no id', '{"params":{}}', ''],
    ['an id of letters', '{"id":"x","params":{}}', ''],
    ['params that are a text of nothing', '{"id":"1","params":"x"}', '1'],
  ])('is answered with 460: %s', async (_, text, id) => {
    const gateway = await connectHub();
    expect(await gateway.askText('topo/add', text)).toMatchObject({ id, code: 460, data: {} });
  });

  test('that wants no answer gets none', async () => {
    const gateway = await connectHub();
    const params = [claim(sensor)];
    const message = JSON.stringify({ id: '1', params, sys: { ack: 0 } });
    await gateway.link.client.publishAsync(gateway.topic('topo/add'), message);
    // The answer to the next one is the first that comes.
    expect((await gateway.ask('topo/get', {})).data).toEqual([namesOf(sensor)]);
  });
});

describe('faults', () => {
  test('hold a gateway to 200 logins a second', async () => {
    const id = platform.faults.set({ kind: 'gateway-rate' });
    const gateway = await connectHub();
    await platform.gateways.add(hub, [sensor]);
    const deviceList = Array(50).fill(claim(sensor));
    for (let i = 0; i < 4; i++) {
      expect((await gateway.ask('batch_login', { deviceList })).code).toBe(200);
    }
    expect((await gateway.ask('login', claim(sensor))).code).toBe(429);
    clock.advance(1000);
    expect((await gateway.ask('login', claim(sensor))).code).toBe(200);
    expect(platform.faults.list()).toMatchObject([{ id, hits: 1 }]);
  });

  test('refuse a request, or leave it unanswered and undone', async () => {
    const gateway = await connectHub();
    platform.faults.set({ kind: 'gateway-error', code: 428, request: 'login', times: 1 });
    platform.faults.set({ kind: 'gateway-lost', request: 'topology-add', times: 1 });
    const lost = JSON.stringify({ id: '1', params: [claim(sensor)] });
    await gateway.link.client.publishAsync(gateway.topic('topo/add'), lost);
    expect((await gateway.ask('topo/get', {})).data).toEqual([]);
    await gateway.ask('topo/add', [claim(sensor)]);
    expect((await gateway.ask('login', claim(sensor))).code).toBe(428);
    expect((await gateway.ask('login', claim(sensor))).code).toBe(200);
  });
});
