import { X509Certificate } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { localIdentity } from 'iotkit-ota-platform';
import { checkCa, trusted } from '../../../../lib/cli/doctor/ca';
import { PLATFORM_ROOT } from '../../../../lib/options/platform-root';

const now = new Date();
let pem = '';

beforeAll(async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'iotkit-ota-test-'));
  pem = (await localIdentity(folder, ['localhost'])).ca;
  await rm(folder, { recursive: true });
});

const list = (text: string) => ({
  source: 'a list',
  pem: text,
  error: undefined,
  unreadable: undefined,
});
const rootOf = (text: string) => ({
  name: 'the root',
  ends: '2030-01-01',
  fingerprint256: new X509Certificate(text).fingerprint256,
});
const damaged = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n';

test('certificates are counted', () => {
  expect(checkCa(list(pem + pem), now, undefined)).toEqual({
    status: 'ok',
    summary: '2 certificates: a list',
    remedy: undefined,
    facts: { source: 'a list', count: 2, ended: 0, damaged: 0, hasPlatformRoot: false },
  });
});

test('those that have ended are counted, too', () => {
  const later = new Date(now.getTime() + 20 * 365 * 24 * 3600 * 1000);
  expect(checkCa(list(pem), later, undefined).facts).toMatchObject({ count: 1, ended: 1 });
});

test.each([
  ['', 'fail', { count: 0, damaged: 0 }],
  ['no PEM text', 'fail', { count: 0, damaged: 0 }],
  [damaged, 'fail', { count: 0, damaged: 1 }],
])('without a certificate that can be read: %j', (text, status, facts) => {
  expect(checkCa(list(text), now, undefined)).toMatchObject({ status, facts });
});

test('one that is damaged among others is a warning', () => {
  const finding = checkCa(list(pem + damaged), now, undefined);
  expect(finding).toMatchObject({ status: 'warn', facts: { count: 1, damaged: 1 } });
});

test('without the root of the platform, whose host was asked for', () => {
  const finding = checkCa(list(pem), now, PLATFORM_ROOT);
  expect(finding).toMatchObject({ status: 'warn', facts: { hasPlatformRoot: false } });
  expect(finding.summary).toContain('GlobalSign Root CA - R1 is not among them');
  expect(finding.remedy).toContain('2028-01-28');
});

test('with it, when it ends', () => {
  const finding = checkCa(list(pem), now, rootOf(pem));
  expect(finding.status).toBe('ok');
  expect(finding.remedy).toContain('ends 2028-01-28');
});

test('the list of the runtime has certificates', () => {
  expect(checkCa(trusted(undefined, false), now, undefined)).toMatchObject({ status: 'ok' });
});

test('for hosts of the platform their root comes to the list', () => {
  const finding = checkCa(trusted(undefined, true), now, PLATFORM_ROOT);
  expect(finding).toMatchObject({ status: 'ok', facts: { hasPlatformRoot: true } });
  expect(finding.summary).toContain('GlobalSign Root CA - R1');
});

test('a file instead of it, and why it cannot be read', () => {
  const file = { file: '/etc/ca.pem', pem, error: undefined };
  expect(checkCa(trusted(file, true), now, undefined).summary).toBe('1 certificates: /etc/ca.pem');
  const missing = trusted({ ...file, pem: '', error: 'ENOENT' }, false);
  expect(checkCa(missing, now, undefined)).toMatchObject({
    status: 'fail',
    summary: '/etc/ca.pem: ENOENT',
  });
});

test('a file of NODE_EXTRA_CA_CERTS that cannot be read is a warning', () => {
  const before = process.env.NODE_EXTRA_CA_CERTS;
  process.env.NODE_EXTRA_CA_CERTS = '/nowhere/ca.pem';
  try {
    const finding = checkCa(trusted(undefined, false), now, undefined);
    expect(finding).toMatchObject({ status: 'warn' });
    expect(finding.summary).toContain('/nowhere/ca.pem cannot be read');
  } finally {
    if (before === undefined) delete process.env.NODE_EXTRA_CA_CERTS;
    else process.env.NODE_EXTRA_CA_CERTS = before;
  }
});
