import { X509Certificate } from 'node:crypto';
import { checkOpenOptions, type OpenOptions } from '../../../lib/device/connect-options';
import { isPlatformHost, PLATFORM_ROOT } from '../../../lib/options/platform-root';

const identity = { productKey: 'pk', deviceName: 'dn', deviceSecret: 's' };
const own = '-----BEGIN CERTIFICATE-----';
const also = (place: object): string | undefined =>
  checkOpenOptions({ ...identity, ...place } as OpenOptions, {}).tls?.also;

test('the root is the one that it says it is, and signs itself', () => {
  const root = new X509Certificate(PLATFORM_ROOT.pem);
  expect(root.fingerprint256).toBe(PLATFORM_ROOT.fingerprint256);
  expect(new Date(root.validTo).toISOString().slice(0, 10)).toBe(PLATFORM_ROOT.ends);
  expect(root.subject).toBe('C=BE\nO=GlobalSign nv-sa\nOU=Root CA\nCN=GlobalSign Root CA');
  expect(root.verify(root.publicKey)).toBe(true);
});

test.each([
  ['pk.iot-as-mqtt.cn-shanghai.aliyuncs.com', true],
  ['iot-1.mqtt.iothub.ALIYUNCS.com.', true],
  ['aliyuncs.com.example', false],
  ['evil-aliyuncs.com', false],
  ['aliyuncs.com', false],
])('%s is a host of the platform: %s', (host, expected) => {
  expect(isPlatformHost(host)).toBe(expected);
});

test.each([
  ['a region', { region: 'cn-shanghai' }],
  ['an instance', { instanceId: 'iot-1' }],
  ['its host', { host: 'iot-1.mqtt.iothub.aliyuncs.com', port: 1883, tls: true }],
  ['its URL', { url: 'mqtts://iot-1.mqtt.iothub.aliyuncs.com:443' }],
])('it is trusted for %s, unless the program names whom to trust', (_name, place) => {
  expect(also(place)).toBe(PLATFORM_ROOT.pem);
  expect(also({ ...place, tls: { ca: own } })).toBe('');
});

test('it is trusted for no other host, and for none without TLS', () => {
  expect(also({ host: 'broker.local' })).toBe('');
  expect(also({ url: 'mqtts://aliyuncs.com.example' })).toBe('');
  expect(also({ host: 'iot-1.mqtt.iothub.aliyuncs.com', tls: false })).toBeUndefined();
});
