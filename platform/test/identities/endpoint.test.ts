import { createHmac } from 'node:crypto';
import { request as plainRequest } from 'node:http';
import { request } from 'node:https';
import { type Device, ManualClock, type Platform, type Product, signIn } from '../../src/index';
import { atEnd } from '../support/clean-up';
import { PRODUCT } from '../support/device';
import { codeOf } from '../support/registrant';
import { startPlatform } from '../support/start';

const key = { productKey: PRODUCT, deviceName: 'lamp' };
let platform: Platform;
let product: Product;
let device: Device;

beforeEach(async () => {
  platform = await startPlatform({ clock: new ManualClock() });
  product = await platform.products.add({ productKey: PRODUCT, dynamicRegistration: true });
  device = await platform.devices.add(key);
});

interface Answer {
  readonly status: number | undefined;
  readonly text: string;
}

interface Sent {
  readonly port?: number | undefined;
  readonly method?: string;
  readonly headers?: Record<string, string>;
}

function send(body: string, { port = platform.ports.https, ...options }: Sent = {}) {
  return new Promise<Answer>((resolve, reject) => {
    const isPlain = port === platform.ports.http;
    const sent = (isPlain ? plainRequest : request)({
      host: '127.0.0.1',
      port,
      path: '/auth/register/device',
      method: 'POST',
      agent: false,
      ...(!isPlain && { ca: platform.ca }),
      ...options,
      headers: { 'content-type': 'application/x-www-form-urlencoded', ...options.headers },
    });
    atEnd(() => sent.destroy());
    sent.on('error', reject);
    sent.once('response', async (answer) => {
      let text = '';
      for await (const chunk of answer) text += chunk;
      resolve({ status: answer.statusCode, text });
    });
    sent.once('continue', () => sent.end(body));
    if (options.headers?.expect === undefined) sent.end(body);
    else sent.flushHeaders();
  });
}

/** What the vendor's SDKs send, signed here independently of the code under test. */
function form(change: Record<string, string> = {}, hash = 'sha256'): string {
  const { deviceName, productKey, random } = { ...key, random: '567345', ...change };
  const content = `deviceName${deviceName}productKey${productKey}random${random}`;
  const sign = createHmac(hash, product.productSecret).update(content).digest('hex');
  const fields = { productKey, deviceName, random, sign, signMethod: 'hmacsha256', ...change };
  return new URLSearchParams(fields).toString();
}

async function codeFor(body: string): Promise<number> {
  const { status, text } = await send(body);
  expect(status).toBe(200);
  return JSON.parse(text).code;
}

test('a registered device gets its secret, and signs in with it', async () => {
  const { status, text } = await send(form());
  const { deviceSecret = '' } = platform.devices.get(key) ?? {};
  // Without white space, and short: small clients scan a part of it.
  expect([status, text]).toEqual([
    200,
    `{"code":200,"data":{"productKey":"${PRODUCT}","deviceName":"lamp",` +
      `"deviceSecret":"${deviceSecret}"},"message":"success"}`,
  ]);
  expect(deviceSecret).not.toBe(device.deviceSecret);
  const connected = platform.waitFor('device-connected');
  expect(await codeOf(platform, signIn({ ...device, deviceSecret }))).toBe(0);
  await connected;
  expect(await codeFor(form())).toBe(6289);
});

test('the longest names make an answer that the smallest client keeps', async () => {
  const productKey = 'p'.repeat(20);
  const deviceName = 'd'.repeat(32);
  product = await platform.products.add({ productKey, dynamicRegistration: true });
  await platform.devices.add({ productKey, deviceName });
  const { text } = await send(form({ productKey, deviceName }));
  expect(JSON.parse(text).code).toBe(200);
  expect(text.length).toBeLessThan(192);
});

test.each([
  ['hmacmd5', 'md5'],
  ['HmacMD5', 'md5'],
  ['hmacsha1', 'sha1'],
  ['HMACSHA256', 'sha256'],
])('it may sign by %s', async (signMethod, hash) => {
  expect(await codeFor(form({ signMethod }, hash))).toBe(200);
});

test.each([
  ['no body', () => '', 460],
  ['no random', () => form({ random: '' }), 460],
  ['no signature', () => form({ sign: '' }), 460],
  ['no method', () => form({ signMethod: '' }), 460],
  ['a name that cannot be', () => form({ deviceName: 'a b' }), 460],
  ['too long a random', () => form({ random: 'r'.repeat(65) }), 460],
  ['too long a body', () => `${form()}&x=${'x'.repeat(5000)}`, 460],
  ['an unknown product', () => form({ productKey: 'other' }), 6250],
  ['an unknown method', () => form({ signMethod: 'rot13' }), 6292],
  ['another method than it says', () => form({ signMethod: 'hmacsha1' }), 6600],
  ['a wrong signature', () => form({ sign: 'a'.repeat(64) }), 6600],
  ['a device that is not there', () => form({ deviceName: 'nobody' }), 6100],
])('%s is refused with its code', async (_, body, code) => {
  const refused = platform.waitFor('device-refused');
  expect(await codeFor(body())).toBe(code);
  expect((await refused).returnCode).toBe(code);
  expect(platform.devices.get(key)?.deviceSecret).toBe(device.deviceSecret);
});

test('a product whose switch is off is refused with 6288', async () => {
  await platform.products.setDynamicRegistration(PRODUCT, false);
  expect(await codeFor(form())).toBe(6288);
});

test('a client that waits to be let send its body is let', async () => {
  const { text } = await send(form(), { headers: { expect: '100-continue' } });
  expect(JSON.parse(text).code).toBe(200);
});

test('a body without an end is not read to it', async () => {
  const endless = send('x'.repeat(1024 * 1024));
  await expect(endless).rejects.toMatchObject({ code: expect.stringMatching(/EPIPE|ECONNRESET/) });
});

test('nothing else is answered there, and nothing over plain HTTP', async () => {
  expect((await send('', { method: 'GET' })).status).toBe(405);
  expect((await send(form(), { port: platform.ports.http })).status).toBe(405);
  expect(platform.devices.get(key)?.deviceSecret).toBe(device.deviceSecret);
});
