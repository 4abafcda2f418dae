import fs from 'node:fs';
import path from 'node:path';
import { checkFetch, fetchTable } from '../../../lib/options/fetch';
import { checkTls } from '../../../lib/options/tls';
import { pem, privateKeyPem as privateKey, refusalOf } from '../support';

const fetchOf = (fetch: object, environment: Readonly<Record<string, string>> = {}) =>
  checkFetch(fetch, checkTls(true), environment);

test('defaults', () => {
  expect(fetchOf({})).toEqual({
    ca: '',
    identity: { cert: '', key: '', passphrase: '' },
    certificateTime: 'system',
    connectTimeoutMs: 0,
    responseTimeoutMs: 0,
    idleTimeoutMs: 0,
    lowSpeedBytes: 100,
    lowSpeedMs: 60_000,
    patienceMs: 600_000,
    maxRetries: 0,
    maxTries: 1000,
    totalTimeoutMs: 0,
    retryMinMs: 500,
    retryMaxMs: 30_000,
    renewTimeoutMs: 60_000,
    connections: 1,
    maxRedirects: 5,
    headers: '',
    proxy: '',
    httpsProxy: '',
    noProxy: '',
    allowedHosts: '',
    maxSize: 0,
    httpsOnly: false,
    bytesPerSecond: 0,
  });
  expect(checkFetch(undefined, undefined, {})).toEqual(fetchOf({}));
});

test('the time of the platform is taken from no connection without TLS', () => {
  const { message } = refusalOf(() => checkFetch({ certificateTime: 'platform' }, undefined, {}));
  expect(message).toBe(
    "fetch.certificateTime 'platform' needs a connection to the broker over TLS",
  );
});

test('what is given arrives', () => {
  const fetch = fetchOf({
    cert: pem,
    key: privateKey,
    passphrase: 'hunter2',
    certificateTime: 'platform',
    connectTimeout: 1,
    responseTimeout: 2,
    idleTimeout: 3_600_000,
    lowSpeed: { bytesPerSecond: 0xffff_fffe, duration: 4 },
    patience: 10,
    maxRetries: 6,
    maxTries: 7,
    totalTimeout: 86_400_000,
    retry: { min: 8, max: 9 },
    renewTimeout: 5,
    connections: 8,
    maxRedirects: 20,
    headers: { Authorization: ' Bearer x ', 'x-empty': '' },
    proxy: 'http://p:1',
    noProxy: 'a',
    allowedHosts: ['fw.example.com', '*.example.com:8443', '[::1]:1', '127.0.0.1'],
    maxSize: 2 ** 53 - 1,
    httpsOnly: true,
    bytesPerSecond: 100_000,
  });
  expect(fetch).toEqual({
    ca: '',
    identity: { cert: pem, key: privateKey, passphrase: 'hunter2' },
    certificateTime: 'platform',
    connectTimeoutMs: 1,
    responseTimeoutMs: 2,
    idleTimeoutMs: 3_600_000,
    lowSpeedBytes: 0xffff_fffe,
    lowSpeedMs: 4,
    patienceMs: 10,
    maxRetries: 6,
    maxTries: 7,
    totalTimeoutMs: 86_400_000,
    retryMinMs: 8,
    retryMaxMs: 9,
    renewTimeoutMs: 5,
    connections: 8,
    maxRedirects: 20,
    headers: 'Authorization: Bearer x\r\nx-empty: \r\n',
    proxy: 'http://p:1',
    httpsProxy: 'http://p:1',
    noProxy: 'a',
    allowedHosts: 'fw.example.com,*.example.com:8443,[::1]:1,127.0.0.1',
    maxSize: 2 ** 53 - 1,
    httpsOnly: true,
    bytesPerSecond: 100_000,
  });
});

test('the environment says which proxies there are, unless the options do', () => {
  const environment = { https_proxy: 'http://p:1', no_proxy: 'a' };
  expect(fetchOf({}, environment)).toMatchObject({ httpsProxy: 'http://p:1', noProxy: 'a' });
  expect(fetchOf({ proxy: false, noProxy: '' }, environment)).toMatchObject({
    httpsProxy: '',
    noProxy: '',
  });
});

test('maxRedirects 0 is none', () => {
  expect(fetchOf({ maxRedirects: 0 }).maxRedirects).toBe(255);
});

test.each([
  [false, 0xffff_ffff, 60_000],
  [{ bytesPerSecond: 0 }, 0xffff_ffff, 60_000],
  [{ bytesPerSecond: 7 }, 7, 60_000],
  [{ duration: 7 }, 100, 7],
  [{}, 100, 60_000],
])('lowSpeed %j', (lowSpeed, lowSpeedBytes, lowSpeedMs) => {
  expect(fetchOf({ lowSpeed })).toMatchObject({ lowSpeedBytes, lowSpeedMs });
});

test('renewTimeout false is never', () => {
  expect(fetchOf({ renewTimeout: false }).renewTimeoutMs).toBe(0xffff_ffff);
});

test('a minimum above the default maximum raises the maximum', () => {
  expect(fetchOf({ retry: { min: 70_000 } }).retryMaxMs).toBe(70_000);
});

test('firmware servers are trusted by the CAs of the platform unless they have their own', () => {
  const other = pem.replace('MIIB', 'MIIC');
  const tls = checkTls({ ca: pem });
  expect(checkFetch({}, tls, {}).ca).toBe(pem);
  expect(checkFetch({ ca: other }, tls, {}).ca).toBe(other);
});

test('the certificate for the broker is not for firmware servers', () => {
  const tls = checkTls({ cert: pem, key: privateKey });
  expect(checkFetch({}, tls, {}).identity.cert).toBe('');
});

test.each<[object, string]>([
  [{ cert: pem }, 'fetch.cert and fetch.key must be given together'],
  [{ passphrase: 'x' }, 'fetch.passphrase needs fetch.key'],
  [{ maxTries: 0 }, 'fetch.maxTries must be a whole number from 1 to 1000000, got 0'],
  [{ maxTries: 1_000_001 }, 'fetch.maxTries'],
  [{ totalTimeout: 86_400_001 }, 'fetch.totalTimeout'],
  [{ renewTimeout: 0 }, 'fetch.renewTimeout'],
  [{ renewTimeout: true }, 'fetch.renewTimeout'],
  [{ connections: 9 }, 'fetch.connections must be a whole number from 1 to 8, got 9'],
  [{ connections: 1.5 }, 'fetch.connections'],
  [{ bytesPerSecond: 1023 }, 'fetch.bytesPerSecond'],
  [{ idleTimeout: 0 }, 'fetch.idleTimeout must be a whole number from 1 to 3600000, got 0'],
  [{ lowSpeed: { duration: 0 } }, 'fetch.lowSpeed.duration must be a whole number'],
  [{ lowSpeed: { bytesPerSecond: -1 } }, 'fetch.lowSpeed.bytesPerSecond must be a whole number'],
  [{ lowSpeed: { bytesPerSecond: 0xffff_ffff } }, 'fetch.lowSpeed.bytesPerSecond'],
  [{ lowSpeed: true }, 'fetch.lowSpeed'],
  [{ patience: 0 }, 'fetch.patience must be a whole number from 1 to 86400000, got 0'],
  [{ patience: 86_400_001 }, 'fetch.patience'],
  [{ maxSize: 0 }, 'fetch.maxSize must be a whole number from 1 to 9007199254740991, got 0'],
  [{ maxSize: 1.5 }, 'fetch.maxSize'],
  [{ lowSpeed: { rate: 1 } }, 'fetch.lowSpeed has no option rate'],
  [{ maxRedirects: 21 }, 'fetch.maxRedirects'],
  [{ maxRetries: 0 }, 'fetch.maxRetries'],
  [{ httpsOnly: 'yes' }, 'fetch.httpsOnly must be a boolean, got "yes"'],
  [{ retry: { min: 9, max: 8 } }, 'fetch.retry.max must be at least fetch.retry.min (9), got 8'],
  [{ certificateTime: 'mine' }, 'fetch.certificateTime must be one of system, platform'],
  [{ retry: { minimum: 9 } }, 'fetch.retry has no option minimum'],
  [
    { timeout: 1 },
    'fetch has no option timeout; its options are ca, cert, key, sign, passphrase, certificateTime, ' +
      'connectTimeout, responseTimeout, idleTimeout, lowSpeed, patience, maxRetries, maxTries, totalTimeout, ' +
      'retry, renewTimeout, connections, maxRedirects, headers, proxy, noProxy, allowedHosts, ' +
      'maxSize, httpsOnly, bytesPerSecond',
  ],
])('refused with an error that names the option: %j', (fetch, message) => {
  expect(refusalOf(() => fetchOf(fetch)).message).toContain(message);
});

test.each([[{ key: privateKey }], [{ passphrase: 'hunter2\0', key: privateKey, cert: pem }]])(
  'a refused secret is not shown: %#',
  (fetch) => {
    expect(refusalOf(() => fetchOf(fetch)).message).not.toMatch(/hunter2/);
  },
);

describe('the table of options', () => {
  const header = path.resolve(__dirname, '../../../deps/iotkit/include/iotkit_ota.h');
  const [, struct = ''] =
    /struct iotkit_fetch_options \{\n(.*?)\n\};/s.exec(fs.readFileSync(header, 'utf8')) ?? [];
  const members = [...struct.replaceAll(/\/\*.*?\*\//gs, '').matchAll(/(\w+)(?:\[\d+\])?;/g)];

  /** Every member that a row of the table becomes. */
  const named = (row: object): string[] => {
    if ('native' in row) return [String(row.native).replaceAll(/[A-Z]/g, (it) => `_${it}`)];
    if ('partOf' in row) return [String(row.partOf)];
    return Object.values(row).flatMap(named);
  };

  test('names each member of the C struct once', () => {
    const rows = Object.values(fetchTable).flatMap(named);
    const whole = rows.filter((it, i) => !(it === 'tls' && rows.indexOf(it) < i));
    const verify = ['keys', 'require_signature', 'allow_unsigned', 'require_statement'];
    // The shim sets the first always; the channel the second; the others say the layout.
    const others = [...verify, 'external_digest', 'product_key', 'struct_size', 'reserved'];
    const all = [...whole, ...others].map((it) => it.toLowerCase());
    expect(all.sort()).toEqual(members.map(([, name]) => name).sort());
  });

  test('is what the check makes: nothing is missing, nothing is more', () => {
    const { ca, identity, certificateTime, bytesPerSecond, ...values } = fetchOf({});
    const rows = Object.values(fetchTable).flatMap((row) =>
      'native' in row || 'partOf' in row ? [row] : Object.values(row),
    );
    const natives = rows.flatMap((row) => ('native' in row ? [row.native] : []));
    expect(Object.keys(values).sort()).toEqual([...natives].sort());
    const parts = [ca, identity.cert, certificateTime, bytesPerSecond];
    expect(parts).toEqual(['', '', 'system', 0]);
  });

  test('has ranges that hold their defaults; a default of 0 is that of the C SDK', () => {
    const rows = Object.values(fetchTable).flatMap((row) =>
      'native' in row || 'partOf' in row ? [row] : Object.values(row),
    );
    for (const row of rows) {
      if (!('min' in row) || row.default === 0) continue;
      expect(row.default).toBeGreaterThanOrEqual(row.min);
      expect(row.default).toBeLessThanOrEqual(row.max);
    }
  });
});

test.each(Object.keys(fetchTable).filter((key) => !['lowSpeed', 'retry'].includes(key)))(
  'null for %s is refused and not taken for the default',
  (key) => {
    const given = { [key]: null } as never;
    expect(refusalOf(() => checkFetch(given, undefined, {})).message).toContain(`fetch.${key}`);
  },
);

test.each([
  { retry: null },
  { retry: { min: null } },
  { retry: { max: null } },
  { lowSpeed: null },
])('nor in a group: %j', (given) => {
  refusalOf(() => checkFetch(given as never, undefined, {}));
});
