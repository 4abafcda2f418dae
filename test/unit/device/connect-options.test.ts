import { runInNewContext } from 'node:vm';
import {
  type ConnectOptions,
  checkConnectOptions,
  checkOpenOptions,
} from '../../../lib/device/connect-options';
import { PLATFORM_ROOT } from '../../../lib/options/platform-root';
import { pem } from '../support';

const identity = { productKey: 'a1B2c3D4e5F', deviceName: 'lamp-1', deviceSecret: 'top-secret' };
const good = { ...identity, region: 'cn-shanghai' };

const check = (options: object, environment: Record<string, string> = {}) => {
  const [device, first] = checkConnectOptions(options as ConnectOptions, environment);
  return { ...device, ...first };
};
const placeOf = (options: object) => {
  const { host, port, tls } = check({ ...identity, ...options });
  return [host, port, tls !== undefined];
};

describe('where the platform is', () => {
  test.each([
    [{ region: 'cn-shanghai' }, ['a1B2c3D4e5F.iot-as-mqtt.cn-shanghai.aliyuncs.com', 443, true]],
    [
      { region: 'eu-central-1', port: 1883 },
      ['a1B2c3D4e5F.iot-as-mqtt.eu-central-1.aliyuncs.com', 1883, true],
    ],
    [{ instanceId: 'iot-060a0bgd' }, ['iot-060a0bgd.mqtt.iothub.aliyuncs.com', 443, true]],
    [{ host: 'broker.local' }, ['broker.local', 8883, true]],
    [{ host: 'broker.local', tls: {} }, ['broker.local', 8883, true]],
    [{ host: 'broker.local', tls: false }, ['broker.local', 1883, false]],
    [{ host: '::1', port: 65535 }, ['::1', 65535, true]],
    [{ url: 'mqtts://broker.local' }, ['broker.local', 8883, true]],
    [{ url: 'mqtts://127.0.0.1:443/' }, ['127.0.0.1', 443, true]],
    [{ url: 'mqtts://[::1]:8884' }, ['::1', 8884, true]],
    [{ url: 'mqtt://broker.local' }, ['broker.local', 1883, false]],
    [{ url: 'mqtt://broker.local:1', tls: false }, ['broker.local', 1, false]],
  ])('%j', (place, expected) => {
    expect(placeOf(place)).toEqual(expected);
  });
});

test('defaults', () => {
  expect(check(good)).toMatchObject({
    signMethod: 'hmacsha256',
    clientId: '',
    keepAliveS: 300,
    cleanSession: true,
    attemptTimeoutMs: 15_000,
    connectTimeoutMs: 30_000,
    reconnectMinMs: 1_000,
    reconnectMaxMs: 60_000,
    connectsPerMinute: 5,
    tls: { ca: '', also: PLATFORM_ROOT.pem, cert: '', key: '', passphrase: '', certName: '' },
    fetch: {
      ca: '',
      patienceMs: 600_000,
      maxRetries: 0,
      retryMinMs: 500,
      retryMaxMs: 30_000,
      maxRedirects: 5,
      httpsOnly: false,
    },
    signal: undefined,
  });
});

test('connectTimeout is the whole, attemptTimeout one try; neither changes the other', () => {
  expect(check({ ...good, connectTimeout: 200_000 })).toMatchObject({
    attemptTimeoutMs: 15_000,
    connectTimeoutMs: 200_000,
  });
  expect(check({ ...good, connectTimeout: 1, attemptTimeout: 5_000 })).toMatchObject({
    attemptTimeoutMs: 5_000,
    connectTimeoutMs: 1,
  });
});

test('open() takes what concerns no first connection', () => {
  expect(checkOpenOptions({ ...good, attemptTimeout: 5_000 }, {})).toMatchObject({
    host: 'a1B2c3D4e5F.iot-as-mqtt.cn-shanghai.aliyuncs.com',
    attemptTimeoutMs: 5_000,
  });
  for (const more of [{ connectTimeout: 1 }, { signal: AbortSignal.abort() }]) {
    const options = { ...good, ...more };
    expect(() => checkOpenOptions(options, {})).toThrow(/options has no option/);
  }
  expect(() => checkOpenOptions(undefined as never, {})).toThrow(/options must be an object/);
});

describe('who the device is', () => {
  const names = { productKey: 'a1B2c3D4e5F', deviceName: 'lamp-1' };
  const x509 = { cert: pem, key: pem };
  const place = { region: 'cn-shanghai' };

  test('a secret or a token needs no registration', () => {
    expect(check(good)).toMatchObject({ x509: false, registration: undefined });
    expect(check({ ...names, ...place, clientId: 'c', deviceToken: 't' })).toMatchObject({
      deviceToken: 't',
      deviceSecret: '',
      clientId: 'c',
      registration: undefined,
    });
  });

  test('the secret of the product needs one, where connect() signs in', () => {
    const product = { ...names, productSecret: 'p', credentialsFile: 'f' };
    const instance = { instanceId: 'iot-060a0bgd', preregistered: false, attemptTimeout: 4_000 };
    expect(check({ ...product, ...instance }).registration).toMatchObject({
      host: 'iot-060a0bgd.mqtt.iothub.aliyuncs.com',
      port: 443,
      instanceId: 'iot-060a0bgd',
      connectTimeoutMs: 4_000,
      answerTimeoutMs: 4_000,
    });
    expect(() => check({ ...names, ...place, productSecret: 'p' })).toThrow(
      'productSecret needs credentialsFile',
    );
  });

  test('a certificate needs one for its names alone', () => {
    const unnamed = check({ x509, ...place });
    expect(unnamed).toMatchObject({
      host: 'x509.itls.cn-shanghai.aliyuncs.com',
      port: 1883,
      x509: true,
      tls: { ...x509 },
      registration: { tls: { ...x509 } },
      fetch: { identity: { cert: '' } },
    });
    expect(check({ x509, ...names, ...place })).toMatchObject({
      ...names,
      x509: true,
      registration: undefined,
    });
  });

  test('open() registers nothing', () => {
    const product = { ...names, ...place, productSecret: 'p', credentialsFile: 'f' };
    expect(() => checkOpenOptions(product as never, {})).toThrow('no option productSecret');
    expect(() => checkOpenOptions({ x509, region: 'cn-shanghai' } as never, {})).toThrow(
      'open() needs productKey and deviceName with x509',
    );
    expect(checkOpenOptions({ x509, ...names, region: 'cn-shanghai' }, {}).x509).toBe(true);
  });

  test.each([
    [{ ...names, clientId: 'c', deviceToken: 't' }, 'deviceToken needs TLS'],
    [{ ...names, productSecret: 'p', credentialsFile: 'f' }, 'productSecret needs TLS'],
    [{ x509 }, 'x509 needs TLS'],
  ])('all but a device secret needs TLS: %#', (who, message) => {
    expect(() => check({ ...who, host: 'h', tls: false })).toThrow(message);
  });

  test('a certificate is given once', () => {
    expect(() => check({ x509, ...place, tls: x509 })).toThrow('x509 takes the place of tls.cert');
  });
});

describe('null is not "absent": what it would silently mean is refused', () => {
  test.each([
    ...['keepAlive', 'cleanSession', 'signMethod', 'timestamp', 'connectTimeout'],
    ...['attemptTimeout', 'reconnect', 'fetch', 'verify', 'clientId', 'tls', 'signal', 'port'],
  ])('%s', (key) => {
    const options = { ...identity, host: 'h', [key]: null };
    expect(() => check(options)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }));
  });

  test.each(['min', 'max'])('reconnect.%s', (key) => {
    expect(() => check({ ...good, reconnect: { [key]: null } })).toThrow(
      `reconnect.${key} must be`,
    );
  });
});

describe('a password in what is no URL, or none we take, is not shown', () => {
  const password = 'hunter2';
  test.each([
    [{ url: `mqtts://user:${password}@broker.local/${'x'.repeat(600)}` }],
    [{ url: `mqtts://user:${password}@broker.local` }],
    [{ url: `mqtts//user:${password}@broker.local` }],
    [{ url: `mqtts://user:${password}\0@broker.local` }],
    [{ url: `user:${password}` }],
    [{ url: [`mqtts://user:${password}@broker.local`] }],
    [{ url: new URL(`mqtts://user:${password}@broker.local`) }],
    [{ host: `user:${password}@broker.local` }],
    [{ host: `mqtts://user:${password}@broker.local` }],
    [{ region: `https://user:${password}@cn-shanghai` }],
    [{ host: 'h', deviceSecret: { [password]: password } }],
    [{ host: 'h', deviceSecret: [password] }],
    [{ host: 'h', fetch: { allowedHosts: [`https://user:${password}@fw.example.com`] } }],
  ])('%#', (options) => {
    let shown = '';
    try {
      check({ ...identity, ...options });
    } catch (error) {
      shown = String(error);
    }
    expect(shown).toMatch(/Error: /);
    expect(shown).not.toContain(password);
  });

  test('a secret that is a number is called one', () => {
    expect(() => check({ ...good, deviceSecret: 12345 })).toThrow(
      'deviceSecret must be a string, got a number (not shown)',
    );
  });
});

test('certificates may be bytes of another realm', () => {
  const bytes = runInNewContext('new Uint8Array(length)', { length: pem.length }) as Uint8Array;
  bytes.set(new TextEncoder().encode(pem));
  expect(bytes).not.toBeInstanceOf(Uint8Array);
  expect(check({ ...good, tls: { ca: bytes } }).tls?.ca).toBe(pem);
});

test('a minimum above the default maximum raises the maximum', () => {
  const { reconnectMaxMs, fetch } = check({
    ...good,
    reconnect: { min: 90_000 },
    fetch: { retry: { min: 70_000 } },
  });
  expect([reconnectMaxMs, fetch.retryMaxMs]).toEqual([90_000, 70_000]);
});

test('how often a device may sign in is limited with the platform, and where it is said', () => {
  const { region: _, ...elsewhere } = { ...good, url: 'mqtt://broker.local' };
  expect(check(elsewhere).connectsPerMinute).toBe(0);
  expect(check({ ...elsewhere, reconnect: { perMinute: 3 } }).connectsPerMinute).toBe(3);
  expect(check({ ...good, reconnect: { perMinute: 0 } }).connectsPerMinute).toBe(0);
});

test('firmware servers are trusted by the CAs of the platform unless they have their own', () => {
  const other = pem.replace('MIIB', 'MIIC');
  expect(check({ ...good, tls: { ca: pem } }).fetch.ca).toBe(pem);
  expect(check({ ...good, tls: { ca: pem }, fetch: { ca: other } }).fetch.ca).toBe(other);
});

test('certificates are text, bytes or a list of both', () => {
  const bytes = new TextEncoder().encode(pem);
  expect(check({ ...good, tls: { ca: bytes } }).tls?.ca).toBe(pem);
  expect(check({ ...good, tls: { ca: [pem, bytes] } }).tls?.ca).toBe(`${pem}\n${pem}`);
});

describe('refused with a TypeError or RangeError that names the option', () => {
  const long = 'x'.repeat(5_000);
  const cases: ReadonlyArray<readonly [object | undefined, 'TypeError' | 'RangeError', string]> = [
    [undefined, 'TypeError', 'options must be an object, got undefined'],
    [{ ...good, productKey: undefined }, 'TypeError', 'productKey must be a string, got undefined'],
    [
      { ...good, productKey: 'a b' },
      'RangeError',
      'productKey must be 1-20 letters and digits, got "a b"',
    ],
    [{ ...good, productKey: 'a'.repeat(21) }, 'RangeError', 'productKey'],
    [{ ...good, deviceName: '' }, 'RangeError', 'deviceName'],
    [{ ...good, deviceName: 'a/b' }, 'RangeError', 'deviceName'],
    [{ ...good, deviceName: 7 }, 'TypeError', 'deviceName must be a string, got 7'],
    [{ ...good, deviceSecret: '' }, 'RangeError', 'deviceSecret'],
    [{ ...good, deviceSecret: 'a\0b' }, 'RangeError', 'deviceSecret'],
    [
      { ...identity },
      'TypeError',
      'exactly one of region, instanceId, url and host must be given, got none',
    ],
    [{ ...good, host: 'h' }, 'TypeError', 'got region and host'],
    [{ ...good, reconnect: { perMinute: 11 } }, 'RangeError', 'reconnect.perMinute'],
    [{ ...good, reconnect: { perMinute: 1.5 } }, 'RangeError', 'reconnect.perMinute'],
    [{ ...good, region: 'cn shanghai' }, 'RangeError', 'region'],
    [{ ...good, region: 'cn.evil.example' }, 'RangeError', 'region'],
    [{ ...good, tls: false }, 'TypeError', 'tls: false is not possible with region'],
    [{ ...identity, instanceId: '' }, 'RangeError', 'instanceId'],
    [{ ...identity, host: 'a b' }, 'RangeError', 'host'],
    [{ ...identity, host: long }, 'RangeError', 'host'],
    [
      { ...identity, host: 'h', port: 0 },
      'RangeError',
      'port must be a whole number from 1 to 65535, got 0',
    ],
    [{ ...identity, host: 'h', port: 65_536 }, 'RangeError', 'port'],
    [{ ...identity, host: 'h', port: '1883' }, 'TypeError', 'port'],
    [{ ...identity, url: 'https://h' }, 'TypeError', 'url must be mqtts://host[:port]'],
    [{ ...identity, url: 'mqtts://' }, 'TypeError', 'url'],
    [{ ...identity, url: 'h:8883' }, 'TypeError', 'url'],
    [{ ...identity, url: 'mqtts://h/path' }, 'TypeError', 'url'],
    [{ ...identity, url: 'mqtts://h?a=b' }, 'TypeError', 'url'],
    [{ ...identity, url: 'mqtts://h', port: 1 }, 'TypeError', 'port belongs to host'],
    [{ ...identity, url: 'mqtts://h', tls: false }, 'TypeError', 'tls: false needs an mqtt: url'],
    [
      { ...identity, url: 'mqtt://h', tls: { ca: pem } },
      'TypeError',
      'tls options need an mqtts: url',
    ],
    [{ ...identity, url: 'mqtt://h', tls: true }, 'TypeError', 'tls: true needs an mqtts: url'],
    [{ ...good, tls: 'yes' }, 'TypeError', 'tls must be an object, got "yes"'],
    [{ ...good, tls: { ca: 'not PEM' } }, 'TypeError', 'tls.ca must be PEM text'],
    [{ ...good, tls: { ca: [] } }, 'TypeError', 'tls.ca must not be an empty list'],
    [{ ...good, tls: { ca: [pem, 5] } }, 'TypeError', 'tls.ca[1]'],
    [{ ...good, tls: { cert: pem } }, 'TypeError', 'tls.cert and tls.key must be given together'],
    [{ ...good, tls: { passphrase: 'p' } }, 'TypeError', 'tls.passphrase needs tls.key'],
    [{ ...good, tls: { servername: 'a b' } }, 'RangeError', 'tls.servername'],
    [
      { ...good, tls: { rejectUnauthorized: false } },
      'TypeError',
      'tls has no option rejectUnauthorized',
    ],
    [{ ...good, signMethod: 'sha512' }, 'RangeError', 'signMethod must be one of hmacsha256'],
    [{ ...good, signMethod: 1 }, 'TypeError', 'signMethod'],
    [{ ...good, clientId: 'a|b' }, 'RangeError', 'clientId'],
    [{ ...good, clientId: 'a'.repeat(65) }, 'RangeError', 'clientId'],
    [{ ...good, keepAlive: 0 }, 'RangeError', 'keepAlive'],
    [{ ...good, keepAlive: 1201 }, 'RangeError', 'keepAlive'],
    [{ ...good, keepAlive: 1.5 }, 'RangeError', 'keepAlive'],
    [{ ...good, keepAlive: Number.NaN }, 'RangeError', 'keepAlive'],
    [{ ...good, keepAlive: 60n }, 'TypeError', 'keepAlive'],
    [{ ...good, cleanSession: 1 }, 'TypeError', 'cleanSession must be a boolean, got 1'],
    [{ ...good, connectTimeout: -1 }, 'RangeError', 'connectTimeout'],
    [{ ...good, reconnect: 5 }, 'TypeError', 'reconnect must be an object, got 5'],
    [{ ...good, reconnect: null }, 'TypeError', 'reconnect'],
    [
      { ...good, reconnect: { min: 10, max: 5 } },
      'RangeError',
      'reconnect.max must be at least reconnect.min (10)',
    ],
    [{ ...good, reconnect: { maximum: 5 } }, 'TypeError', 'reconnect has no option maximum'],
    [{ ...good, fetch: { idleTimeout: 0 } }, 'RangeError', 'fetch.idleTimeout'],
    [
      { ...good, fetch: { lowSpeed: { bytesPerSecond: '1' } } },
      'TypeError',
      'fetch.lowSpeed.bytesPerSecond',
    ],
    [{ ...good, fetch: { maxRedirects: 21 } }, 'RangeError', 'fetch.maxRedirects'],
    [{ ...good, fetch: { maxRetries: 0 } }, 'RangeError', 'fetch.maxRetries'],
    [{ ...good, fetch: { httpsOnly: 'yes' } }, 'TypeError', 'fetch.httpsOnly'],
    [{ ...good, fetch: { retry: { min: 9, max: 8 } } }, 'RangeError', 'fetch.retry.max'],
    [{ ...good, signal: {} }, 'TypeError', 'signal must be an AbortSignal'],
    [{ ...good, deviceSecrets: 'x' }, 'TypeError', 'options has no option deviceSecrets'],
  ];

  test.each(cases)('%p', (options, kind, message) => {
    let refused: unknown;
    try {
      check(options as object);
    } catch (error) {
      refused = error;
    }
    expect(refused).toMatchObject({ name: kind, code: 'ERR_INVALID_ARGUMENT' });
    expect((refused as Error).message).toContain(message);
    expect((refused as Error).message.length).toBeLessThan(400);
  });
});

test.each([
  [{ deviceSecret: `hunter2${'x'.repeat(64)}` }],
  [{ deviceSecret: ['hunter2'] }],
  [{ tls: { passphrase: 'hunter2\0', key: pem, cert: pem } }],
  [{ tls: { key: 'hunter2', cert: pem } }],
  [{ region: undefined, url: 'mqtts://user:hunter2@h' }],
])('a refused secret is not shown: %#', (options) => {
  expect(() => check({ ...good, ...options })).toThrow(
    expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }),
  );
  expect(() => check({ ...good, ...options })).not.toThrow(/hunter2/);
});

test('custom calls are part of the client id', () => {
  expect(check({ ...identity, host: 'h' }).ext).toBe(0);
  expect(check({ ...identity, host: 'h', messages: { customRpc: true } }).ext).toBe(1);
});
