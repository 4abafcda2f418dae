import { generateKeyPairSync } from 'node:crypto';
import { settingsOf, unsupportedFault } from '../../src/assembly/options';
import { systemClock } from '../../src/base/clock';
import type { FaultKind, PlatformOptions } from '../../src/index';

const broker = { url: 'mqtt://elsewhere.example' };

test('everything has a default', () => {
  expect(settingsOf({})).toEqual({
    stateDir: undefined,
    tls: undefined,
    broker: undefined,
    operatorToken: undefined,
    faults: [],
    host: '127.0.0.1',
    publicHost: '127.0.0.1',
    ports: { mqtt: 0, mqtts: 0, http: 0, https: 0, api: 0, apiTls: undefined },
    apiListenHost: '127.0.0.1',
    apiHost: '127.0.0.1',
    times: { headMs: 10_000, idleMs: 60_000, minUploadBytesPerSecond: 1024 },
    connections: {
      devices: { total: 20_000, perAddress: 5000 },
      operators: { total: 1024, perAddress: 512 },
    },
    keepAliveSeconds: { min: 30, max: 1200 },
    mqttRules: 'lenient',
    versionGraceMs: 2000,
    firmwareScheme: 'https',
    firmwareBaseUrl: undefined,
    objectStore: { badRange: 'whole', signedRequests: 'strict' },
    urlLifetimeSeconds: 86_400,
    urlMinLength: 0,
    maxSubDevices: 2000,
    maxFirmwareBytes: 1000 * 1024 * 1024,
    signingKey: undefined,
    log: undefined,
    clock: systemClock,
  });
});

test('a platform that listens everywhere is called localhost, unless it has a name', () => {
  expect(settingsOf({ host: '0.0.0.0' }).publicHost).toBe('localhost');
  expect(settingsOf({ host: '::', publicHost: 'ota.example' }).publicHost).toBe('ota.example');
  expect(settingsOf({ host: '10.0.0.1' }).publicHost).toBe('10.0.0.1');
});

test('the operator API stays on loopback, wherever the devices are served', () => {
  const of = (api: object) => settingsOf({ host: '0.0.0.0', publicHost: 'ota.example', api });
  expect(of({})).toMatchObject({ apiListenHost: '127.0.0.1', apiHost: '127.0.0.1' });
  const everywhere = { apiListenHost: '0.0.0.0', apiHost: 'ota.example' };
  expect(of({ host: '0.0.0.0' })).toMatchObject(everywhere);
});

test('listeners can be left out, and with an external broker there are none for MQTT', () => {
  const { ports, firmwareScheme } = settingsOf({ http: { tlsPort: false, port: 8080 }, broker });
  expect(ports).toEqual({
    mqtt: undefined,
    mqtts: undefined,
    http: 8080,
    https: undefined,
    api: 0,
    apiTls: undefined,
  });
  expect(firmwareScheme).toBe('http');
});

test('a base address loses its slashes, and needs no listener', () => {
  const settings = settingsOf({
    firmwareBaseUrl: 'https://cdn.example/x//',
    http: { port: false, tlsPort: false },
  });
  expect(settings.firmwareBaseUrl).toBe('https://cdn.example/x');
});

test('a signing key is an RSA key of 2048 bits', () => {
  const pem = (bits: number): string =>
    generateKeyPairSync('rsa', { modulusLength: bits })
      .privateKey.export({ type: 'pkcs8', format: 'pem' })
      .toString();
  expect(settingsOf({ signingKey: pem(2048) }).signingKey?.type).toBe('private');
  expect(() => settingsOf({ signingKey: pem(1024) })).toThrow('2048');
});

test.each<PlatformOptions>([
  { mqtt: { port: 70_000 } },
  { mqtt: { rules: 'loose' as 'strict' } },
  { http: { tlsPort: -1 } },
  { urlLifetimeSeconds: 0 },
  { urlMinLength: 5000 },
  { maxFirmwareBytes: 0.5 },
  { keepAliveSeconds: { max: 70_000 } },
  { firmwareBaseUrl: 'ftp://x' },
  { firmwareScheme: 'ftp' as 'http' },
  { firmwareScheme: 'https', http: { tlsPort: false } },
  { signingKey: 'no key' },
])('%j is refused', (options) => {
  expect(() => settingsOf(options)).toThrow(
    expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }),
  );
});

test('what is not ours cannot be made to misbehave', () => {
  const flaws = (options: PlatformOptions): FaultKind[] => {
    const kinds = ['http-drop', 'notice-lost', 'mqtt-drop', 'mqtt-block-lost'] as const;
    const settings = settingsOf(options);
    return kinds.filter((kind) => unsupportedFault(settings, kind) !== undefined);
  };
  expect(flaws({})).toEqual([]);
  expect(flaws({ broker })).toEqual(['mqtt-drop']);
  expect(flaws({ firmwareBaseUrl: 'https://x' })).toEqual(['http-drop']);
});
