// What is said of an attempt; real ones are made in test/integration/doctor.test.ts.
import { IotkitError } from '../../../../lib/base/errors';
import type { Place } from '../../../../lib/cli/doctor/arguments';
import { checkConnection } from '../../../../lib/cli/doctor/connection';
import { errorCodes } from '../../../../lib/generated/error-codes';

const place = { host: 'broker.example', port: 8883, hasTls: true } as Place;
const attempt = (error: unknown) => ({ error, milliseconds: 12 });

test.each(['ERR_MQTT_CREDENTIALS', 'ERR_MQTT_NOT_AUTHORIZED', 'ERR_MQTT_CLIENT_ID'] as const)(
  '%s of the broker proves TLS',
  (code) => {
    const finding = checkConnection(attempt(new IotkitError(code)), place);
    expect(finding).toMatchObject({
      status: 'ok',
      summary: expect.stringContaining('broker.example:8883 answers in 12 ms and refuses'),
      facts: { host: 'broker.example', port: 8883, tls: true, code, milliseconds: 12 },
    });
  },
);

test('a broker that takes anybody, and one without TLS', () => {
  expect(checkConnection(attempt(undefined), place)).toMatchObject({ status: 'ok' });
  const plain = { ...place, hasTls: false };
  expect(checkConnection(attempt(undefined), plain)).toMatchObject({ status: 'warn' });
});

test('a broker that is busy is a warning', () => {
  const finding = checkConnection(attempt(new IotkitError('ERR_MQTT_UNAVAILABLE')), place);
  expect(finding.status).toBe('warn');
});

const connecting = Object.keys(errorCodes).filter((code) =>
  /^ERR_(?:RESOLVE|CONNECT|CONNECTION|TLS)(?:_|$)/.test(code),
) as Array<keyof typeof errorCodes>;

test.each(connecting)('%s fails, with a remedy', (code) => {
  const finding = checkConnection(attempt(new IotkitError(code, 'a detail')), place);
  expect(finding).toMatchObject({ status: 'fail', facts: { code } });
  expect(finding.summary).toContain('a detail');
  expect(finding.remedy).toMatch(/\w/);
});

test('an address of IPv6 stands in brackets', () => {
  const finding = checkConnection(attempt(undefined), { ...place, host: '::1' });
  expect(finding.summary).toContain('[::1]:8883');
});
