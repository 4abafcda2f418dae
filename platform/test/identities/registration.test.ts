import { type Device, ManualClock, type Platform, type Product, signIn } from '../../src/index';
import { PRODUCT, TestDevice } from '../support/device';
import { codeOf, connectEarly, registration } from '../support/registrant';
import { startPlatform, temporaryFolder } from '../support/start';

const UNKNOWN = 'random=abc,authType=regnwl,securemode=-2,signmethod=hmacsha256';
const key = { productKey: PRODUCT, deviceName: 'lamp' };
const clock = new ManualClock();
let stateDir: string;
let platform: Platform;
let product: Product;

beforeEach(async () => {
  stateDir = await temporaryFolder();
  platform = await startPlatform({ clock, stateDir });
  product = await platform.products.add({ productKey: PRODUCT, dynamicRegistration: true });
});

/** Registers and gives what the platform answered; the connection is closed as a device would. */
async function register(parameters?: string, deviceName = 'lamp'): Promise<Record<string, string>> {
  const sign = registration({ ...key, deviceName }, product.productSecret, parameters);
  const { client, first } = await connectEarly(platform, sign);
  const { topic, payload } = await first;
  await client.endAsync();
  return { topic, ...JSON.parse(payload.toString()) };
}

function refusal(parameters?: string, secret = product.productSecret, deviceName = 'lamp') {
  return codeOf(platform, registration({ ...key, deviceName }, secret, parameters));
}

async function signInOnce(device: Device): Promise<void> {
  const connected = platform.waitFor('device-connected');
  expect(await codeOf(platform, signIn(device))).toBe(0);
  await connected;
}

/** Of a device that registered without having been registered. */
function byToken(answer: Record<string, string>, mode = '-2') {
  const { clientId, deviceToken: password, deviceName, productKey } = answer;
  const username = `${deviceName}&${productKey}`;
  return {
    clientId: `${clientId}|authType=connwl,securemode=${mode},_ss=1,ext=3,_v=sdk-c-4.2.0|`,
    username,
    ...(password !== undefined && { password }),
  };
}

describe('a registered device', () => {
  let device: Device;

  beforeEach(async () => {
    device = await platform.devices.add(key);
  });

  test('gets its secret, and signs in with it', async () => {
    const { topic, ...credentials } = await register();
    expect(topic).toBe('/ext/register');
    expect(credentials).toEqual({ ...key, deviceSecret: expect.stringMatching(/^[0-9a-f]{32}$/) });
    expect(platform.devices.get(key)?.activatedAt).toBeUndefined();
    const connected = platform.waitFor('device-connected');
    await TestDevice.connect(platform, { ...device, ...credentials });
    await connected;
    expect(platform.devices.get(key)?.activatedAt).toBe(clock.now());
  });

  test('may register until it has signed in: the last secret is valid', async () => {
    const first = await register();
    const second = await register();
    expect(first.deviceSecret).not.toBe(second.deviceSecret);
    expect(await codeOf(platform, signIn({ ...device, ...first }))).toBe(4);
    await signInOnce({ ...device, ...second });
    expect(await refusal()).toBe(4);
    await platform.devices.reset(key);
    expect(await register()).toMatchObject({ deviceName: 'lamp' });
  });

  test.each([
    ['md5', 'authType=register,signmethod=hmacmd5,random=1,securemode=2'],
    ['sha1', 'securemode=2,random=abcdefghijk1234,authType=register,signmethod=HmacSha1'],
    ['sha256', 'random=4294967295,authType=register,securemode=2,signmethod=hmacsha256'],
    ['sha256', 'random=1,authType=register,securemode=2,signmethod=hmacsha256,instanceId=iot-x,'],
  ])('may sign by %s: %s', async (hash, parameters) => {
    const sign = registration(key, product.productSecret, parameters, hash);
    const upper = { ...sign, password: String(sign.password).toUpperCase() };
    expect(await codeOf(platform, sign)).toBe(0);
    expect(await codeOf(platform, upper)).toBe(0);
  });

  test.each([
    ['no random', 'authType=register,securemode=2,signmethod=hmacsha256', 2],
    ['an empty random', 'random=,authType=register,securemode=2,signmethod=hmacsha256', 2],
    ['no method', 'random=1,authType=register,securemode=2', 2],
    ['an unknown method', 'random=1,authType=register,securemode=2,signmethod=rot13', 2],
    ['the mode of plain TCP', 'random=1,authType=register,securemode=3,signmethod=hmacsha256', 2],
    ['the mode of others', 'random=1,authType=register,securemode=-2,signmethod=hmacsha256', 2],
    [
      'another method than it says',
      'random=1,authType=register,securemode=2,signmethod=hmacmd5',
      4,
    ],
  ])('is refused with %s', async (_, parameters, code) => {
    const before = platform.devices.get(key)?.deviceSecret;
    expect(await refusal(parameters)).toBe(code);
    expect(platform.devices.get(key)?.deviceSecret).toBe(before);
  });

  test.each([
    ['over plain TCP', 2, () => ({ url: platform.mqttUrl })],
    ['without a password', 2, () => ({ password: '' })],
    ['with a wrong password', 4, () => ({ password: 'a'.repeat(64) })],
  ])('is refused %s', async (_, code, change) => {
    const sign = registration(key, product.productSecret);
    expect(await codeOf(platform, { ...sign, ...change() })).toBe(code);
  });

  test('is refused by another secret, by a product without one, and when that is switched off', async () => {
    const refused = platform.waitFor('device-refused');
    expect(await refusal(undefined, 'wrong')).toBe(4);
    const { reason, returnCode } = await refused;
    expect([returnCode, reason]).toEqual([4, 'wrong signature (6600)']);
    await platform.products.setDynamicRegistration(PRODUCT, false);
    expect(await refusal()).toBe(4);
    await platform.products.setDynamicRegistration(PRODUCT, true);
    expect(await refusal()).toBe(0);
    const stranger = registration({ ...key, productKey: 'other' }, product.productSecret);
    expect(await codeOf(platform, stranger)).toBe(4);
    expect(await refusal(undefined, product.productSecret, 'nobody')).toBe(4);
  });

  test('that stays is ended after fifteen seconds, and may do nothing meanwhile', async () => {
    const sign = registration(key, product.productSecret);
    const { client, first, closed } = await connectEarly(platform, { ...sign, keepalive: 0 });
    await first;
    const [grant] = await client
      .subscribeAsync(`/sys/${PRODUCT}/lamp/#`)
      .catch((error) => [error as { qos?: number }]);
    expect(grant?.qos ?? 128).toBe(128);
    clock.advance(14_999);
    await client.publishAsync('x', '').catch(() => undefined);
    await closed;
    const waiting = await connectEarly(platform, sign);
    await waiting.first;
    clock.advance(14_999);
    expect(waiting.client.connected).toBe(true);
    expect(platform.devices.get(key)?.presence).toBe('no');
    clock.advance(1);
    await waiting.closed;
  });

  test('is refused on request, as any device', async () => {
    platform.faults.set({ kind: 'mqtt-refuse', returnCode: 3, times: 1 });
    expect(await refusal()).toBe(3);
    expect(await refusal()).toBe(0);
  });
});

describe('a device that nobody registered', () => {
  test.each(['-2', '2'])(
    'gets a client id and a token, and signs in with them; securemode %s',
    async (mode) => {
      const parameters = UNKNOWN.replace('-2', mode);
      const { topic, ...answer } = await register(`${parameters},instanceId=iot-060a`);
      expect(topic).toBe('/ext/regnwl');
      expect(Object.keys(answer)).toEqual(['productKey', 'deviceName', 'clientId', 'deviceToken']);
      expect(answer).toMatchObject(key);
      const { client } = await connectEarly(platform, byToken(answer, mode));
      await client.publishAsync(`/${PRODUCT}/lamp/user/update`, 'x', { qos: 1 });
      expect(platform.devices.get(key)).toMatchObject({ presence: 'yes' });
    },
  );

  test('its token outlives a restart, and no other opens its connection', async () => {
    const answer = await register(UNKNOWN);
    await platform.close();
    platform = await startPlatform({ clock, stateDir });
    const good = byToken(answer);
    expect(await codeOf(platform, good)).toBe(0);
    const wrong = [
      { ...good, password: `${answer.deviceToken}x` },
      { ...good, password: String(answer.deviceToken).toUpperCase() },
      byToken({ ...answer, clientId: 'other' }),
      byToken({ ...answer, deviceName: 'other' }),
    ];
    for (const each of wrong) expect(await codeOf(platform, each)).toBe(4);
    expect(await codeOf(platform, { ...good, url: platform.mqttUrl })).toBe(5);
    expect(await codeOf(platform, byToken(answer, '3'))).toBe(5);
    expect(await codeOf(platform, { ...good, keepalive: 10 })).toBe(5);
  });

  test('five of them may share a name, of which the operator keeps one', async () => {
    const answers = [];
    for (let i = 0; i < 5; i++) answers.push(await register(UNKNOWN));
    expect(await refusal(UNKNOWN)).toBe(4);
    expect(platform.registrations.tokens(key)).toHaveLength(5);
    expect(JSON.stringify(platform.registrations.tokens(key))).not.toContain(
      answers[0]?.deviceToken,
    );
    const [first = {}, second = {}] = answers;
    expect(await codeOf(platform, byToken(first))).toBe(0);
    await platform.registrations.keepToken(key, String(second.clientId));
    expect(await codeOf(platform, byToken(first))).toBe(4);
    expect(await codeOf(platform, byToken(second))).toBe(0);
    await expect(platform.registrations.keepToken(key, 'x')).rejects.toMatchObject({
      code: 'ERR_TOKEN_UNKNOWN',
    });
  });

  test('does not end a connection of the same name by registering', async () => {
    const { client } = await connectEarly(platform, byToken(await register(UNKNOWN)));
    const went: string[] = [];
    platform.on('device-disconnected', ({ deviceName }) => went.push(deviceName));
    await register(UNKNOWN);
    await client.publishAsync(`/${PRODUCT}/lamp/user/update`, 'x', { qos: 1 });
    expect(went).toEqual([]);
  });

  test('cannot take the name of one that has signed in by its own secret', async () => {
    await signInOnce(await platform.devices.add(key));
    expect(await refusal(UNKNOWN)).toBe(4);
  });

  test('is forgotten with its device', async () => {
    const answer = await register(UNKNOWN);
    await platform.devices.remove(key);
    expect(platform.registrations.tokens(key)).toEqual([]);
    expect(await codeOf(platform, byToken(answer))).toBe(4);
  });
});

test('a disabled device is refused and cut; enabled, it is let in again', async () => {
  const device = await platform.devices.add(key);
  const lamp = await TestDevice.connect(platform, device);
  const closed = new Promise((resolve) => lamp.client.once('close', () => resolve(undefined)));
  await platform.devices.disable(key);
  await closed;
  expect(platform.devices.get(key)?.disabled).toBe(true);
  expect(await codeOf(platform, signIn(device))).toBe(5);
  await platform.devices.enable(key);
  expect(await codeOf(platform, signIn(device))).toBe(0);
});
