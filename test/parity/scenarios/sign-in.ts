import { call, type Scenario, type Step } from '../support/scenario';

const option = {
  SET_REGION: 0,
  GET_REGION: 1,
  SET_MQTT_DOMAIN: 2,
  SET_MQTT_PORT: 3,
  SET_ENDPOINT: 13,
  SET_MQTT_TLS: 1000,
  SET_SIGN_METHOD: 1001,
} as const;

const SECRET = '0123456789abcdef0123456789abcdef';
const number = (which: keyof typeof option, value: number): Step =>
  call('IOT_Ioctl', option[which], value);
const text = (which: keyof typeof option, value: string): Step =>
  call('IOT_Ioctl(text)', option[which], value);
const setup = (productKey: string | null, deviceName: string | null, secret: string | null): Step =>
  call('IOT_SetupConnInfo', productKey, deviceName, secret, 1);
const good = setup('a1OracleKey', 'oracledev1', SECRET);

/** The settings are the process's, so this is one scenario; it leaves them as it finds them. */
export const signIn: Scenario = {
  name: 'sign-in, with each setting',
  steps: [
    good,
    ...[0, 1, 2].flatMap((method) => [number('SET_SIGN_METHOD', method), good]),
    number('SET_SIGN_METHOD', 3),
    number('SET_SIGN_METHOD', 0),
    ...[0, 2, 1].flatMap((tls) => [number('SET_MQTT_TLS', tls), good]),
    ...[1, 2, 3, 4, 5, 6, -1].flatMap((region) => [
      number('SET_REGION', region),
      number('GET_REGION', 9),
      good,
    ]),
    text('SET_MQTT_DOMAIN', 'mybroker.example.com'),
    good,
    text('SET_ENDPOINT', 'inst.example.com'),
    good,
    text('SET_ENDPOINT', 'x'.repeat(300)),
    text('SET_ENDPOINT', ''),
    ...[1884, 65535, 65536, -1, 0].flatMap((port) => [number('SET_MQTT_PORT', port), good]),
    number('SET_REGION', 0),
    setup(null, 'dev', SECRET),
    setup('', 'dev', SECRET),
    setup('pk', null, SECRET),
    setup('pk', '', SECRET),
    setup('pk', 'dev', null),
    setup('pk', 'dev', ''),
    setup('p'.repeat(20), 'd'.repeat(32), 's'.repeat(64)),
    setup('p'.repeat(21), 'dev', SECRET),
    setup('pk', 'd'.repeat(33), SECRET),
    setup('pk', 'dev', 's'.repeat(65)),
    setup('p&k', 'de|v', SECRET),
  ],
};
