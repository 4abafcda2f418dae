import { X509Certificate } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:tls';
import { localIdentity } from '../src/ca';
import { Platform, type PlatformOptions } from '../src/index';
import { atEnd } from './support/clean-up';
import { readyDevice } from './support/device';
import { startPlatform, temporaryFolder } from './support/start';

test.each<[string, PlatformOptions]>([
  ['a port', { mqtt: { port: 70_000 } }],
  ['a port', { http: { tlsPort: -1 } }],
  ['a lifetime', { urlLifetimeSeconds: 0 }],
  ['a length', { urlMinLength: 5000 }],
  ['a keep-alive', { keepAliveSeconds: { min: -1 } }],
  ['a base address', { firmwareBaseUrl: 'ftp://x' }],
  ['a scheme without its listener', { firmwareScheme: 'https', http: { tlsPort: false } }],
  ['a signing key', { signingKey: 'no key' }],
  ['a fault', { faults: [{ kind: 'http-drop', afterBytes: -1 }] }],
])('%s that makes no sense is refused, and nothing is left open', async (_, options) => {
  const start = Platform.start(options);
  await expect(start).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' });
});

test('a port in use is an error that names it', async () => {
  const first = await startPlatform();
  const port = first.ports.mqtt ?? 0;
  const second = Platform.start({ mqtt: { port } });
  await expect(second).rejects.toMatchObject({
    code: 'ERR_LISTEN',
    message: expect.stringContaining(String(port)),
  });
});

test('listeners can be left out', async () => {
  const platform = await startPlatform({ mqtt: { port: false }, http: { tlsPort: false } });
  expect(Object.keys(platform.ports).sort()).toEqual(['http', 'mqtts']);
  expect(platform.firmwareUrl).toMatch(/^http:/);
  expect(() => platform.mqttUrl).toThrow();
});

test('closing twice is closing once, and afterwards nothing is left', async () => {
  const platform = await Platform.start();
  const { stateDir } = platform;
  await readyDevice(platform);
  await Promise.all([platform.close(), platform.close()]);
  await platform[Symbol.asyncDispose]();
  await expect(readFile(`${stateDir}/ca.pem`)).rejects.toMatchObject({ code: 'ENOENT' });
});

describe('certificates', () => {
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

  test('others are used when given', async () => {
    const tls = await localIdentity(await temporaryFolder(), ['localhost', '127.0.0.1']);
    const platform = await startPlatform({ tls });
    expect(platform.ca).toBe(tls.ca);
    for (const port of [platform.ports.mqtts, platform.ports.https]) {
      const socket = connect({ host: '127.0.0.1', port: port ?? 0, ca: tls.ca });
      atEnd(() => socket.destroy());
      await new Promise<void>((resolve, reject) => {
        socket.once('secureConnect', resolve);
        socket.once('error', reject);
      });
      const peer = socket.getPeerX509Certificate();
      expect(peer?.fingerprint256).toBe(new X509Certificate(tls.cert).fingerprint256);
    }
  });
});
