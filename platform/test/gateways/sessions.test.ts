import { createHmac } from 'node:crypto';
import { type Device, ManualClock, type Platform } from '../../src/index';
import { atEnd } from '../support/clean-up';
import { PRODUCT, TestDevice } from '../support/device';
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
