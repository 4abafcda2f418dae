import { type AddressInfo, createServer, type Socket } from 'node:net';
import { Aedes } from 'aedes';
import { type Device, ManualClock, Platform } from '../../src/index';
import { atEnd } from '../support/clean-up';
import { PRODUCT, TestDevice } from '../support/device';
import { bytes, download } from '../support/download';
import { claim } from '../support/gateway';
import { heldPort } from '../support/held-port';
import { startPlatform, temporaryFolder } from '../support/start';

const image = bytes(50_000);

interface RunningBroker {
  readonly url: string;
  readonly stop: () => Promise<void>;
}

/** A broker that knows nothing of the platform's protocol. */
async function startBroker(login?: { username: string; password: string }): Promise<string> {
  return (await runBroker(0, login)).url;
}

async function runBroker(
  port = 0,
  login?: { username: string; password: string },
  refuses = (_filter: string) => false,
): Promise<RunningBroker> {
  const broker = await Aedes.createBroker({
    authenticate: (_client, username, password, done) => {
      const good = username === login?.username && password?.toString() === login?.password;
      done(null, login === undefined || username !== 'platform' || good);
    },
    authorizeSubscribe: (_client, subscription, done) =>
      done(null, refuses(subscription.topic) ? null : subscription),
  });
  const server = createServer(broker.handle);
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const url = `mqtt://127.0.0.1:${(server.address() as AddressInfo).port}`;
  let stopped: Promise<void> | undefined;
  const end = async (): Promise<void> => {
    await new Promise<void>((resolve) => broker.close(resolve));
    await new Promise((resolve) => server.close(resolve));
  };
  const stop = (): Promise<void> => {
    stopped ??= end();
    return stopped;
  };
  atEnd(stop);
  return { url, stop };
}

async function ready(platform: Platform, device: Device, url: string): Promise<TestDevice> {
  const lamp = await TestDevice.connect(platform, device, { url });
  await lamp.subscribe();
  const reported = platform.waitFor('version-reported');
  await lamp.inform('1.0.0');
  await reported;
  return lamp;
}

test('a configuration is pushed and asked for through it', async () => {
  const url = await startBroker();
  const clock = new ManualClock();
  const platform = await startPlatform({ broker: { url }, clock });
  const device = await platform.devices.add({ productKey: PRODUCT, deviceName: 'lamp' });
  await platform.configs.set({ productKey: PRODUCT, data: image });
  // Whether anybody is there is not known: it is sent, and nobody answers.
  const unheard = platform.configs.push({ productKey: PRODUCT });
  clock.advance(30_000);
  expect(await unheard).toMatchObject([{ state: 'unanswered' }]);
  const lamp = await ready(platform, device, url);
  const topics = `/sys/${lamp.names}/thing/config`;
  await lamp.client.subscribeAsync([`${topics}/push`, `${topics}/get_reply`]);
  const pushing = platform.configs.push({ productKey: PRODUCT });
  const { id } = await lamp.notice();
  await lamp.client.publishAsync(`${topics}/push_reply`, JSON.stringify({ id, code: 200 }));
  expect(await pushing).toMatchObject([{ state: 'accepted' }]);
  await lamp.send(`${topics}/get`, { configScope: 'product', getType: 'file' });
  const { data } = await lamp.notice();
  expect((await download(platform, data.url)).body.equals(image)).toBe(true);
});

test('messages, calls and the time go through it; what needs its connections does not', async () => {
  const url = await startBroker();
  const clock = new ManualClock(5);
  const platform = await startPlatform({ broker: { url }, clock });
  const device = await platform.devices.add({ productKey: PRODUCT, deviceName: 'lamp' });
  const lamp = await ready(platform, device, url);
  const { names } = lamp;
  const user = `/${names}/user/get`;
  await lamp.client.subscribeAsync([
    user,
    `/ext/ntp/${names}/response`,
    `/sys/${names}/rrpc/request/+`,
  ]);

  await lamp.client.publishAsync(`/ext/ntp/${names}/request`, '{"deviceSendTime":1}');
  expect((await lamp.next()).payload.toString()).toBe(
    '{"deviceSendTime":1,"serverRecvTime":5,"serverSendTime":5}',
  );
  const message = { ...device, topic: user, payload: 'x' };
  expect(await platform.messages.publish(message)).toMatchObject({ state: 'unknown' });
  expect((await lamp.next()).topic).toBe(user);

  const call = platform.messages.call({ ...device, payload: 'x' });
  const { topic } = await lamp.next();
  await lamp.client.publishAsync(topic.replace('request', 'response'), 'y');
  expect((await call).payload.toString()).toBe('y');
  const custom = platform.messages.call({ ...device, payload: 'x', topic: '/a' });
  await expect(custom).rejects.toMatchObject({ code: 'ERR_UNSUPPORTED' });
  expect(() => platform.messages.expectMessages()).toThrow(
    expect.objectContaining({ code: 'ERR_UNSUPPORTED' }),
  );
});

test('a broker set up for upgrades alone serves for those, and the rest is reported', async () => {
  const port = await heldPort();
  const refuses = (filter: string) => /ext|rrpc|topo/.test(filter);
  const { url, stop } = await runBroker(port, undefined, refuses);
  const platform = await startPlatform({ broker: { url, reconnectMs: 20 } });
  expect(platform.health.broker).toEqual({ connected: true });
  const lost = platform.waitFor('broker-health');
  await stop();
  await lost;
  const complaint = platform.waitFor('bad-message');
  await runBroker(port, undefined, refuses);
  expect(await complaint).toMatchObject({
    topic: expect.stringContaining('/ext/ntp/+/+/request, /sys/+/+/rrpc/response/+'),
    reason: expect.stringContaining('refuses to let the platform subscribe'),
  });
  expect(platform.health.broker).toEqual({ connected: true });
});

test('a message that the broker cannot take is an error', async () => {
  const { url, stop } = await runBroker(await heldPort());
  const platform = await startPlatform({ broker: { url } });
  const device = await platform.devices.add({ productKey: PRODUCT, deviceName: 'lamp' });
  const lost = platform.waitFor('broker-health');
  await stop();
  await lost;
  const message = { ...device, topic: `/${PRODUCT}/lamp/user/x`, payload: 'x' };
  const code = { code: 'ERR_BROKER' };
  await expect(platform.messages.publish(message)).rejects.toMatchObject(code);
  await expect(platform.messages.call(message)).rejects.toMatchObject({
    code: 'ERR_UNSUPPORTED',
  });
  const { topic: _, ...call } = message;
  await expect(platform.messages.call(call)).rejects.toMatchObject(code);
});

test('a gateway logs its sub-device in, and has a notice for it', async () => {
  const url = await startBroker();
  const platform = await startPlatform({ broker: { url } });
  const hub = await platform.devices.add({ productKey: PRODUCT, deviceName: 'hub' });
  const sensor = await platform.devices.add({ productKey: PRODUCT, deviceName: 'sensor' });
  const link = await TestDevice.connect(platform, hub, { url });
  const topics = {
    add: `/sys/${link.names}/thing/topo/add`,
    login: `/ext/session/${link.names}/combine/login`,
  };
  await link.client.subscribeAsync([`${topics.add}_reply`, `${topics.login}_reply`]);
  for (const topic of [topics.add, topics.login]) {
    await link.client.publishAsync(topic, JSON.stringify({ id: '1', params: claim(sensor) }));
    const { topic: replied, payload } = await link.next();
    expect([replied, JSON.parse(payload.toString()).code]).toEqual([`${topic}_reply`, 200]);
  }
  expect(platform.gateways.topology(hub)).toMatchObject([{ loggedIn: true }]);
  expect(platform.devices.get(sensor)?.presence).toBe('unknown');
  await link.client.subscribeAsync(`/ota/device/upgrade/${PRODUCT}/sensor`);
  const firmware = await platform.firmware.add({ productKey: PRODUCT, version: '2', data: image });
  await platform.upgrades.start({ firmwareId: firmware.id, devices: ['sensor'] });
  const inform = JSON.stringify({ id: '1', params: { version: '1' } });
  await link.client.publishAsync(`/ota/device/inform/${PRODUCT}/sensor`, inform);
  expect((await link.notice()).data.version).toBe('2');
});

test('the whole job goes through a broker of somebody else', async () => {
  const login = { username: 'platform', password: 'secret' };
  const url = await startBroker(login);
  const platform = await startPlatform({ broker: { url, ...login } });
  expect(Object.keys(platform.ports).sort()).toEqual(['api', 'http', 'https']);
  expect(() => platform.mqttUrl).toThrow(expect.objectContaining({ code: 'ERR_NOT_FOUND' }));
  const device = await platform.devices.add({ productKey: PRODUCT, deviceName: 'lamp' });
  const lamp = await ready(platform, device, url);
  expect(platform.devices.get(device)).toMatchObject({ presence: 'unknown', online: false });
  const firmware = await platform.firmware.add({ productKey: PRODUCT, version: '2', data: image });
  const { id } = await platform.upgrades.start({ firmwareId: firmware.id, devices: ['lamp'] });
  const { data } = await lamp.notice();
  expect(platform.upgrades.get(id)?.tasks[0]?.state).toBe('pending');
  expect((await download(platform, data.url)).body.equals(image)).toBe(true);
  await lamp.progress(100);
  await lamp.inform('2');
  const { tasks } = await platform.upgrades.settled(id);
  expect(tasks[0]?.history.map(({ state }) => state)).toEqual([
    'pending',
    'upgrading',
    'succeeded',
  ]);
});

test('a notice that found nobody is sent again with the next version report', async () => {
  const url = await startBroker();
  const platform = await startPlatform({ broker: { url } });
  const device = await platform.devices.add({ productKey: PRODUCT, deviceName: 'lamp' });
  const lamp = await ready(platform, device, url);
  await lamp.disconnect();
  const firmware = await platform.firmware.add({ productKey: PRODUCT, version: '2', data: image });
  await platform.upgrades.start({ firmwareId: firmware.id, devices: ['lamp'] });
  const again = await ready(platform, device, url);
  expect((await again.notice()).data.version).toBe('2');
});

test('a restart reaches the devices that stayed connected', async () => {
  const url = await startBroker();
  const stateDir = await temporaryFolder();
  const before = await startPlatform({ broker: { url }, stateDir });
  const device = await before.devices.add({ productKey: PRODUCT, deviceName: 'lamp' });
  const lamp = await ready(before, device, url);
  const firmware = await before.firmware.add({ productKey: PRODUCT, version: '2', data: image });
  const { id } = await before.upgrades.start({
    firmwareId: firmware.id,
    devices: ['lamp'],
    requireConfirmation: true,
  });
  await before.close();
  const after = await startPlatform({ broker: { url }, stateDir });
  await after.upgrades.confirm(id);
  expect((await lamp.notice()).data.version).toBe('2');
  await after.close();
  // What was pushed may have been lost in between: it is sent again.
  await startPlatform({ broker: { url }, stateDir });
  expect((await lamp.notice()).data.version).toBe('2');
});

test('a broker that is gone is told everywhere, nothing is delivered meanwhile, and it is joined again', async () => {
  const port = await heldPort();
  const { url, stop } = await runBroker(port);
  const platform = await startPlatform({ broker: { url, reconnectMs: 20 } });
  const device = await platform.devices.add({ productKey: PRODUCT, deviceName: 'lamp' });
  await ready(platform, device, url);
  expect(platform.health.broker).toEqual({ connected: true });
  const lost = platform.waitFor('broker-health');
  await stop();
  expect(await lost).toMatchObject({ connected: false, reason: expect.any(String) });
  expect(platform.health.broker).toMatchObject({ connected: false });
  const sent: string[] = [];
  platform.on('notice-sent', ({ topic }) => sent.push(topic));
  const firmware = await platform.firmware.add({ productKey: PRODUCT, version: '2', data: image });
  const { id } = await platform.upgrades.start({ firmwareId: firmware.id, devices: ['lamp'] });
  expect([sent, platform.upgrades.get(id)?.tasks[0]?.state]).toEqual([[], 'pending']);
  const joined = platform.waitFor('broker-health');
  const notice = platform.waitFor('notice-sent');
  await runBroker(port);
  expect(await joined).toMatchObject({ connected: true });
  await notice;
});

test('a platform starts before its broker, and joins it when it is there', async () => {
  const port = await heldPort();
  const url = `mqtt://127.0.0.1:${port}`;
  const platform = await startPlatform({ broker: { url, reconnectMs: 20 } });
  expect(platform.health.broker).toMatchObject({
    connected: false,
    reason: expect.stringMatching(/ECONNREFUSED/),
  });
  const joined = platform.waitFor('broker-health', ({ connected }) => connected);
  await runBroker(port);
  await joined;
  const device = await platform.devices.add({ productKey: PRODUCT, deviceName: 'lamp' });
  await ready(platform, device, url);
});

/** What a broker refuses, until it is told otherwise. */
type Unwilling = 'connections' | 'subscriptions' | undefined;

async function runUnwilling(first: Unwilling): Promise<{
  readonly url: string;
  readonly become: (now: Unwilling) => void;
  /** Ends all connections. */
  readonly cut: () => void;
}> {
  let refuses = first;
  const broker = await Aedes.createBroker({
    authenticate: (_client, _username, _password, done) => {
      const error = Object.assign(new Error('later'), { returnCode: 3 });
      if (refuses === 'connections') done(error, null);
      else done(null, true);
    },
    authorizeSubscribe: (_client, subscription, done) =>
      done(null, refuses === 'subscriptions' ? null : subscription),
  });
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    broker.handle(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  atEnd(async () => {
    await new Promise<void>((resolve) => broker.close(resolve));
    await new Promise((resolve) => server.close(resolve));
  });
  const url = `mqtt://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const become = (now: Unwilling): void => {
    refuses = now;
  };
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return { url, become, cut };
}

test('a broker that is not available yet refuses for now, at the start too', async () => {
  const broker = await runUnwilling('connections');
  const platform = await startPlatform({ broker: { url: broker.url, reconnectMs: 20 } });
  const { reason } = platform.health.broker;
  expect([platform.health.broker.connected, reason]).toEqual([
    false,
    expect.stringMatching(/unavailable/i),
  ]);
  const joined = platform.waitFor('broker-health', ({ connected }) => connected);
  broker.become(undefined);
  await joined;
});

test('a broker that refuses the subscriptions is asked again, and its latest reason is told', async () => {
  const broker = await runUnwilling(undefined);
  const platform = await startPlatform({ broker: { url: broker.url, reconnectMs: 20 } });
  broker.become('subscriptions');
  const lost = platform.waitFor('broker-health');
  broker.cut();
  await lost;
  while (!/refuses to let/.test(platform.health.broker.reason ?? ''))
    await new Promise(setImmediate);
  const joined = platform.waitFor('broker-health', ({ connected }) => connected);
  broker.become(undefined);
  await joined;
  expect(platform.health.broker).toEqual({ connected: true });
});

test('the legacy request does not make the platform answer itself', async () => {
  const url = await startBroker();
  const platform = await startPlatform({ broker: { url } });
  const device = await platform.devices.add({ productKey: PRODUCT, deviceName: 'lamp' });
  const lamp = await ready(platform, device, url);
  const firmware = await platform.firmware.add({ productKey: PRODUCT, version: '2', data: image });
  await platform.upgrades.start({ firmwareId: firmware.id, devices: ['lamp'], delivery: 'pull' });
  const topic = `/ota/device/request/${lamp.names}`;
  await lamp.client.subscribeAsync(topic, { qos: 1 });
  const sent: string[] = [];
  platform.on('notice-sent', (event) => sent.push(event.topic));
  await lamp.send(topic, { version: '1.0.0' }, 1);
  // Its own request comes back to the device first: this broker makes no difference.
  expect(await lamp.notice()).toHaveProperty('params');
  expect(await lamp.notice()).toMatchObject({ code: '1000', data: { version: '2' } });
  const reported = platform.waitFor('version-reported');
  await lamp.inform('1.0.0');
  await reported;
  expect(sent).toEqual([topic]);
});

test('devices that are not registered are reported, and no more', async () => {
  const url = await startBroker();
  const platform = await startPlatform({ broker: { url } });
  const stranger = { productKey: PRODUCT, deviceName: 'x', deviceSecret: 's' } as Device;
  const device = await TestDevice.connect(platform, stranger, { url });
  const complaint = platform.waitFor('bad-message');
  await device.inform('1.0.0');
  expect(await complaint).toMatchObject({ reason: 'the device is not registered' });
  expect(platform.devices.list()).toEqual([]);
});

test('a broker that cannot be joined, or is asked to misbehave, is an error', async () => {
  const url = await startBroker({ username: 'platform', password: 'secret' });
  const wrong = Platform.start({
    broker: { url: url.replace('//', '//platform:hunter2@'), username: 'platform', password: 'x' },
  });
  await expect(wrong).rejects.toMatchObject({ code: 'ERR_BROKER' });
  await expect(wrong).rejects.not.toThrow('hunter2');
  const platform = await startPlatform({ broker: { url } });
  const device = await platform.devices.add({ productKey: PRODUCT, deviceName: 'lamp' });
  expect(() => platform.devices.disconnect(device)).toThrow(
    expect.objectContaining({ code: 'ERR_FAULT_UNSUPPORTED' }),
  );
  expect(() => platform.faults.set({ kind: 'mqtt-no-puback' })).toThrow(
    expect.objectContaining({ code: 'ERR_FAULT_UNSUPPORTED' }),
  );
});
