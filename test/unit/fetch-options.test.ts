import { type ConnectOptions, checkConnectOptions } from '../../lib/options/connect';

const pem = '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n';
const publicKey = '-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----\n';
const privateKey = '-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----\n';
const good = {
  productKey: 'a1B2c3D4e5F',
  deviceName: 'lamp-1',
  deviceSecret: 'top-secret',
  region: 'cn-shanghai',
};

const check = (options: object, environment: Readonly<Record<string, string>> = {}) =>
  checkConnectOptions({ ...good, ...options } as ConnectOptions, environment);
const fetchOf = (fetch: object, environment?: Readonly<Record<string, string>>) =>
  check({ fetch }, environment).fetch;

function refusalOf(options: object, environment?: Readonly<Record<string, string>>): Error {
  try {
    check(options, environment);
  } catch (error) {
    expect(error).toMatchObject({ code: 'ERR_INVALID_ARGUMENT' });
    return error as Error;
  }
  throw new Error('nothing was refused');
}

test('defaults', () => {
  const { fetch, verify } = check({});
  expect(fetch).toMatchObject({
    identity: { cert: '', key: '', passphrase: '' },
    maxTries: 1000,
    totalTimeoutMs: 0,
    renewTimeoutMs: 60_000,
    connections: 1,
    headers: '',
    proxy: '',
    httpsProxy: '',
    noProxy: '',
    allowedHosts: '',
    bytesPerSecond: 0,
  });
  expect(verify).toEqual({
    publicKeys: '',
    requireSignature: false,
    newerOnly: false,
    allowVersion: undefined,
  });
});

test('what is given arrives', () => {
  const allowVersion = (): boolean => true;
  const { fetch, verify, tls } = check({
    fetch: {
      cert: pem,
      key: privateKey,
      passphrase: 'hunter2',
      maxTries: 7,
      totalTimeout: 86_400_000,
      renewTimeout: 5,
      connections: 8,
      headers: { Authorization: ' Bearer x ', 'x-empty': '' },
      allowedHosts: ['fw.example.com', '*.example.com:8443', '[::1]:1', '127.0.0.1'],
      bytesPerSecond: 100_000,
    },
    verify: {
      publicKeys: [publicKey, new TextEncoder().encode(pem)],
      requireSignature: true,
      newerOnly: true,
      allowVersion,
    },
  });
  expect(fetch).toMatchObject({
    identity: { cert: pem, key: privateKey, passphrase: 'hunter2' },
    maxTries: 7,
    totalTimeoutMs: 86_400_000,
    renewTimeoutMs: 5,
    connections: 8,
    headers: 'Authorization: Bearer x\r\nx-empty: \r\n',
    allowedHosts: 'fw.example.com,*.example.com:8443,[::1]:1,127.0.0.1',
    bytesPerSecond: 100_000,
  });
  expect(verify).toEqual({
    publicKeys: `${publicKey}\n${pem}`,
    requireSignature: true,
    newerOnly: true,
    allowVersion,
  });
  // The certificate for firmware servers is not for the broker, and the other way round.
  expect(tls).toMatchObject({ cert: '', key: '' });
  expect(check({ tls: { cert: pem, key: privateKey } }).fetch.identity.cert).toBe('');
});

test('renewTimeout false is never', () => {
  expect(fetchOf({ renewTimeout: false }).renewTimeoutMs).toBe(0xffff_ffff);
});

describe('the proxy', () => {
  const proxiesOf = (fetch: object, environment?: Readonly<Record<string, string>>) => {
    const { proxy, httpsProxy, noProxy } = fetchOf(fetch, environment);
    return [proxy, httpsProxy, noProxy];
  };
  const [lower, upper] = ['http://lower:1', 'http://upper:2'];

  test.each([
    // As curl reads the environment.
    [{}, ['', '', '']],
    [{ http_proxy: lower }, [lower, '', '']],
    [{ HTTP_PROXY: upper }, ['', '', '']],
    [{ https_proxy: lower, HTTPS_PROXY: upper }, ['', lower, '']],
    [{ HTTPS_PROXY: upper }, ['', upper, '']],
    [{ https_proxy: '', HTTPS_PROXY: upper }, ['', upper, '']],
    [{ all_proxy: lower, ALL_PROXY: upper }, [lower, lower, '']],
    [{ ALL_PROXY: upper, https_proxy: lower }, [upper, lower, '']],
    [{ https_proxy: 'proxy.local:3128' }, ['', 'proxy.local:3128', '']],
    [{ https_proxy: 'http://u:p%40:x@[::1]:3128/' }, ['', 'http://u:p%40:x@[::1]:3128/', '']],
    [{ no_proxy: 'a,.b', NO_PROXY: 'c' }, ['', '', 'a,.b']],
    [{ NO_PROXY: '*' }, ['', '', '*']],
  ])('of the environment %j', (environment, expected) => {
    expect(proxiesOf({}, environment as never)).toEqual(expected);
  });

  test('the option takes the place of the environment, each on its own', () => {
    const environment = { https_proxy: lower, ALL_PROXY: 'socks5://h', no_proxy: 'a' };
    expect(proxiesOf({ proxy: upper }, environment)).toEqual([upper, upper, 'a']);
    expect(proxiesOf({ proxy: false }, environment)).toEqual(['', '', 'a']);
    expect(proxiesOf({ proxy: upper, noProxy: '' }, environment)).toEqual([upper, upper, '']);
  });

  test('one of the environment that is not supported is an error that names the variable', () => {
    const refusal = refusalOf({}, { ALL_PROXY: 'socks5://user:hunter2@h:1080' });
    expect(refusal.message).toMatch(/^the environment's ALL_PROXY must be http:\/\/\[user/);
    expect(refusal.message).not.toContain('hunter2');
    // It is of no interest where it is not asked for.
    const environment = { ALL_PROXY: 'socks5://h', http_proxy: lower, https_proxy: lower };
    expect(proxiesOf({}, environment)).toEqual([lower, lower, '']);
  });
});

describe('refused with an error that names the option', () => {
  const host = 'fetch.allowedHosts[0] must be a host name';
  test.each([
    [{ fetch: { cert: pem } }, 'fetch.cert and fetch.key must be given together'],
    [{ fetch: { passphrase: 'x' } }, 'fetch.passphrase needs fetch.key'],
    [{ fetch: { maxTries: 0 } }, 'fetch.maxTries must be a whole number from 1 to 1000000, got 0'],
    [{ fetch: { maxTries: 1_000_001 } }, 'fetch.maxTries'],
    [{ fetch: { totalTimeout: 86_400_001 } }, 'fetch.totalTimeout'],
    [{ fetch: { renewTimeout: 0 } }, 'fetch.renewTimeout'],
    [{ fetch: { renewTimeout: true } }, 'fetch.renewTimeout'],
    [{ fetch: { connections: 9 } }, 'fetch.connections must be a whole number from 1 to 8, got 9'],
    [{ fetch: { connections: 1.5 } }, 'fetch.connections'],
    [{ fetch: { bytesPerSecond: 1023 } }, 'fetch.bytesPerSecond'],
    [{ fetch: { headers: 'x' } }, 'fetch.headers must be an object of strings'],
    [{ fetch: { headers: ['x: y'] } }, 'fetch.headers must be an object of strings'],
    [{ fetch: { headers: null } }, 'fetch.headers must be an object of strings'],
    [{ fetch: { headers: { Range: 'bytes=0-' } } }, 'fetch.headers must not have Range'],
    [{ fetch: { headers: { hOsT: 'h' } } }, 'fetch.headers must not have hOsT'],
    [{ fetch: { headers: { 'Proxy-Authorization': 'x' } } }, 'must not have Proxy-Authorization'],
    [{ fetch: { headers: { A: '1', a: '2' } } }, 'fetch.headers has a twice'],
    [{ fetch: { headers: { 'a b': '1' } } }, 'fetch.headers must have names'],
    [{ fetch: { headers: { '': '1' } } }, 'fetch.headers must have names'],
    [{ fetch: { headers: { a: '1\r\nb: 2' } } }, 'fetch.headers.a must be printable ASCII'],
    [{ fetch: { headers: { a: 'ä' } } }, 'fetch.headers.a must be printable ASCII'],
    [{ fetch: { headers: { a: 1 } } }, 'fetch.headers.a must be a string'],
    [{ fetch: { headers: { a: 'x'.repeat(8190) } } }, 'fetch.headers must have at most 8192 bytes'],
    [
      { fetch: { headers: Object.fromEntries([...Array(33).keys()].map((i) => [`a${i}`, ''])) } },
      'fetch.headers must have at most 32 fields, got 33',
    ],
    [{ fetch: { proxy: 'proxy:3128' } }, 'fetch.proxy must be http://[user:password@]host[:port]'],
    [{ fetch: { proxy: 'https://proxy:3128' } }, 'fetch.proxy must be'],
    [{ fetch: { proxy: 'http://' } }, 'fetch.proxy must be'],
    [{ fetch: { proxy: 'http://h:0' } }, 'fetch.proxy must be'],
    [{ fetch: { proxy: 'http://h:65536' } }, 'fetch.proxy must be'],
    [{ fetch: { proxy: 'http://h/path' } }, 'fetch.proxy must be'],
    [{ fetch: { proxy: '' } }, 'fetch.proxy must be'],
    [{ fetch: { proxy: true } }, 'fetch.proxy must be a string or false'],
    [{ fetch: { noProxy: ['a'] } }, 'fetch.noProxy must be a string, got an array'],
    [{ fetch: { allowedHosts: 'a' } }, 'fetch.allowedHosts must be an array of host names'],
    [{ fetch: { allowedHosts: [] } }, 'fetch.allowedHosts must have 1-64 hosts, got 0'],
    [{ fetch: { allowedHosts: ['a,b'] } }, host],
    [{ fetch: { allowedHosts: ['*'] } }, host],
    [{ fetch: { allowedHosts: ['a.*.b'] } }, host],
    [{ fetch: { allowedHosts: ['*.0.0.1:80'] } }, host],
    [{ fetch: { allowedHosts: ['https://a'] } }, host],
    [{ fetch: { allowedHosts: ['a:0'] } }, host],
    [{ fetch: { allowedHosts: ['::1'] } }, host],
    [{ fetch: { allowedHosts: ['a', 7] } }, 'fetch.allowedHosts[1] must be a string, got 7'],
    [{ verify: 1 }, 'verify must be an object, got 1'],
    [{ verify: { publicKey } }, 'verify has no option publicKey'],
    [{ verify: { publicKeys: 'x' } }, 'verify.publicKeys must be PEM text'],
    [{ verify: { publicKeys: [] } }, 'verify.publicKeys must not be an empty list'],
    [{ verify: { publicKeys: [publicKey, 1] } }, 'verify.publicKeys[1] must be PEM text'],
    [{ verify: { requireSignature: true } }, 'verify.requireSignature needs verify.publicKeys'],
    [{ verify: { requireSignature: 1 } }, 'verify.requireSignature must be a boolean, got 1'],
    [{ verify: { newerOnly: 'yes' } }, 'verify.newerOnly must be a boolean, got "yes"'],
    [{ verify: { allowVersion: true } }, 'verify.allowVersion must be a function, got true'],
  ])('%j', (options, message) => {
    expect(refusalOf(options).message).toContain(message);
  });
});

test.each([
  [{ fetch: { proxy: 'http://user:hunter2@h x' } }],
  [{ fetch: { proxy: 'http://user:hunter2%@h' } }],
  [{ fetch: { proxy: ['http://user:hunter2@h'] } }],
  [{ fetch: { headers: { a: 'hunter2\n' } } }],
  [{ fetch: { headers: { a: ['hunter2'] } } }],
  [{ fetch: { headers: { 'authorization: hunter2': '' } } }],
  [{ fetch: { headers: ['hunter2'] } }],
  [{ fetch: { key: privateKey } }],
  [{ fetch: { passphrase: 'hunter2\0', key: privateKey, cert: pem } }],
  [{ verify: { publicKeys: privateKey } }],
])('a refused secret is not shown: %#', (options) => {
  expect(refusalOf(options).message).not.toMatch(/hunter2/);
});
