// The real addon: what is not what it should be is refused, and never taken for "nothing".
import { generateKeyPairSync } from 'node:crypto';
import type { NativeFetchOptions, NativeKeys, NativeTls } from '../../../lib/addon/binding';
import { native, unwrap } from '../../../lib/addon/load';
import { errorCodes } from '../../../lib/generated/error-codes';

const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString();

const fetch: NativeFetchOptions = {
  tls: undefined,
  connectTimeoutMs: 0,
  responseTimeoutMs: 0,
  idleTimeoutMs: 0,
  lowSpeedBytes: 0,
  lowSpeedMs: 0,
  patienceMs: 0,
  maxSize: 0,
  maxRetries: 0,
  maxTries: 0,
  totalTimeoutMs: 0,
  retryMinMs: 0,
  retryMaxMs: 0,
  renewTimeoutMs: 0,
  connections: 1,
  maxRedirects: 0,
  httpsOnly: false,
  headers: '',
  proxy: '',
  httpsProxy: '',
  noProxy: '',
  allowedHosts: '',
  keys: undefined,
  requireSignature: false,
  allowUnsigned: false,
  requireStatement: false,
};

const notice = JSON.stringify({
  code: '1000',
  id: 1,
  data: {
    size: 10,
    version: '2.0.0',
    url: 'https://fw.example.com/a',
    sign: 'ab'.repeat(32),
    signMethod: 'SHA256',
  },
});

const parse = (change: Partial<NativeFetchOptions>) =>
  native.parseJob(notice, { ...fetch, ...change });
const invalid = errorCodes.ERR_INVALID_ARGUMENT.errno;

test('keys are keys, and TLS is TLS', () => {
  const keys = unwrap(native.createKeys(pem));
  const nobody = { ca: '', cert: '', key: '', passphrase: '', certName: '', deferred: false };
  const tls = unwrap(native.createTls(nobody));
  expect(unwrap(parse({ tls, keys, requireSignature: true })).info.version).toBe('2.0.0');
  const strangers = [{}, null, 'pem', 1, Object.create(keys), { ...keys }];
  for (const stranger of [...strangers, tls]) {
    expect(parse({ keys: stranger as NativeKeys })).toMatchObject({ errno: invalid });
  }
  for (const stranger of [...strangers, keys]) {
    expect(parse({ tls: stranger as NativeTls })).toMatchObject({ errno: invalid });
  }
});

test.each([
  ['keys without a key', ''],
  ['text', 'hunter2'],
  ['a key of another kind', '-----BEGIN PUBLIC KEY-----\nhunter2=\n-----END PUBLIC KEY-----\n'],
])('%s: an error that shows nothing of it', (_, text) => {
  const failure = native.createKeys(text);
  expect(failure).toMatchObject({ errno: errorCodes.ERR_PUBLIC_KEY.errno });
  expect(JSON.stringify(failure)).not.toContain('hunter2');
});

test.each([
  ['requireSignature without keys', { requireSignature: true }],
  ['hosts', { allowedHosts: 'a b' }],
  ['headers', { headers: 'Authorization: hunter2' }],
  ['own headers', { headers: 'Range: hunter2\r\n' }],
  ['a proxy', { proxy: 'http://user:hunter2@' }],
  ['a proxy for https', { httpsProxy: 'socks5://user:hunter2@h' }],
  ['connections', { connections: 9 }],
] as const)('what lib would not let through is refused as well: %s', (_, change) => {
  const failure = parse(change);
  expect(failure).toMatchObject({ errno: expect.any(Number), detail: expect.any(String) });
  expect(JSON.stringify(failure)).not.toContain('hunter2');
});

test('the addon reads every fetch option, and no other', () => {
  const read = new Set<PropertyKey>();
  const spy = new Proxy(fetch, {
    get: (options, key) => {
      read.add(key);
      return Reflect.get(options, key);
    },
  });
  unwrap(native.parseJob(notice, spy));
  expect([...read].sort()).toEqual(Object.keys(fetch).sort());
});
