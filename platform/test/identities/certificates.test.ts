import { once } from 'node:events';
import { connect } from 'node:tls';
import type { IClientOptions } from 'mqtt';
import { type IssuedCertificate, ManualClock, type Platform, signIn } from '../../src/index';
import { atEnd } from '../support/clean-up';
import { PRODUCT } from '../support/device';
import { claim, TestGateway } from '../support/gateway';
import { codeOf, connectEarly } from '../support/registrant';
import { startPlatform, temporaryFolder } from '../support/start';

const text = (value: string): Buffer =>
  Buffer.from(`\0${String.fromCharCode(value.length)}${value}`);
const body = Buffer.concat([
  text('MQTT'),
  Buffer.from([4, 0x82, 0, 60]),
  text('.|securemode=2,_ss=1|'),
  text('&'),
]);
/** Of a device without names. */
const CONNECT = Buffer.concat([Buffer.from([0x10, body.length]), body]);
const DAY_MS = 86_400_000;
const key = { productKey: PRODUCT, deviceName: 'lamp' };
let clock: ManualClock;
let stateDir: string;
let platform: Platform;
let issued: IssuedCertificate;

beforeEach(async () => {
  clock = new ManualClock();
  stateDir = await temporaryFolder();
  platform = await startPlatform({ clock, stateDir });
  await platform.products.add({ productKey: PRODUCT, authentication: 'x509' });
  await platform.devices.add(key);
  issued = await platform.certificates.issue(key, { days: 30 });
});

/** What the vendor's C SDK sends of a device that does not know its names. */
function nameless(certificate: IssuedCertificate = issued): IClientOptions {
  const parameters =
    'timestamp=2524608000000,_ss=1,_v=sdk-c-4.2.0,securemode=2,signmethod=hmacsha256,ext=3,';
  return {
    clientId: `.|${parameters}|`,
    username: '&',
    password: 'never looked at',
    cert: certificate.certificate,
    key: certificate.key,
  };
}

/** As a device connects that has stored its names. */
function named(deviceName = 'lamp', certificate: IssuedCertificate = issued): IClientOptions {
  return {
    ...nameless(certificate),
    clientId: 'id|securemode=2,signmethod=hmacsha1,timestamp=1|',
    username: `${deviceName}&${PRODUCT}`,
    password: '',
  };
}

async function refusalOf(options: IClientOptions & { url?: string }): Promise<[number, string]> {
  const refused = platform.waitFor('device-refused');
  const code = await codeOf(platform, options);
  return [code, (await refused).reason];
}

test('a device without names is told them, unsubscribed, at each connect', async () => {
  for (let i = 0; i < 2; i++) {
    const { client, first } = await connectEarly(platform, nameless());
    const { topic, payload } = await first;
    expect([topic, JSON.parse(payload.toString())]).toEqual(['/ext/auth/identity/response', key]);
    await client.publishAsync(`/${PRODUCT}/lamp/user/update`, 'x', { qos: 1 });
    expect(platform.devices.get(key)).toMatchObject({ presence: 'yes' });
    await client.endAsync();
  }
});

test('a device that knows them signs in by its certificate alone, and is told nothing', async () => {
  const { client, first } = await connectEarly(platform, named());
  const topic = `/${PRODUCT}/lamp/user/echo`;
  await client.subscribeAsync(topic);
  await client.publishAsync(topic, 'x');
  expect((await first).topic).toBe(topic);
});

test('its second connection ends the first, whether it says its names or not', async () => {
  const first = await connectEarly(platform, named());
  await connectEarly(platform, nameless());
  await first.closed;
  expect(platform.devices.get(key)?.presence).toBe('yes');
});

test.each(['TLSv1.2', 'TLSv1.3'] as const)(
  'a resumed session of %s proves it again',
  async (version) => {
    let session: Buffer | undefined;
    for (const isReused of [false, true]) {
      const socket = connect({
        host: '127.0.0.1',
        port: platform.ports.mqtts,
        ca: platform.ca,
        cert: issued.certificate,
        key: issued.key,
        minVersion: version,
        maxVersion: version,
        session,
      });
      atEnd(() => socket.destroy());
      const resumable = isReused ? undefined : once(socket, 'session');
      await once(socket, 'secureConnect');
      socket.write(CONNECT);
      const [connack] = await once(socket, 'data');
      expect([socket.isSessionReused(), connack.subarray(0, 4).toString('hex')]).toEqual([
        isReused,
        '20020000',
      ]);
      session = (await resumable)?.[0] ?? session;
      socket.destroy();
    }
  },
);

test('certificates outlive a restart, and so does their end', async () => {
  const issuedAt = clock.now();
  clock.advance(1);
  const other = await platform.certificates.issue(key);
  await platform.certificates.revoke(other.serial);
  await platform.close();
  platform = await startPlatform({ clock, stateDir });
  expect(await codeOf(platform, named())).toBe(0);
  expect(await refusalOf(named('lamp', other))).toEqual([5, 'the certificate is revoked']);
  expect(platform.certificates.list(key)).toEqual([
    {
      ...key,
      serial: issued.serial,
      fingerprint: issued.fingerprint,
      createdAt: issuedAt,
      notAfter: issuedAt + 30 * DAY_MS,
    },
    expect.objectContaining({ serial: other.serial, revokedAt: clock.now() }),
  ]);
  const { key: privateKey, certificate } = issued;
  const listed = JSON.stringify(platform.certificates.list());
  for (const pem of [privateKey, certificate]) expect(listed).not.toContain(pem.slice(30, 60));
});

describe('is refused', () => {
  test('one that is revoked, and its connection is cut', async () => {
    const { closed } = await connectEarly(platform, nameless());
    await platform.certificates.revoke(issued.serial);
    await closed;
    expect(await refusalOf(nameless())).toEqual([5, 'the certificate is revoked']);
  });

  test('one that has expired', async () => {
    clock.advance(30 * DAY_MS);
    expect(await codeOf(platform, named())).toBe(0);
    clock.advance(1);
    expect(await refusalOf(named())).toEqual([5, 'the certificate has expired']);
    expect(await codeOf(platform, nameless())).toBe(5);
  });

  test('one of another CA', async () => {
    const other = await startPlatform();
    await other.products.add({ productKey: PRODUCT, authentication: 'x509' });
    await other.devices.add(key);
    const foreign = await other.certificates.issue(key);
    for (const options of [named('lamp', foreign), nameless(foreign)]) {
      expect(await refusalOf(options)).toEqual([5, expect.stringMatching(/not issued by/)]);
    }
  });

  test("another device's", async () => {
    await platform.devices.add({ ...key, deviceName: 'fan' });
    expect(await refusalOf(named('fan'))).toEqual([5, "the certificate is another device's"]);
  });

  test('none at all, though the secret is right', async () => {
    const device = platform.devices.get(key);
    if (device === undefined) throw new Error('no device');
    const needed = [5, expect.stringMatching(/needs a certificate/)];
    expect(await refusalOf(signIn(device))).toEqual(needed);
    const plain = { ...signIn(device, { secureMode: 3 }), url: platform.mqttUrl };
    expect(await refusalOf(plain)).toEqual(needed);
    const { cert: _, key: __, ...without } = nameless();
    expect((await refusalOf(without))[0]).toBe(4);
  });

  test('a certificate whose device is disabled, or removed', async () => {
    await platform.devices.disable(key);
    expect(await refusalOf(nameless())).toEqual([5, 'the device is disabled']);
    await platform.devices.remove(key);
    expect(platform.certificates.list()).toEqual([]);
    expect(await codeOf(platform, nameless())).toBe(5);
  });

  test('a certificate without its key: the handshake ends it', async () => {
    const other = await platform.certificates.issue(key);
    await expect(connectEarly(platform, { ...nameless(), key: other.key })).rejects.toThrow();
  });

  test.each([
    ['another securemode', { clientId: '.|securemode=3|' }],
    ['a keep-alive out of bounds', { keepalive: 10 }],
  ])('%s', async (_, change) => {
    expect(await codeOf(platform, { ...nameless(), ...change })).toBe(5);
  });
});

test('a device of such a product is a sub-device by its secret', async () => {
  const hub = await platform.devices.add({ productKey: 'other', deviceName: 'hub' });
  const lamp = platform.devices.get(key);
  if (lamp === undefined) throw new Error('no device');
  const gateway = await TestGateway.connect(platform, hub);
  await gateway.carry(lamp);
  expect((await gateway.ask('logout', claim(lamp))).code).toBe(200);
});

test('a device of a product with secrets may show a certificate, which nobody looks at', async () => {
  const fan = await platform.devices.add({ productKey: 'other', deviceName: 'fan' });
  const { certificate: cert, key: privateKey } = issued;
  expect(await codeOf(platform, { ...signIn(fan), cert, key: privateKey })).toBe(0);
});

test.each([
  [
    'of a product with secrets',
    { productKey: 'other', deviceName: 'fan' },
    {},
    'ERR_INVALID_ARGUMENT',
  ],
  ['of a device that is not there', { ...key, deviceName: 'x' }, {}, 'ERR_DEVICE_UNKNOWN'],
  ['for no days', key, { days: 0 }, 'ERR_INVALID_ARGUMENT'],
])('a certificate %s is not issued', async (_, of, options, code) => {
  if (of.productKey === 'other') await platform.devices.add(of);
  await expect(platform.certificates.issue(of, options)).rejects.toMatchObject({ code });
  await expect(platform.certificates.revoke('x')).rejects.toMatchObject({
    code: 'ERR_CERTIFICATE_UNKNOWN',
  });
});
