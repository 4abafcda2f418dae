// What is said of a certificate; those of real servers are looked at in test/integration/doctor.test.ts.

import { checkCertificate, type Shown } from '../../../../lib/cli/doctor/certificate';
import { PLATFORM_ROOT } from '../../../../lib/options/platform-root';

const now = new Date('2027-01-01T00:00:00Z');
const root = { subject: 'A root', to: new Date('2040-01-01'), fingerprint256: 'AA' };
const shown: Shown = {
  subject: '*.iot-as-mqtt.cn-shanghai.aliyuncs.com',
  issuer: 'An issuer',
  names: 'DNS:*.iot-as-mqtt.cn-shanghai.aliyuncs.com',
  fingerprint256: 'BB',
  from: new Date('2026-06-01'),
  to: new Date('2027-06-01'),
  protocol: 'TLSv1.3',
  root,
  refused: undefined,
};

test('what it is, and when it and its root end', () => {
  expect(checkCertificate(shown, now, false)).toMatchObject({
    status: 'ok',
    summary:
      '*.iot-as-mqtt.cn-shanghai.aliyuncs.com until 2027-06-01, root A root until 2040-01-01',
    remedy: undefined,
    facts: { to: '2027-06-01T00:00:00.000Z', root: { to: '2040-01-01T00:00:00.000Z' } },
  });
});

test.each([
  ['of a host of the platform', root, true],
  ['under that root elsewhere', { ...root, fingerprint256: PLATFORM_ROOT.fingerprint256 }, false],
])('%s: when the root of the platform ends', (_, itsRoot, forPlatform) => {
  const finding = checkCertificate({ ...shown, root: itsRoot }, now, forPlatform);
  expect(finding.status).toBe('ok');
  expect(finding.remedy).toContain('GlobalSign Root CA - R1, ends 2028-01-28');
});

test('the root of the platform in its last year', () => {
  const r1 = { ...root, ...PLATFORM_ROOT, to: new Date('2028-01-28T12:00:00Z') };
  const late = new Date('2027-02-15');
  expect(checkCertificate({ ...shown, root: r1 }, late, true)).toMatchObject({
    status: 'warn',
    remedy: expect.stringContaining('2028-01-28'),
  });
});

test('one that ends within days', () => {
  const late = new Date('2027-05-25');
  expect(checkCertificate(shown, late, false).status).toBe('warn');
});

test.each([
  ['CERT_HAS_EXPIRED', '2028-01-01', 'the clock here is ahead'],
  ['CERT_NOT_YET_VALID', '1970-01-01', "device's clock is behind"],
  ['ERR_TLS_CERT_ALTNAME_INVALID', '2027-01-01', 'DNS:*.iot-as-mqtt.cn-shanghai.aliyuncs.com'],
  ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', '2027-01-01', '--ca'],
  ['SELF_SIGNED_CERT_IN_CHAIN', '2027-01-01', '--ca'],
])('refused with %s in %s', (refused, date, remedy) => {
  const finding = checkCertificate({ ...shown, refused }, new Date(date), false);
  expect(finding).toMatchObject({ status: 'fail', facts: { refused } });
  expect(finding.summary).toContain(refused);
  expect(finding.remedy).toContain(remedy);
});

test('a chain that ends before a root', () => {
  const finding = checkCertificate({ ...shown, root: undefined }, now, false);
  expect(finding).toMatchObject({ status: 'ok', facts: { root: null } });
  expect(finding.summary).toContain('no root');
});

test('a server that shows none', () => {
  expect(checkCertificate({ error: 'ECONNREFUSED' }, now, false)).toMatchObject({
    status: 'fail',
    summary: 'none was shown: ECONNREFUSED',
  });
});
