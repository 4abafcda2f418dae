import { createHmac } from 'node:crypto';
import { connect as connectTcp } from 'node:net';
import { connectAsync, type IClientOptions, type MqttClient } from 'mqtt';
import { type Device, type HmacMethod, type Platform, signIn } from '../../src/index';
import { atEnd } from '../support/clean-up';
import { PRODUCT, TestDevice } from '../support/device';
import { startPlatform } from '../support/start';

let platform: Platform;
let device: Device;

beforeEach(async () => {
  platform = await startPlatform();
  device = await platform.devices.add({ productKey: PRODUCT, deviceName: 'lamp' });
});

/** Connects and resolves with the CONNACK's code; 0 is success. */
async function codeOf(options: IClientOptions, url = platform.mqttsUrl): Promise<number> {
  let client: MqttClient;
  try {
    const all = { ca: platform.ca, reconnectPeriod: 0, ...options };
    client = await connectAsync(url, all, false);
  } catch (error) {
    return (error as { code: number }).code;
  }
  await client.endAsync();
  return 0;
}

function closeOf({ client }: TestDevice): Promise<void> {
  return new Promise((resolve) => client.once('close', () => resolve()));
}

describe('signing in', () => {
  const methods: HmacMethod[] = ['hmacmd5', 'hmacsha1', 'hmacsha256'];

  test.each(methods)('%s with the right secret', async (method) => {
    expect(await codeOf(signIn(device, { method }))).toBe(0);
    expect(await codeOf(signIn(device, { method, timestamp: '789' }))).toBe(0);
  });

  test.each(methods)('%s with a wrong secret is refused with 4', async (method) => {
    const refused = platform.waitFor('device-refused');
    expect(await codeOf(signIn({ ...device, deviceSecret: 'wrong' }, { method }))).toBe(4);
    expect(await refused).toMatchObject({
      returnCode: 4,
      reason: expect.stringMatching(/signature/),
    });
    expect(JSON.stringify(await refused)).not.toContain(device.deviceSecret);
  });

  test('the signature is the documented one, in either case', async () => {
    // Written out here, independently of the code under test.
    const content = `clientIdid1deviceNamelampproductKey${PRODUCT}timestamp789`;
    const password = createHmac('sha1', device.deviceSecret).update(content).digest('hex');
    const clientId = 'id1|securemode=2,signmethod=hmacsha1,timestamp=789,_v=x,ext=0|';
    const username = `lamp&${PRODUCT}`;
    expect(await codeOf({ clientId, username, password })).toBe(0);
    expect(await codeOf({ clientId, username, password: password.toUpperCase() })).toBe(0);
    const other = clientId.replace('789', '790');
    expect(await codeOf({ clientId: other, username, password })).toBe(4);
  });

  test('an unknown device is refused like a wrong secret', async () => {
    expect(await codeOf(signIn({ ...device, deviceName: 'nobody' }))).toBe(4);
    expect(await codeOf({ ...signIn(device), username: 'lamp' })).toBe(4);
    const { clientId, username } = signIn(device);
    expect(await codeOf({ clientId, username })).toBe(4);
  });

  test('a malformed client id is refused with 2', async () => {
    const good = signIn(device);
    expect(await codeOf({ ...good, clientId: 'plain' })).toBe(2);
    expect(await codeOf({ ...good, clientId: `${'x'.repeat(65)}|securemode=2|` })).toBe(2);
    expect(await codeOf({ ...good, clientId: 'x|securemode=2,signmethod=rot13|' })).toBe(2);
    expect(await codeOf({ ...good, clientId: 'x|securemode|' })).toBe(2);
    const inherited = 'x|securemode=2,signmethod=constructor|';
    expect(await codeOf({ ...good, clientId: inherited })).toBe(2);
  });

  test('securemode must be that of the listener', async () => {
    expect(await codeOf(signIn(device, { secureMode: 3 }), platform.mqttUrl)).toBe(0);
    expect(await codeOf(signIn(device, { secureMode: 2 }), platform.mqttUrl)).toBe(5);
    expect(await codeOf(signIn(device, { secureMode: 3 }), platform.mqttsUrl)).toBe(5);
  });

  test('keep-alive must be within the limits', async () => {
    for (const keepalive of [0, 29, 1201]) {
      expect(await codeOf({ ...signIn(device), keepalive })).toBe(5);
    }
    expect(await codeOf({ ...signIn(device), keepalive: 30 })).toBe(0);
    const lenient = await startPlatform({ keepAliveSeconds: { min: 0 } });
    const same = await lenient.devices.add(device);
    const options = { ...signIn(same), keepalive: 0, ca: lenient.ca };
    expect(await codeOf(options, lenient.mqttsUrl)).toBe(0);
  });

  test('a certificate of another CA is not trusted', async () => {
    const other = await startPlatform();
    const options = { ...signIn(device), ca: other.ca, reconnectPeriod: 0 };
    await expect(connectAsync(platform.mqttsUrl, options, false)).rejects.toThrow();
  });
});

describe('a connection', () => {
  test('comes and goes with events', async () => {
    const came = platform.waitFor('device-connected');
    const lamp = await TestDevice.connect(platform, device);
    expect(await came).toMatchObject({ productKey: PRODUCT, deviceName: 'lamp' });
    expect(platform.devices.get(device)?.online).toBe(true);
    const went = platform.waitFor('device-disconnected');
    await lamp.disconnect();
    await went;
    expect(platform.devices.get(device)?.online).toBe(false);
  });

  test('gives way to a second one of the same device, whatever its client id', async () => {
    const first = await TestDevice.connect(platform, device);
    const dropped = closeOf(first);
    const again = signIn(device, { clientId: 'other', timestamp: '1' });
    const second = await TestDevice.connect(platform, device, again);
    await dropped;
    expect(second.client.connected).toBe(true);
    expect(platform.devices.get(device)?.online).toBe(true);
  });

  test('may use its own topics only', async () => {
    const lamp = await TestDevice.connect(platform, device);
    const granted = async (topic: string): Promise<number> => {
      const [grant] = await lamp.client.subscribeAsync(topic, { qos: 1 }).catch((error) => [error]);
      return (grant as { qos?: number }).qos ?? 128;
    };
    expect(await granted(`/ota/device/upgrade/${PRODUCT}/lamp`)).toBe(1);
    expect(await granted(`/ota/device/+/${PRODUCT}/lamp`)).toBe(1);
    expect(await granted(`/sys/${PRODUCT}/lamp/#`)).toBe(1);
    expect(await granted(`/ota/device/upgrade/${PRODUCT}/other`)).toBe(128);
    expect(await granted(`/ota/device/upgrade/${PRODUCT}/+`)).toBe(128);
    expect(await granted('/ota/#')).toBe(128);
    expect(await granted('#')).toBe(128);
    expect(await granted('$platform/#')).toBe(128);
    expect(await granted(`/sys/${PRODUCT}/lamp/${'x/'.repeat(8)}`)).toBe(128);
    expect(await granted(`/sys/${PRODUCT}/lamp/${'x'.repeat(120)}`)).toBe(128);
  });

  test.each([
    ["another device's topic", `/ota/device/inform/${PRODUCT}/other`, 1],
    ['QoS 2', `/ota/device/inform/${PRODUCT}/lamp`, 2],
    ['a topic that is too long', `/${PRODUCT}/lamp/${'x'.repeat(128)}`, 0],
  ] as const)('is ended for publishing to %s', async (_, topic, qos) => {
    const lamp = await TestDevice.connect(platform, device);
    const complaint = platform.waitFor('bad-message');
    const closed = closeOf(lamp);
    lamp.client.publish(topic, '{}', { qos });
    expect(await complaint).toMatchObject({ topic });
    await closed;
  });

  test('carries messages of 256 KiB and is ended by longer ones', async () => {
    const lamp = await TestDevice.connect(platform, device);
    const topic = `/${PRODUCT}/lamp/user/x`;
    await lamp.client.publishAsync(topic, Buffer.alloc(256 * 1024), { qos: 1 });
    const complaint = platform.waitFor('bad-message');
    const closed = closeOf(lamp);
    lamp.client.publish(topic, Buffer.alloc(4 * 1024 * 1024), { qos: 1 });
    expect(await complaint).toMatchObject({ reason: expect.stringMatching(/larger/) });
    await closed;
  });

  test.each(['lenient', 'strict'] as const)('with a will, by %s rules', async (rules) => {
    const own = await startPlatform({ mqtt: { rules } });
    const same = await own.devices.add(device);
    const topic = `/${PRODUCT}/lamp/user/will`;
    const options = { clean: false, will: { topic, payload: Buffer.from('x'), qos: 1 as const } };
    const connecting = TestDevice.connect(own, same, options);
    if (rules === 'strict') {
      const refused = own.waitFor('device-refused');
      await expect(connecting).rejects.toMatchObject({ code: 5 });
      expect(await refused).toMatchObject({ reason: 'a will is not supported' });
      return;
    }
    const lamp = await connecting;
    await lamp.client.subscribeAsync(topic, { qos: 1 });
    const gone = own.waitFor('device-disconnected');
    lamp.drop();
    await gone;
    const again = await TestDevice.connect(own, same, { clean: false });
    await again.settle();
    expect(again.unread).toBe(0);
  });

  test.each(['lenient', 'strict'] as const)('that retains, by %s rules', async (rules) => {
    const own = await startPlatform({ mqtt: { rules } });
    const lamp = await TestDevice.connect(own, await own.devices.add(device));
    const topic = `/${PRODUCT}/lamp/user/x`;
    if (rules === 'strict') {
      const complaint = own.waitFor('bad-message');
      const closed = closeOf(lamp);
      lamp.client.publish(topic, 'x', { retain: true });
      expect(await complaint).toMatchObject({
        topic,
        reason: 'retained messages are not supported',
      });
      await closed;
      return;
    }
    await lamp.client.publishAsync(topic, 'x', { retain: true, qos: 1 });
    await lamp.client.subscribeAsync(topic);
    await lamp.settle();
    expect(lamp.unread).toBe(0);
  });

  test('that is not MQTT is ended, and the platform goes on', async () => {
    const socket = connectTcp(platform.ports.mqtt ?? 0, '127.0.0.1');
    atEnd(() => socket.destroy());
    socket.on('error', () => undefined);
    const closed = new Promise((resolve) => socket.once('close', resolve));
    socket.write('GET / HTTP/1.1\r\n\r\n');
    await closed;
    expect(await codeOf(signIn(device))).toBe(0);
  });

  test('is ended when its device is removed', async () => {
    const lamp = await TestDevice.connect(platform, device);
    const closed = closeOf(lamp);
    await platform.devices.remove(device);
    await closed;
    expect(await codeOf(signIn(device))).toBe(4);
  });
});
