import {
  attach,
  type Device,
  type IotkitError,
  type SubDevice,
  type SubDeviceIdentity,
  type TopologyChange,
} from 'iotkit-ota';
import { entered, identityOf, nameOf, openHub } from '../support/hub';
import { imageOf } from '../support/image';
import { startRelay } from '../support/relay';
import { nextUpgrade, PRODUCT_KEY, type Registered, World } from '../support/world';

// A gateway and its sub-devices, at the platform's own broker.

const image = imageOf(2_000_003);
const stall = { kind: 'http-stall', afterBytes: 1_000_000, times: 1 } as const;

/** The id of an upgrade of sub-devices. */
async function start(world: World, devices: readonly string[], version = '2.0.0') {
  const { id: firmwareId } = await world.store(image, { version });
  return (await world.platform.upgrades.start({ firmwareId, devices })).id;
}

function codeOf(reason: unknown): unknown {
  return (reason as IotkitError).code;
}

describe('a sub-device does over its gateway what a device does', () => {
  let world: World;
  let hub: Device;
  let sub: SubDevice;
  beforeAll(async () => {
    world = await World.openShared();
    const { device, subs } = await openHub(world, ['sensor']);
    hub = device;
    sub = await hub.gateway.login(subs[0] as SubDeviceIdentity);
  });
  afterAll(() => world[Symbol.asyncDispose]());

  test('it is there', () => {
    expect([sub.productKey, sub.deviceName, sub.state]).toEqual([
      PRODUCT_KEY,
      'sensor',
      'connected',
    ]);
    expect(hub.gateway.subDevices()).toEqual([sub]);
    expect(hub.gateway.subDevice(sub)).toBe(sub);
    expect(hub.gateway.subDevice(nameOf('other'))).toBeUndefined();
  });

  test('upgrades', async () => {
    await world.report(sub as Device, '1.0.0');
    const offered = sub.ota.nextUpgrade();
    const id = await start(world, ['sensor']);
    const upgrade = await offered;
    await upgrade.download(world.path('firmware.bin'));
    await sub.ota.reportVersion('2.0.0');
    expect(await world.outcome(id)).toMatchObject({ state: 'succeeded', deviceName: 'sensor' });
    expect(await sub.ota.check()).toBeUndefined();
  });

  test('upgrades in blocks over MQTT', async () => {
    const { id: firmwareId } = await world.store(imageOf(20_001), { version: '3.0.0' });
    const options = { firmwareId, devices: ['sensor'], protocol: 'mqtt' } as const;
    const offered = sub.ota.nextUpgrade();
    const { id } = await world.platform.upgrades.start(options);
    await (await offered).download(world.path('blocks.bin'));
    await sub.ota.reportVersion('3.0.0');
    expect((await world.outcome(id)).state).toBe('succeeded');
  });

  test('configuration, asked for and pushed', async () => {
    await world.platform.configs.set({ productKey: PRODUCT_KEY, data: '{"rate":1}' });
    expect(await (await sub.config.get())?.json()).toEqual({ rate: 1 });
    await using changes = sub.config.changes();
    await changes.next();
    await world.platform.configs.set({ productKey: PRODUCT_KEY, data: '{"rate":2}' });
    const pushing = world.platform.configs.push({ productKey: PRODUCT_KEY, devices: ['sensor'] });
    const { value } = await changes.next();
    expect(await value?.json()).toEqual({ rate: 2 });
    await value?.accept();
    expect(await pushing).toMatchObject([{ state: 'accepted' }]);
  });

  test('time', async () => {
    expect(Math.abs((await sub.time()).offset)).toBeLessThan(60_000);
  });

  test('messages', async () => {
    expect(sub.topic('user/get')).toBe(`/${PRODUCT_KEY}/sensor/user/get`);
    await using messages = await sub.subscribe(sub.topic('user/get'), { qos: 1 });
    await sub.publish(sub.topic('user/get'), 'one', { qos: 1 });
    const topic = sub.topic('user/get');
    await world.platform.messages.publish({ ...nameOf('sensor'), topic, payload: 'two' });
    expect((await messages.next()).value?.text()).toBe('one');
    expect((await messages.next()).value?.text()).toBe('two');
  });

  test('calls of the platform', async () => {
    using _calls = await sub.onRpc((call) => `${call.text()}!`);
    const answer = await world.platform.messages.call({ ...nameOf('sensor'), payload: 'hello' });
    expect(Buffer.from(answer.payload).toString()).toBe('hello!');
  });

  test('what its gateway alone decides is refused', () => {
    const refused = expect.objectContaining({ code: 'ERR_UNSUPPORTED' });
    expect(() => sub.ota.setBandwidthLimit(10_000)).toThrow(refused);
    expect(() => (sub as Device).gateway).toThrow(refused);
  });
});

test('a connection of the program has no sub-devices', async () => {
  await using device = attach({
    ...nameOf('hub'),
    publish: () => {},
    subscribe: () => {},
    unsubscribe: () => {},
    onMessage: () => {},
    onConnection: () => {},
  });
  const refused = expect.objectContaining({ code: 'ERR_UNSUPPORTED' });
  expect(() => (device as Device).gateway).toThrow(refused);
});

describe('topology', () => {
  test('added, listed, removed', async () => {
    await using world = await World.open();
    const { device } = await openHub(world, []);
    const names = Array.from({ length: 65 }, (_, i) => `s${i}`);
    const subs = await Promise.all(names.map(async (it) => identityOf(await world.register(it))));
    await device.gateway.addTopology(subs);
    expect((await device.gateway.topology()).map((it) => it.deviceName)).toEqual(names);
    const sub = await device.gateway.login(subs[64] as SubDeviceIdentity);
    await device.gateway.removeTopology(subs.slice(1));
    expect(await sub.closed).toMatchObject({ code: 'ERR_SUBDEVICE_UNKNOWN' });
    expect(await device.gateway.topology()).toEqual([nameOf('s0')]);
  });

  test('a device that is unknown is refused by its name', async () => {
    await using world = await World.open();
    const { device, subs } = await openHub(world, ['sensor']);
    const unknown = { ...(subs[0] as SubDeviceIdentity), deviceName: 'nobody' };
    await expect(device.gateway.addTopology([unknown])).rejects.toMatchObject({
      code: 'ERR_SUBDEVICE_UNKNOWN',
      detail: expect.stringContaining('6100'),
    });
  });

  test('registered by name, found, and wanted by the operator', async () => {
    await using world = await World.open();
    const { device, key } = await openHub(world, []);
    const known = await world.register('sensor');
    const changes = device.gateway.changes();
    const register = () => device.gateway.registerSubDevices([nameOf('sensor')]);
    await expect(register()).rejects.toMatchObject({ code: 'ERR_GATEWAY_REFUSED' });
    await world.platform.products.add({ productKey: PRODUCT_KEY, dynamicRegistration: true });
    expect(await register()).toMatchObject([identityOf(known)]);
    const found = world.platform.waitFor('sub-devices-found');
    await device.gateway.reportFound([nameOf('sensor')]);
    expect((await found).devices).toEqual([nameOf('sensor')]);
    await world.platform.gateways.propose(key, [nameOf('sensor')]);
    expect((await changes.next()).value).toEqual({ type: 'wanted', ...nameOf('sensor') });
  });

  test.each([
    { fault: { kind: 'gateway-error', code: 429 }, code: 'ERR_GATEWAY_THROTTLED', options: {} },
    { fault: { kind: 'gateway-error', code: 460 }, code: 'ERR_GATEWAY_REFUSED', options: {} },
    { fault: { kind: 'gateway-error', code: 6619 }, code: 'ERR_SUBDEVICE_BOUND', options: {} },
    { fault: { kind: 'gateway-lost' }, code: 'ERR_TIMEOUT', options: { timeout: 100 } },
  ] as const)('$fault.code: $code', async ({ fault, code, options }) => {
    await using world = await World.open({ faults: [{ ...fault, request: 'topology' }] });
    const { device } = await openHub(world, []);
    world.platform.faults.clear();
    world.platform.faults.set(fault);
    await expect(device.gateway.topology(options)).rejects.toMatchObject({ code });
  });
});

describe('a login that is refused', () => {
  const cases = [
    {
      title: 'a wrong secret',
      code: 'ERR_SUBDEVICE_SIGN',
      spoil: (_: World, it: SubDeviceIdentity) => ({ ...it, deviceSecret: 'x'.repeat(32) }),
    },
    {
      title: 'an unknown device',
      code: 'ERR_SUBDEVICE_UNKNOWN',
      spoil: (_: World, it: SubDeviceIdentity) => ({ ...it, deviceName: 'nobody' }),
    },
    {
      title: 'a device that is not in the topology',
      code: 'ERR_SUBDEVICE_NOT_OURS',
      spoil: async (world: World) => identityOf(await world.register('stranger')),
    },
    {
      title: 'a device that is disabled',
      code: 'ERR_SUBDEVICE_DISABLED',
      spoil: async (world: World, it: SubDeviceIdentity) => {
        await world.platform.devices.disable(it);
        return it;
      },
    },
  ] as const;

  test.each(cases)('alone: $title', async ({ code, spoil }) => {
    await using world = await World.open();
    const { device, subs } = await openHub(world, ['sensor']);
    const spoilt = await spoil(world, subs[0] as SubDeviceIdentity);
    const refused = device.gateway.login(spoilt);
    await expect(refused).rejects.toMatchObject({ code, retryable: false });
    expect(device.gateway.subDevices()).toEqual([]);
  });

  test('several in a batch disturb nobody else', async () => {
    await using world = await World.open();
    const names = Array.from({ length: 12 }, (_, i) => `s${i}`);
    const { device, subs } = await openHub(world, names);
    const mixed = [...subs];
    for (const [i, { spoil }] of cases.entries()) {
      mixed[3 * i] = await spoil(world, subs[3 * i] as SubDeviceIdentity);
    }
    const outcomes = await device.gateway.loginAll(mixed);
    const codes = outcomes.map((it) => (it.status === 'fulfilled' ? 'in' : codeOf(it.reason)));
    const expected = cases.flatMap(({ code }) => [code, 'in', 'in']);
    expect(codes).toEqual(expected);
    const online = world.platform.gateways.topology(nameOf('hub')).filter((it) => it.loggedIn);
    expect(online).toHaveLength(8);
    expect(device.gateway.subDevices()).toHaveLength(8);
  });

  test.each([
    { title: 'no secret', sub: { deviceSecret: undefined }, message: /deviceSecret must be/ },
    { title: 'no name', sub: { deviceName: 7 }, message: /deviceName must be/ },
    { title: 'a misspelt key', sub: { secret: 'x' }, message: /a sub-device has no option secret/ },
    {
      title: 'a secret is not shown',
      sub: { deviceSecret: 's3'.repeat(40) },
      message: /not shown/,
    },
  ])('an argument: $title', async ({ sub, message }) => {
    await using world = await World.open();
    const { device, subs } = await openHub(world, ['sensor']);
    const given = { ...subs[0], ...sub } as unknown as SubDeviceIdentity;
    const refused = device.gateway.login(given);
    await expect(refused).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' });
    await expect(refused).rejects.toThrow(message);
    await expect(device.gateway.loginAll([])).rejects.toThrow(/devices.length/);
  });

  test('one that nobody answers ends with its time-out, or its signal', async () => {
    await using world = await World.open();
    const { device, subs } = await openHub(world, ['sensor', 'valve']);
    world.platform.faults.set({ kind: 'gateway-lost' });
    const [sub, other] = subs as [SubDeviceIdentity, SubDeviceIdentity];
    const late = device.gateway.login(sub, { timeout: 50 });
    await expect(late).rejects.toMatchObject({ code: 'ERR_TIMEOUT' });
    const controller = new AbortController();
    const aborted = device.gateway.login(sub, { signal: controller.signal });
    controller.abort(new Error('enough'));
    await expect(aborted).rejects.toThrow('enough');
    world.platform.faults.clear();
    expect((await device.gateway.login(other)).state).toBe('connected');
  });
});

describe('what the platform does to a sub-device', () => {
  async function open() {
    const world = await World.open();
    const { device, key, subs } = await openHub(world, ['sensor', 'valve']);
    const [sensor, valve] = (await device.gateway.loginAll(subs)).map((it) =>
      it.status === 'fulfilled' ? it.value : undefined,
    ) as [SubDevice, SubDevice];
    const heard: TopologyChange[] = [];
    device.gateway.on('change', (change) => heard.push(change));
    return { world, device, key, subs, sensor, valve, heard, changes: device.gateway.changes() };
  }

  test('kicked by a connection of its own, and logged in again by the program', async () => {
    const { world, device, subs, sensor, valve, heard, changes } = await open();
    const direct = await world.connect(subs[0] as Registered);
    expect((await changes.next()).value).toEqual({ type: 'kicked', ...nameOf('sensor') });
    expect(heard).toEqual([{ type: 'kicked', ...nameOf('sensor') }]);
    expect(sensor).toMatchObject({
      state: 'waiting',
      error: { code: 'ERR_SUBDEVICE_KICKED', retryable: false },
    });
    await direct.close();
    expect(await device.gateway.login(subs[0] as SubDeviceIdentity)).toBe(sensor);
    expect([sensor.state, sensor.error, valve.state]).toEqual([
      'connected',
      undefined,
      'connected',
    ]);
  });

  test('disabled, and enabled again', async () => {
    const { world, sensor, changes } = await open();
    await world.platform.devices.disable(nameOf('sensor'));
    expect((await changes.next()).value).toEqual({ type: 'disabled', ...nameOf('sensor') });
    expect(sensor).toMatchObject({ state: 'waiting', error: { code: 'ERR_SUBDEVICE_DISABLED' } });
    await expect(sensor.ota.reportProgress(5)).rejects.toMatchObject({ code: 'ERR_NOT_CONNECTED' });
    await world.platform.devices.enable(nameOf('sensor'));
    await entered(sensor, 'connected');
    expect((await changes.next()).value).toEqual({ type: 'enabled', ...nameOf('sensor') });
    await sensor.ota.reportProgress(5);
  });

  test.each([
    {
      title: 'deleted from the platform',
      remove: (world: World) => world.platform.devices.remove(nameOf('sensor')),
    },
    {
      title: 'taken out of the topology',
      remove: (world: World, key: Registered) =>
        world.platform.gateways.remove(key, [nameOf('sensor')]),
    },
  ])('$title while it downloads', async ({ remove }) => {
    const { world, device, key, sensor, valve, changes } = await open();
    world.platform.faults.set(stall);
    await world.report(sensor as Device, '1.0.0');
    await start(world, ['sensor']);
    const upgrade = await nextUpgrade(sensor as Device);
    const download = upgrade.download(world.path('firmware.bin'));
    for await (const { received } of upgrade.progress()) if (received > 0) break;
    await remove(world, key);
    await expect(download).rejects.toMatchObject({ code: 'ERR_CLOSED' });
    expect(await sensor.closed).toMatchObject({ code: 'ERR_SUBDEVICE_UNKNOWN' });
    expect((await changes.next()).value).toEqual({ type: 'deleted', ...nameOf('sensor') });
    expect(device.gateway.subDevices()).toEqual([valve]);
    // A progress report that was on its way may have cost the connection.
    await entered(valve, 'connected');
  });

  test('added by the operator', async () => {
    const { world, device, key, changes } = await open();
    const lamp = await world.register('lamp');
    await world.platform.gateways.add(key, [nameOf('lamp')]);
    expect((await changes.next()).value).toEqual({ type: 'created', ...nameOf('lamp') });
    expect((await device.gateway.login(identityOf(lamp))).state).toBe('connected');
  });
});

describe('a connection that is lost', () => {
  async function open(names: readonly string[]) {
    const world = await World.open();
    const relay = await startRelay(Number(new URL(world.platform.mqttsUrl).port));
    const hub = await openHub(world, names, {
      url: `mqtts://127.0.0.1:${relay.port}`,
      reconnect: { min: 1, max: 20 },
    });
    const dispose = async (): Promise<void> => {
      await world[Symbol.asyncDispose]();
      await relay[Symbol.asyncDispose]();
    };
    return { world, relay, ...hub, [Symbol.asyncDispose]: dispose };
  }

  test('logs all of them in again, with what they have subscribed', async () => {
    await using scene = await open(['sensor', 'valve']);
    const { device, relay, subs } = scene;
    await device.gateway.loginAll(subs);
    const [sensor, valve] = device.gateway.subDevices() as [SubDevice, SubDevice];
    await using messages = await sensor.subscribe(sensor.topic('user/get'));
    const states: string[] = [];
    sensor.on('state', ({ state }) => states.push(state));
    for (let i = 0; i < 2; i += 1) {
      const lost = entered(sensor, 'waiting');
      relay.cut();
      await lost;
      await Promise.all([entered(sensor, 'connected'), entered(valve, 'connected')]);
      // Acknowledged: what it has subscribed before has been granted.
      await using _later = await sensor.subscribe(sensor.topic(`user/${i}`));
      await sensor.publish(sensor.topic('user/get'), `${i}`, { qos: 1 });
      expect((await messages.next()).value?.text()).toBe(`${i}`);
    }
    expect(states).toEqual(['waiting', 'connected', 'waiting', 'connected']);
  });

  test('keeps what is published until the sub-device is logged in again', async () => {
    await using scene = await open(['sensor']);
    const { device, relay, subs } = scene;
    const sensor = await device.gateway.login(subs[0] as SubDeviceIdentity);
    await using messages = await sensor.subscribe(sensor.topic('user/get'));
    relay.refuse(true);
    const lost = entered(sensor, 'waiting');
    relay.cut();
    await lost;
    const published = sensor.publish(sensor.topic('user/get'), 'kept', { qos: 1 });
    relay.refuse(false);
    await published;
    expect((await messages.next()).value?.text()).toBe('kept');
  });

  test('in the middle of a download does not disturb it', async () => {
    await using scene = await open(['sensor']);
    const { world, device, relay, subs } = scene;
    const sensor = await device.gateway.login(subs[0] as SubDeviceIdentity);
    await world.report(sensor as Device, '1.0.0');
    const id = await start(world, ['sensor']);
    const upgrade = await nextUpgrade(sensor as Device);
    const lost = entered(sensor, 'waiting');
    relay.cut();
    await Promise.all([upgrade.download(world.path('firmware.bin')), lost]);
    await sensor.ota.reportVersion('2.0.0');
    expect((await world.outcome(id)).state).toBe('succeeded');
  });

  test('while they log in is waited out', async () => {
    await using scene = await open(Array.from({ length: 30 }, (_, i) => `s${i}`));
    const { device, relay, subs, world } = scene;
    world.platform.faults.set({ kind: 'gateway-lost' });
    const outcomes = device.gateway.loginAll(subs);
    relay.refuse(true);
    relay.cut();
    world.platform.faults.clear();
    relay.refuse(false);
    expect((await outcomes).filter(({ status }) => status === 'fulfilled')).toHaveLength(30);
  });
});

describe('the end', () => {
  test('of one, and its next login', async () => {
    await using world = await World.open();
    const { device, key, subs } = await openHub(world, ['sensor']);
    const [identity] = subs as [SubDeviceIdentity];
    const loggedIn = (): boolean | undefined => world.platform.gateways.topology(key)[0]?.loggedIn;
    for (let i = 0; i < 3; i += 1) {
      const sub = await device.gateway.login(identity);
      await sub.ota.reportVersion('1.0.0');
      expect(loggedIn()).toBe(true);
      const closing = sub.close();
      // The next login waits for the end of this one.
      if (i === 1) expect(await device.gateway.login(identity)).not.toBe(sub);
      await closing;
      expect([sub.state, await sub.closed, loggedIn()]).toEqual(['closed', undefined, i === 1]);
      await expect(sub.publish('t', 'x')).rejects.toMatchObject({ code: 'ERR_CLOSED' });
      await expect(sub.ota.check()).rejects.toMatchObject({ code: 'ERR_CLOSED' });
      await expect(sub.time()).rejects.toMatchObject({ code: 'ERR_CLOSED' });
      await device.gateway.logout();
    }
  });

  test('of many in one call', async () => {
    await using world = await World.open();
    const names = Array.from({ length: 60 }, (_, i) => `s${i}`);
    const { device, key, subs } = await openHub(world, names);
    await device.gateway.loginAll(subs);
    const requests: string[] = [];
    world.platform.on('gateway-request', ({ request }) => requests.push(request));
    await device.gateway.logout(subs.slice(0, 10));
    expect(device.gateway.subDevices()).toHaveLength(50);
    await device.gateway.logout();
    expect(device.gateway.subDevices()).toEqual([]);
    expect(world.platform.gateways.topology(key).some((it) => it.loggedIn)).toBe(false);
    expect(requests).toEqual(['batch-logout', 'batch-logout']);
  });

  test('of one while it downloads', async () => {
    await using world = await World.open({ faults: [stall] });
    const { device, subs } = await openHub(world, ['sensor']);
    const sub = await device.gateway.login(subs[0] as SubDeviceIdentity);
    await world.report(sub as Device, '1.0.0');
    await start(world, ['sensor']);
    const download = (await nextUpgrade(sub as Device)).download(world.path('firmware.bin'));
    const failed = expect(download).rejects.toMatchObject({ code: 'ERR_CLOSED' });
    await sub.close();
    await failed;
    expect([sub.state, device.state]).toEqual(['closed', 'connected']);
  });

  test('of the gateway ends everything of it', async () => {
    await using world = await World.open({ faults: [stall] });
    const { device, subs } = await openHub(world, ['sensor', 'valve', 'late']);
    await device.gateway.loginAll(subs.slice(0, 2));
    const [sensor, valve] = device.gateway.subDevices() as [SubDevice, SubDevice];
    await world.report(sensor as Device, '1.0.0');
    await start(world, ['sensor']);
    const upgrade = await nextUpgrade(sensor as Device);
    const closed = expect.objectContaining({ code: 'ERR_CLOSED' });
    const changes = device.gateway.changes();
    const ends = [
      upgrade.download(world.path('firmware.bin')).catch((error: unknown) => error),
      device.gateway.login(subs[2] as SubDeviceIdentity).catch((error: unknown) => error),
      device.gateway.topology().catch((error: unknown) => error),
      valve.config.get().catch((error: unknown) => error),
    ];
    await device.close();
    expect(await Promise.all(ends)).toEqual([closed, closed, closed, closed]);
    expect([sensor.state, valve.state, (await changes.next()).done]).toEqual([
      'closed',
      'closed',
      true,
    ]);
    expect(await sensor.closed).toBeUndefined();
    await expect(device.gateway.login(subs[0] as SubDeviceIdentity)).rejects.toEqual(closed);
  });
});
