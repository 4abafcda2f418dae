import { checkPlace, hostsOfCertificates, hostsOfProduct } from '../../../lib/options/endpoint';
import { PLATFORM_ROOT } from '../../../lib/options/platform-root';
import { checkTls } from '../../../lib/options/tls';

const ofProduct = (options: object) =>
  checkPlace(options, hostsOfProduct('a1B2c3D4e5F'), checkTls(undefined));
const ofCertificates = (options: object) =>
  checkPlace(options, hostsOfCertificates, checkTls(undefined));

// What is the same for every device is in device/connect-options.test.ts.
test('a region has other hosts for devices with a certificate', () => {
  expect(ofProduct({ region: 'cn-shanghai' })).toMatchObject({
    host: 'a1B2c3D4e5F.iot-as-mqtt.cn-shanghai.aliyuncs.com',
    port: 443,
  });
  expect(ofCertificates({ region: 'cn-shanghai' })).toMatchObject({
    host: 'x509.itls.cn-shanghai.aliyuncs.com',
    port: 1883,
    tls: { also: PLATFORM_ROOT.pem },
  });
  expect(ofCertificates({ region: 'cn-shanghai', port: 443 }).port).toBe(443);
  expect(ofCertificates({ host: 'broker.local' })).toMatchObject({ port: 8883, tls: { also: '' } });
});

test('an instance has none for them', () => {
  expect(() => ofCertificates({ instanceId: 'iot-060a0bgd' })).toThrow(
    'instanceId is not possible with x509; region is',
  );
});
