import { checkIdentity, checkTls, pemList, type TlsOptions } from '../../../lib/options/tls';
import { pem, refusalOf } from '../support';

const none = { ca: '', also: '', cert: '', key: '', passphrase: '', certName: '' };
const bytes = new TextEncoder().encode(pem);

test('false is without TLS; true, nothing and {} are TLS with the defaults', () => {
  expect(checkTls(false)).toBeUndefined();
  for (const given of [true, undefined, {}]) expect(checkTls(given)).toEqual(none);
});

test('what is given arrives', () => {
  const given = { ca: pem, cert: pem, key: bytes, passphrase: 'p', servername: 'broker.local' };
  expect(checkTls(given)).toEqual({
    ca: pem,
    also: '',
    cert: pem,
    key: pem,
    passphrase: 'p',
    certName: 'broker.local',
  });
});

test('a function signs in place of a key', () => {
  const sign = () => bytes;
  expect(checkTls({ cert: pem, sign })).toEqual({ ...none, cert: pem, sign });
});

test('certificates are text, bytes or a list of both', () => {
  expect(pemList('ca', undefined)).toBe('');
  expect(pemList('ca', bytes)).toBe(pem);
  expect(pemList('ca', [pem, bytes])).toBe(`${pem}\n${pem}`);
});

test.each<[unknown, string]>([
  ['yes', 'tls must be an object, got "yes"'],
  [{ ca: 'not PEM' }, 'tls.ca must be PEM text'],
  [{ ca: [] }, 'tls.ca must not be an empty list'],
  [{ ca: [pem, 5] }, 'tls.ca[1] must be PEM text or bytes'],
  [{ ca: `${pem}\0` }, 'tls.ca must be PEM text'],
  [{ cert: pem }, 'tls.cert and tls.key must be given together'],
  [{ key: pem }, 'tls.cert and tls.key must be given together'],
  [{ passphrase: 'p' }, 'tls.passphrase needs tls.key'],
  [{ cert: pem, sign: 'yes' }, 'tls.sign must be a function'],
  [{ cert: pem, key: pem, sign: () => bytes }, 'tls.sign takes the place of tls.key'],
  [{ sign: () => bytes }, 'tls.sign needs tls.cert'],
  [{ cert: pem, sign: () => bytes, passphrase: 'p' }, 'tls.passphrase needs tls.key'],
  [{ cert: pem, key: pem, passphrase: '' }, 'tls.passphrase must be 1-1024 characters'],
  [{ servername: 'a b' }, 'tls.servername must be a host name or address, got "a b"'],
  [{ rejectUnauthorized: false }, 'tls has no option rejectUnauthorized'],
])('refused with an error that names the option: %j', (tls, message) => {
  expect(refusalOf(() => checkTls(tls as TlsOptions)).message).toContain(message);
});

test('an identity is called by the name of its group', () => {
  const refusal = refusalOf(() => checkIdentity('fetch', { cert: pem }));
  expect(refusal.message).toBe('fetch.cert and fetch.key must be given together');
});

test.each([[{ passphrase: 'hunter2\0', key: pem, cert: pem }], [{ key: 'hunter2', cert: pem }]])(
  'a refused secret is not shown: %#',
  (tls) => {
    expect(refusalOf(() => checkTls(tls)).message).not.toMatch(/hunter2/);
  },
);
