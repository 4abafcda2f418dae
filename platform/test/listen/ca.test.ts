import { X509Certificate } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { localIdentity } from '../../src/listen/ca';
import { temporaryFolder } from '../support/start';

test('the CA is kept, the certificate is for this machine', async () => {
  const directory = await temporaryFolder();
  const first = await localIdentity(directory, ['localhost', '127.0.0.1', '::1', 'ota.example']);
  const second = await localIdentity(directory, ['localhost']);
  expect(second.ca).toBe(first.ca);
  expect(second.cert).not.toBe(first.cert);
  const certificate = new X509Certificate(first.cert);
  const authority = new X509Certificate(first.ca);
  expect(certificate.verify(authority.publicKey)).toBe(true);
  expect(certificate.checkIssued(authority)).toBe(true);
  expect([authority.ca, certificate.ca]).toEqual([true, false]);
  expect(certificate.checkHost('localhost')).toBe('localhost');
  expect(certificate.checkHost('ota.example')).toBe('ota.example');
  expect(certificate.checkHost('other.example')).toBeUndefined();
  expect(certificate.checkIP('127.0.0.1')).toBe('127.0.0.1');
  expect(certificate.checkIP('::1')).toBe('::1');
  expect(authority.verify(authority.publicKey)).toBe(true);
});

test('a CA that cannot be read is an error, not a new CA', async () => {
  const directory = await temporaryFolder();
  const { ca } = await localIdentity(directory, ['localhost']);
  await writeFile(`${directory}/ca-key.pem`, 'damaged');
  await expect(localIdentity(directory, ['localhost'])).rejects.toMatchObject({
    code: 'ERR_TLS',
  });
  expect(await readFile(`${directory}/ca.pem`, 'utf8')).toBe(ca);
});
