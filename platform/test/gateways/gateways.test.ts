import { type Device, ManualClock, type Platform } from '../../src/index';
import { PRODUCT } from '../support/device';
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
    const gone = platform.waitFor('device-disconnected');
    await gateway.link.disconnect();
    await gone;
    expect(await platform.gateways.propose(valve, [sensor])).toEqual({ state: 'offline' });
  });

  test('lets devices join: the gateway hears of which product and how long', async () => {
    const gateway = await connectHub();
    const permitting = platform.gateways.permit(hub, PRODUCT, { seconds: 90 });
    await gateway.link.settle();
    const [[topic, message] = []] = await gateway.told();
    expect(topic).toBe(gateway.topic('gateway/permit'));
    expect(message).toMatchObject({
      method: 'thing.gateway.permit',
      params: { productKey: PRODUCT, timeout: 90 },
    });
    const { id } = message as { id: string };
    await gateway.link.client.publishAsync(
      gateway.topic('gateway/permit_reply'),
      JSON.stringify({ id, code: 200, data: {} }),
    );
    expect(await permitting).toEqual({ state: 'accepted', code: 200 });
    for (const seconds of [0, 1.5, 3601]) {
      const wrong = platform.gateways.permit(hub, PRODUCT, { seconds });
      await expect(wrong).rejects.toThrow('seconds must be a whole number 1-3600');
    }
    await expect(platform.gateways.permit(hub, 'no product')).rejects.toThrow('productKey');
    const gone = platform.waitFor('device-disconnected');
    await gateway.link.disconnect();
    await gone;
    expect(await platform.gateways.permit(hub, PRODUCT)).toEqual({ state: 'offline' });
  });
});
