import { createHmac } from 'node:crypto';
import { type Device, ManualClock, type Platform } from '../../src/index';
import { atEnd } from '../support/clean-up';
import { PRODUCT, TestDevice } from '../support/device';
import { claim, TestGateway } from '../support/gateway';
import { startPlatform, temporaryFolder } from '../support/start';

const clock = new ManualClock();
let stateDir: string;
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
  stateDir = await temporaryFolder();
  platform = await startPlatform({ clock, stateDir, limits: { subDevices: 3 } });
  hub = await add('hub');
  sensor = await add('sensor');
  valve = await add('valve');
});

function connectHub(): Promise<TestGateway> {
  return TestGateway.connect(platform, hub);
}

describe('the topology', () => {
  test('is added to, got and deleted from, and outlives a restart', async () => {
    let gateway = await connectHub();
    const added = await gateway.ask('topo/add', [claim(sensor), claim(valve)]);
    const both = [namesOf(sensor), namesOf(valve)];
    expect(added).toEqual({ id: '1', code: 200, message: 'success', data: both });
    expect((await gateway.ask('topo/get', {})).data).toEqual(both);
    await platform.close();
    platform = await startPlatform({ clock, stateDir });
    expect(platform.gateways.topology(hub)).toEqual([
      { ...namesOf(sensor), addedAt: clock.now(), loggedIn: false },
      { ...namesOf(valve), addedAt: clock.now(), loggedIn: false },
    ]);
    gateway = await connectHub();
    const deleted = await gateway.ask('topo/delete', [namesOf(sensor)]);
    expect([deleted.code, deleted.data]).toEqual([200, [namesOf(sensor)]]);
    expect((await gateway.ask('topo/get', {})).data).toEqual([namesOf(valve)]);
  });

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
    [
      'list/found',
      'a name that cannot be',
      () => [{ ...namesOf(sensor), deviceName: 'a b' }],
      6280,
    ],
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

  test('takes no disabled device, and no more than a gateway may have', async () => {
    const gateway = await connectHub();
    await platform.devices.disable(sensor);
    expect((await gateway.ask('topo/add', [claim(valve), claim(sensor)])).code).toBe(6204);
    expect((await gateway.ask('topo/get', {})).data).toEqual([]);
    const more = [await add('a'), await add('b'), await add('c')];
    expect(
      (
        await gateway.ask(
          'topo/add',
          more.map((sub) => claim(sub)),
        )
      ).code,
    ).toBe(200);
    expect((await gateway.ask('topo/add', [claim(valve)])).code).toBe(6400);
    // What is there already counts once.
    expect(
      (
        await gateway.ask(
          'topo/add',
          more.map((sub) => claim(sub)),
        )
      ).code,
    ).toBe(200);
  });

  test('follows a sub-device whose secret another gateway has; the first one is told', async () => {
    const first = await connectHub();
    await first.carry(sensor);
    const second = await TestGateway.connect(platform, await add('hub2'));
    expect((await second.ask('topo/add', [claim(sensor)])).code).toBe(200);
    expect(platform.gateways.gatewayOf(sensor)).toMatchObject({ deviceName: 'hub2' });
    expect(await first.told()).toEqual([
      [
        `/ext/error/${first.link.names}`,
        expect.objectContaining({ code: 6401, data: namesOf(sensor) }),
      ],
      [
        first.topic('topo/change'),
        expect.objectContaining({
          method: 'thing.topo.change',
          params: { status: 1, subList: [namesOf(sensor)] },
        }),
      ],
    ]);
    expect((await first.ask('login', claim(sensor))).code).toBe(6401);
  });

  test('is changed by the operator, and the gateway is told', async () => {
    const gateway = await connectHub();
    await platform.gateways.add(hub, [sensor, valve]);
    expect((await gateway.ask('login', claim(sensor))).code).toBe(200);
    await platform.gateways.remove(hub, [sensor]);
    const change = (status: number, ...subs: Device[]) => [
      gateway.topic('topo/change'),
      expect.objectContaining({ params: { status, subList: subs.map(namesOf) } }),
    ];
    const kick = expect.objectContaining({ code: 6401, data: namesOf(sensor) });
    expect(await gateway.told()).toEqual([
      change(0, sensor, valve),
      [`/ext/error/${gateway.link.names}`, kick],
      change(1, sensor),
    ]);
    const remove = platform.gateways.remove(hub, [sensor]);
    await expect(remove).rejects.toMatchObject({ code: 'ERR_RELATION_UNKNOWN' });
    for (const [devices, code] of [
      [[hub], 'ERR_INVALID_ARGUMENT'],
      [[], 'ERR_INVALID_ARGUMENT'],
      [[{ ...sensor, deviceName: 'x' }], 'ERR_DEVICE_UNKNOWN'],
    ] as const) {
      await expect(platform.gateways.add(hub, devices)).rejects.toMatchObject({ code });
    }
  });

  test('is proposed: a gateway that has found devices is asked to add them', async () => {
    const gateway = await connectHub();
    const found = platform.waitFor('sub-devices-found');
    expect(await gateway.ask('list/found', [namesOf(sensor)])).toMatchObject({
      code: 200,
      data: {},
    });
    const { devices } = await found;
    const proposing = platform.gateways.propose(hub, devices);
    await gateway.link.settle();
    const [[topic, message] = []] = await gateway.told();
    expect(topic).toBe(gateway.topic('topo/add/notify'));
    expect(message).toMatchObject({ method: 'thing.topo.add.notify', params: [namesOf(sensor)] });
    const { id } = message as { id: string };
    await gateway.link.client.publishAsync(
      gateway.topic('topo/add/notify_reply'),
      JSON.stringify({ id, code: 200, data: {} }),
    );
    expect(await proposing).toEqual({ state: 'accepted', code: 200 });
    const unanswered = platform.gateways.propose(hub, [valve], { timeoutSeconds: 1 });
    clock.advance(1000);
    expect(await unanswered).toEqual({ state: 'unanswered' });
    await gateway.link.disconnect();
    expect(await platform.gateways.propose(valve, [sensor])).toEqual({ state: 'offline' });
  });
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

describe('a session', () => {
  test('lets the gateway use the topics of its sub-device, and ends with its logout', async () => {
    const gateway = await connectHub();
    await platform.gateways.add(hub, [sensor]);
    const topic = `/${PRODUCT}/sensor/user/get`;
    const granted = async (): Promise<number> => {
      const [grant] = await gateway.link.client
        .subscribeAsync(topic, { qos: 1 })
        .catch((error) => [error as { qos?: number }]);
      return grant?.qos ?? 128;
    };
    expect(await granted()).toBe(128);
    const came = platform.waitFor('device-connected');
    const reply = await gateway.ask('login', claim(sensor));
    expect(reply).toMatchObject({ code: 200, data: namesOf(sensor) });
    expect(await came).toMatchObject(namesOf(sensor));
    expect(await granted()).toBe(1);
    await gateway.told();
    await gateway.link.client.publishAsync(topic, '1', { qos: 1 });
    expect(await gateway.told()).toEqual([[topic, 1]]);
    // Logging in again changes nothing.
    expect((await gateway.ask('login', claim(sensor))).code).toBe(200);
    const went = platform.waitFor('device-disconnected');
    expect(await gateway.ask('logout', namesOf(sensor))).toMatchObject({
      code: 200,
      data: namesOf(sensor),
    });
    await went;
    expect(platform.devices.get(sensor)).toMatchObject({ presence: 'no' });
    expect(await gateway.link.client.unsubscribeAsync(topic)).toBeDefined();
    expect(await granted()).toBe(128);
    expect((await gateway.ask('login', { ...claim(sensor), sign: 'x' })).code).toBe(6287);
  });

  test('that has ended leaves a subscription through which nothing comes', async () => {
    const gateway = await connectHub();
    await gateway.carry(sensor);
    const topic = `/${PRODUCT}/sensor/user/get`;
    await gateway.link.client.subscribeAsync(topic, { qos: 1 });
    await gateway.ask('logout', namesOf(sensor));
    const own = await TestDevice.connect(platform, sensor);
    await own.client.publishAsync(topic, '1', { qos: 1 });
    await own.disconnect();
    expect(await gateway.told()).toEqual([]);
    await gateway.ask('login', claim(sensor));
    await gateway.link.client.publishAsync(topic, '2', { qos: 1 });
    expect(await gateway.told()).toEqual([[topic, 2]]);
  });

  test('that a message needs and is not there: 520, and the connection stays', async () => {
    const gateway = await connectHub();
    await platform.gateways.add(hub, [sensor]);
    await gateway.told();
    const complaint = platform.waitFor('bad-message');
    const inform = JSON.stringify({ id: '1', params: { version: '1' } });
    const topic = `/ota/device/inform/${PRODUCT}/sensor`;
    await gateway.link.client.publishAsync(topic, inform, { qos: 1 });
    expect(await complaint).toMatchObject({ topic });
    expect(await gateway.told()).toEqual([
      [
        `/ext/error/${gateway.link.names}`,
        {
          id: expect.any(String),
          code: 520,
          message: expect.any(String),
          data: namesOf(sensor),
        },
      ],
    ]);
    expect(platform.devices.get(sensor)?.versions).toEqual({});
  });

  test('is no way to the topics of a device that is no sub-device', async () => {
    const gateway = await connectHub();
    const closed = new Promise<void>((resolve) =>
      gateway.link.client.once('close', () => resolve()),
    );
    gateway.link.client.publish(`/ota/device/inform/${PRODUCT}/valve`, '{}');
    await closed;
  });

  test('is one of a batch: all are logged in, or none, and the culprits are named', async () => {
    const gateway = await connectHub();
    await platform.gateways.add(hub, [sensor, valve]);
    const bad = { ...claim(valve), sign: 'x' };
    const stranger = await add('stranger');
    const refused = await gateway.ask('batch_login', {
      deviceList: [claim(sensor), bad, claim(stranger)],
    });
    expect(refused).toMatchObject({ code: 6287, data: [namesOf(valve), namesOf(stranger)] });
    expect(platform.devices.get(sensor)?.online).toBe(false);
    const both = [namesOf(sensor), namesOf(valve)];
    const deviceList = [claim(sensor), claim(valve)];
    expect(await gateway.ask('batch_login', { deviceList })).toMatchObject({
      code: 200,
      data: both,
    });
    expect(platform.gateways.topology(hub).map(({ loggedIn }) => loggedIn)).toEqual([true, true]);
    const half = await gateway.ask('batch_logout', [namesOf(sensor), namesOf(stranger)]);
    expect(half).toMatchObject({ code: 520, data: [namesOf(stranger)] });
    expect(platform.devices.get(sensor)?.online).toBe(true);
    expect((await gateway.ask('batch_logout', both)).code).toBe(200);
    expect(platform.devices.get(sensor)?.online).toBe(false);
  });

  test('ends with the connection of the gateway, whose return does not bring it back', async () => {
    const gateway = await connectHub();
    await gateway.carry(sensor);
    const went: string[] = [];
    platform.on('device-disconnected', ({ deviceName }) => went.push(deviceName));
    const gone = platform.waitFor('device-disconnected', ({ deviceName }) => deviceName === 'hub');
    gateway.link.drop();
    await gone;
    expect(went).toEqual(['sensor', 'hub']);
    await connectHub();
    expect(platform.devices.get(sensor)?.presence).toBe('no');
  });

  test('ends when the gateway connects a second time', async () => {
    const gateway = await connectHub();
    await gateway.carry(sensor);
    const gone = platform.waitFor('device-disconnected');
    await connectHub();
    expect(await gone).toMatchObject({ deviceName: 'sensor' });
  });

  test('ends with 427 when the sub-device connects itself, and the other way round', async () => {
    const gateway = await connectHub();
    await gateway.carry(sensor);
    await gateway.told();
    const connected = platform.waitFor('device-connected');
    const own = await TestDevice.connect(platform, sensor);
    await connected;
    const kick = expect.objectContaining({ code: 427, data: namesOf(sensor) });
    expect(await gateway.told()).toEqual([[`/ext/error/${gateway.link.names}`, kick]]);
    const order: string[] = [];
    platform.on('device-disconnected', () => order.push('gone'));
    platform.on('device-connected', () => order.push('there'));
    const closed = new Promise<void>((resolve) => own.client.once('close', () => resolve()));
    expect((await gateway.ask('login', claim(sensor))).code).toBe(200);
    await closed;
    await gateway.told();
    expect(order).toEqual(['gone', 'there']);
    expect(platform.devices.get(sensor)?.online).toBe(true);
  });

  test.each([
    ['disabled', 522, 'disable', 8, () => platform.devices.disable(sensor)],
    ['deleted', 521, 'delete', 1, () => platform.devices.remove(sensor)],
  ] as const)('ends when its device is %s', async (_, code, action, status, end) => {
    const gateway = await connectHub();
    await gateway.carry(sensor);
    await gateway.link.client.subscribeAsync(`/sys/${PRODUCT}/sensor/thing/#`);
    await gateway.told();
    await end();
    expect(await gateway.told()).toEqual([
      [
        `/sys/${PRODUCT}/sensor/thing/${action}`,
        { id: expect.any(String), version: '1.0', params: {}, method: `thing.${action}` },
      ],
      [
        `/ext/error/${gateway.link.names}`,
        expect.objectContaining({ code, data: namesOf(sensor) }),
      ],
      [
        gateway.topic('topo/change'),
        expect.objectContaining({ params: { status, subList: [namesOf(sensor)] } }),
      ],
    ]);
    const again = code === 522 ? 522 : 6100;
    expect((await gateway.ask('login', claim(sensor))).code).toBe(again);
  });

  test('may be opened again when its device is enabled, which its gateway hears', async () => {
    const gateway = await connectHub();
    await gateway.carry(sensor);
    await platform.devices.disable(sensor);
    await gateway.told();
    await platform.devices.enable(sensor);
    expect(await gateway.told()).toEqual([
      [
        gateway.topic('topo/change'),
        expect.objectContaining({ params: { status: 2, subList: [namesOf(sensor)] } }),
      ],
    ]);
    expect((await gateway.ask('login', claim(sensor))).code).toBe(200);
  });

  test('ends with its gateway, when that is removed: nobody is a sub-device of it', async () => {
    const gateway = await connectHub();
    await gateway.carry(sensor);
    await platform.devices.remove(hub);
    expect(platform.gateways.gatewayOf(sensor)).toBeUndefined();
    expect(platform.devices.get(sensor)?.online).toBe(false);
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

test('a gateway signed in with _ss=1 gets everything of its sub-devices unsubscribed', async () => {
  const content = `clientIdxdeviceNamehubproductKey${PRODUCT}`;
  const client = await TestDevice.connect(platform, hub, {
    clientId: 'x|_ss=1,securemode=2,signmethod=hmacsha256|',
    password: createHmac('sha256', hub.deviceSecret).update(content).digest('hex'),
  });
  atEnd(() => client.client.endAsync(true));
  await platform.gateways.add(hub, [sensor]);
  const { topic } = await client.next();
  expect(topic).toBe(`/sys/${client.names}/thing/topo/change`);
  await client.client.publishAsync(
    `/ext/session/${client.names}/combine/login`,
    JSON.stringify({ id: '1', params: claim(sensor) }),
  );
  expect((await client.next()).topic).toBe(`/ext/session/${client.names}/combine/login_reply`);
  const firmware = await platform.firmware.add({
    productKey: PRODUCT,
    version: '2',
    data: Buffer.from('image'),
  });
  await platform.upgrades.start({ firmwareId: firmware.id, devices: ['sensor'] });
  const inform = JSON.stringify({ id: 1, params: { version: '1' } });
  await client.client.publishAsync(`/ota/device/inform/${PRODUCT}/sensor`, inform);
  expect((await client.next()).topic).toBe(`/ota/device/upgrade/${PRODUCT}/sensor`);
});
