import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { connect } from 'node:tls';
import { localIdentity, Platform, type PlatformOptions } from '../src/index';
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
  expect(Object.keys(platform.ports).sort()).toEqual(['api', 'http', 'mqtts']);
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

test('another certificate is used when given', async () => {
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
