import { createPrivateKey, X509Certificate } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { DeviceCa } from '../../src/listen/device-ca';
import { temporaryFolder } from '../support/start';

const subject = [{ CN: ['lamp,=+@1'] }, { O: ['pk'] }];

test('the CA is kept, its key is private, and what it issues is a pair for a client', async () => {
  const directory = await temporaryFolder();
  const first = await DeviceCa.open(directory);
  const second = await DeviceCa.open(directory);
  expect(second.certificate).toBe(first.certificate);
  expect((await stat(`${directory}/device-ca-key.pem`)).mode & 0o777).toBe(0o600);
  const now = Date.parse('2026-06-01T00:00:00Z');
  const issued = await second.issue(subject, now, 10);
  const certificate = new X509Certificate(issued.certificate);
  const authority = new X509Certificate(first.certificate);
  expect(certificate.verify(authority.publicKey)).toBe(true);
  expect(certificate.checkIssued(authority)).toBe(true);
  expect(certificate.checkPrivateKey(createPrivateKey(issued.key))).toBe(true);
  expect(certificate.publicKey.asymmetricKeyType).toBe('rsa');
  expect(certificate.publicKey.asymmetricKeyDetails?.modulusLength).toBe(2048);
  expect(certificate.ca).toBe(false);
  expect(certificate.subject).toContain('O=pk');
  expect(certificate.serialNumber.toLowerCase()).toBe(issued.serial);
  expect(certificate.fingerprint256.replaceAll(':', '').toLowerCase()).toBe(issued.fingerprint);
  expect(issued.notAfter).toBe(now + 10 * 86_400_000);
  expect(Date.parse(certificate.validTo)).toBe(issued.notAfter);
});

test('a directory that cannot be used is an error of certificates', async () => {
  const open = DeviceCa.open('/proc/none');
  await expect(open).rejects.toMatchObject({ code: 'ERR_TLS' });
});
