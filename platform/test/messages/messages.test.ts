import { type Device, ManualClock, type Platform } from '../../src/index';
import { PRODUCT, readyDevice, TestDevice } from '../support/device';
import { startPlatform } from '../support/start';

let platform: Platform;
let clock: ManualClock;
let device: Device;

beforeEach(async () => {
  clock = new ManualClock(1_700_000_000_000);
  platform = await startPlatform({ clock });
  device = await platform.devices.add({ productKey: PRODUCT, deviceName: 'lamp' });
});

/** With more parameters in its client id; resolves when the platform can send to it. */
async function connect(parameters: string, of = device, clean = true): Promise<TestDevice> {
  const came = platform.waitFor('device-connected');
  const connected = await TestDevice.connect(platform, of, { parameters, clean });
  await came;
  return connected;
}

function code(name: string): unknown {
  return expect.objectContaining({ code: name });
}

describe('the time', () => {
  test.each([
    ['{"deviceSendTime":"100"}', '"100"', '"1700000000000"'],
    ['{"deviceSendTime":100}', '100', '1700000000000'],
  ])('%s is answered with the clock of the platform', async (request, sent, now) => {
    const lamp = await connect('');
    await lamp.client.subscribeAsync(`/ext/ntp/${lamp.names}/response`);
    await lamp.client.publishAsync(`/ext/ntp/${lamp.names}/request`, request);
    expect((await lamp.next()).payload.toString()).toBe(
      `{"deviceSendTime":${sent},"serverRecvTime":${now},"serverSendTime":${now}}`,
    );
  });

  test('comes unsubscribed with _ss=1', async () => {
    const lamp = await connect('_ss=1');
    await lamp.client.publishAsync(`/ext/ntp/${lamp.names}/request`, '{"deviceSendTime":"1"}');
    expect((await lamp.next()).topic).toBe(`/ext/ntp/${lamp.names}/response`);
  });

  test('is not given to a request that cannot be read', async () => {
    const lamp = await connect('_ss=1');
    const complaint = platform.waitFor('bad-message');
    await lamp.client.publishAsync(`/ext/ntp/${lamp.names}/request`, '{}');
    expect(await complaint).toMatchObject({ reason: expect.stringContaining('deviceSendTime') });
    await lamp.settle();
    expect(lamp.unread).toBe(0);
  });
});

describe('a call', () => {
  /** Answers each call with its payload behind a word. */
  async function echo(lamp: TestDevice): Promise<void> {
    const { topic, payload } = await lamp.next();
    const answer = topic.replace('/rrpc/request/', '/rrpc/response/');
    await lamp.client.publishAsync(answer, Buffer.concat([Buffer.from('re:'), payload]));
  }

  test.each([
    [
      'on the topic of the system',
      'ext=0',
      undefined,
      (names: string) => `/sys/${names}/rrpc/request/+`,
    ],
    [
      'on a topic of its own',
      'ext=1',
      `/${PRODUCT}/lamp/user/get`,
      () => `/ext/rrpc/+/${PRODUCT}/lamp/user/get`,
    ],
    ['on any topic', 'ext=3', '/what/ever', () => '/ext/rrpc/#'],
    [
      'of a service',
      'ext=3',
      `/sys/${PRODUCT}/lamp/thing/service/x`,
      () => `/ext/rrpc/+/sys/${PRODUCT}/lamp/thing/service/+`,
    ],
  ] as const)('%s is answered', async (_, parameters, topic, filter) => {
    const lamp = await connect(parameters);
    await lamp.client.subscribeAsync(filter(lamp.names));
    const echoing = echo(lamp);
    const call = platform.messages.call({
      ...device,
      payload: Buffer.from([0xff]),
      ...(topic !== undefined && { topic }),
    });
    await echoing;
    expect(await call).toMatchObject({
      deviceName: 'lamp',
      id: expect.stringMatching(/^\d{16}$/),
      payload: Buffer.from([...Buffer.from('re:'), 0xff]),
      ms: 0,
    });
  });

  test('needs no subscription with _ss=1', async () => {
    const lamp = await connect('_ss=1,ext=3,');
    for (const topic of [undefined, '/a/b']) {
      const call = platform.messages.call({ ...device, payload: 'x', ...(topic && { topic }) });
      await echo(lamp);
      expect((await call).payload.toString()).toBe('re:x');
    }
  });

  test('reaches the device that is called alone, and so does its answer the platform', async () => {
    const other = await platform.devices.add({ productKey: PRODUCT, deviceName: 'fan' });
    const [lamp, fan] = [await connect('ext=1'), await connect('ext=1', other)];
    for (const { client } of [lamp, fan]) await client.subscribeAsync('/ext/rrpc/#');
    const call = platform.messages.call({ ...device, payload: 'x', topic: '/a/b' });
    const { topic } = await lamp.next();
    const complaint = platform.waitFor('bad-message');
    await fan.client.publishAsync(topic, 'of another', { qos: 1 });
    expect(await complaint).toMatchObject({ reason: expect.stringContaining('no call') });
    await lamp.client.publishAsync(topic, 'mine', { qos: 1 });
    expect((await call).payload.toString()).toBe('mine');
    for (const each of [lamp, fan]) await each.settle();
    expect([lamp.unread, fan.unread]).toEqual([0, 0]);
  });

  test.each([
    [undefined, 8000],
    [250, 250],
  ])('with a time-out of %j ms ends after %d', async (timeoutMs, after) => {
    const lamp = await connect('_ss=1');
    const call = platform.messages.call({
      ...device,
      payload: 'x',
      ...(timeoutMs !== undefined && { timeoutMs }),
    });
    const outcome = expect(call).rejects.toEqual(code('ERR_CALL_TIMEOUT'));
    const { topic } = await lamp.next();
    clock.advance(after - 1);
    const pending = await Promise.race([call.catch(() => 'ended'), Promise.resolve('pending')]);
    expect(pending).toBe('pending');
    clock.advance(1);
    await outcome;
    const complaint = platform.waitFor('bad-message');
    await lamp.client.publishAsync(topic.replace('request', 'response'), 'late');
    expect(await complaint).toMatchObject({ reason: expect.stringContaining('no call') });
  });

  test('that cannot be made says why', async () => {
    const call = (over: object) => platform.messages.call({ ...device, payload: 'x', ...over });
    await expect(call({ deviceName: 'x' })).rejects.toEqual(code('ERR_DEVICE_UNKNOWN'));
    await expect(call({})).rejects.toEqual(code('ERR_DEVICE_OFFLINE'));
    await expect(call({ timeoutMs: 8001 })).rejects.toEqual(code('ERR_INVALID_ARGUMENT'));
    await connect('ext=2');
    await expect(call({})).rejects.toMatchObject({
      code: 'ERR_NOT_SUBSCRIBED',
      message: `lamp&${PRODUCT} has not subscribed to /sys/${PRODUCT}/lamp/rrpc/request/+`,
    });
    await expect(call({ topic: '/a' })).rejects.toEqual(code('ERR_UNSUPPORTED'));
  });

  test('ends with its signal, and with the platform', async () => {
    const lamp = await connect('_ss=1');
    const controller = new AbortController();
    const { signal } = controller;
    const given = platform.messages.call({ ...device, payload: 'x' }, { signal });
    await lamp.next();
    controller.abort(new Error('enough'));
    await expect(given).rejects.toThrow('enough');
    const closed = platform.messages.call({ ...device, payload: 'x' });
    const outcome = expect(closed).rejects.toEqual(code('ERR_CLOSED'));
    await lamp.next();
    await platform.close();
    await outcome;
  });
});

describe('a message', () => {
  test.each([0, 1] as const)('to a device arrives at QoS %d', async (qos) => {
    const lamp = await connect('');
    const topic = `/${lamp.names}/user/get`;
    await lamp.client.subscribeAsync(topic, { qos: 1 });
    const packet = new Promise<{ qos: number }>((resolve) =>
      lamp.client.once('packetreceive', resolve as () => void),
    );
    const payload = Buffer.from([0, 0xff]);
    const published = await platform.messages.publish({ ...device, topic, payload, qos });
    expect(published).toEqual({ productKey: PRODUCT, deviceName: 'lamp', topic, state: 'sent' });
    expect(await lamp.next()).toEqual({ topic, payload });
    expect((await packet).qos).toBe(qos);
  });

  test('to nobody says so; a session that is kept gets it later', async () => {
    const topic = `/${PRODUCT}/lamp/user/get`;
    const say = (payload: string) =>
      platform.messages.publish({ ...device, topic, payload, qos: 1 });
    expect(await say('lost')).toMatchObject({ state: 'offline' });
    // Not with _ss=1 either: that is for topics of the system.
    const lamp = await connect('_ss=1', device, false);
    expect(await say('lost')).toMatchObject({ state: 'offline' });
    await lamp.client.subscribeAsync(topic, { qos: 1 });
    expect(await say('now')).toMatchObject({ state: 'sent' });
    expect((await lamp.next()).payload.toString()).toBe('now');
    const gone = platform.waitFor('device-disconnected');
    await lamp.disconnect();
    await gone;
    expect(await say('later')).toMatchObject({ state: 'offline' });
    const again = await TestDevice.connect(platform, device, { clean: false });
    expect((await again.next()).payload.toString()).toBe('later');
  });

  test('on a topic of the system arrives unsubscribed with _ss=1', async () => {
    const lamp = await connect('_ss=1');
    const topic = `/sys/${lamp.names}/thing/service/property/set`;
    const published = await platform.messages.publish({ ...device, topic, payload: '{}' });
    expect([published.state, (await lamp.next()).topic]).toEqual(['sent', topic]);
  });

  test('that is not for the device is refused', async () => {
    const say = (over: object) =>
      platform.messages.publish({
        ...device,
        topic: `/${PRODUCT}/lamp/user/x`,
        payload: '',
        ...over,
      });
    await expect(say({ topic: `/${PRODUCT}/fan/user/x` })).rejects.toEqual(
      code('ERR_INVALID_ARGUMENT'),
    );
    await expect(say({ deviceName: 'fan', topic: `/${PRODUCT}/fan/user/x` })).rejects.toEqual(
      code('ERR_DEVICE_UNKNOWN'),
    );
  });

  test('of a device is an event, whatever its topic', async () => {
    const fan = await readyDevice(platform, 'fan');
    const heard: unknown[] = [];
    platform.on('message', ({ time: _, ...message }) => heard.push(message));
    const key = { productKey: PRODUCT, deviceName: 'fan' };
    const post = `/sys/${fan.names}/thing/event/property/post`;
    for (const topic of [`/${fan.names}/user/update`, post]) {
      await fan.client.publishAsync(topic, Buffer.from([1]), { qos: 1 });
    }
    const reported = platform.waitFor('version-reported');
    await fan.inform('1.0.1');
    await reported;
    await platform.messages.publish({ ...key, topic: `/${fan.names}/user/get`, payload: 'not it' });
    const last = platform.waitFor('message', ({ topic }) => topic.endsWith('/echo'));
    await fan.settle();
    await last;
    expect(heard).toEqual([
      { type: 'message', ...key, topic: `/${fan.names}/user/update`, payload: Buffer.from([1]) },
      { type: 'message', ...key, topic: post, payload: Buffer.from([1]) },
      expect.objectContaining({ topic: `/ota/device/inform/${fan.names}` }),
      expect.objectContaining({ topic: `/${fan.names}/user/echo` }),
    ]);
  });
});
