import type { Platform } from '../../src/index';
import { TestAuthority } from '../support/authority';
import { PRODUCT } from '../support/device';
import { codeOf, connectEarly } from '../support/registrant';
import { startPlatform, temporaryFolder } from '../support/start';

const key = { productKey: PRODUCT, deviceName: 'lamp' };
let stateDir: string;
let platform: Platform;
let factory: TestAuthority;

beforeAll(async () => {
  factory = await TestAuthority.make();
});

beforeEach(async () => {
  stateDir = await temporaryFolder();
  platform = await startPlatform({ stateDir });
  await platform.products.add({ productKey: PRODUCT, authentication: 'x509' });
  await platform.devices.add(key);
});

async function register(authority = factory): Promise<string> {
  const { certificate } = authority;
  const proof = await authority.issue(platform.authorities.registrationCode);
  const { id } = await platform.authorities.register({
    certificate,
    verification: proof.certificate,
  });
  return id;
}

/** A device that does not know its names. */
function nameless({ certificate, key }: { certificate: string; key: string }) {
  return { clientId: '.|securemode=2,_ss=1|', username: '&', cert: certificate, key };
}

test('a device under a registered CA is told its names, also after a restart', async () => {
  const id = await register();
  const own = await factory.issue('whatever the maker calls it');
  const registered = await platform.certificates.register(key, own.certificate);
  expect(registered).toMatchObject({ ...key, authority: id });
  expect(platform.certificates.list(key)).toEqual([registered]);
  await platform.close();
  platform = await startPlatform({ stateDir });
  expect(platform.authorities.list()).toMatchObject([{ id, subject: 'CN=factory CA\nO=maker' }]);
  const { first } = await connectEarly(platform, nameless(own));
  expect(JSON.parse((await first).payload.toString())).toEqual(key);
});

test('the code of a platform is its own, and stays', async () => {
  const code = platform.authorities.registrationCode;
  expect(code).toMatch(/^[0-9a-f]{32}$/);
  const other = await startPlatform();
  expect(other.authorities.registrationCode).not.toBe(code);
  await platform.close();
  platform = await startPlatform({ stateDir });
  expect(platform.authorities.registrationCode).toBe(code);
});

test('a removed CA takes its devices along; registered again it brings them back', async () => {
  const id = await register();
  const own = await factory.issue('lamp');
  await platform.certificates.register(key, own.certificate);
  const { closed } = await connectEarly(platform, nameless(own));
  await platform.authorities.remove(id);
  await closed;
  const refused = platform.waitFor('device-refused');
  expect(await codeOf(platform, nameless(own))).toBe(5);
  expect((await refused).reason).toBe('the CA of the certificate is not registered any longer');
  await register();
  expect(await codeOf(platform, nameless(own))).toBe(0);
  await expect(platform.authorities.remove('x')).rejects.toMatchObject({
    code: 'ERR_AUTHORITY_UNKNOWN',
  });
});

test('a certificate under it is revoked like any other', async () => {
  await register();
  const own = await factory.issue('lamp');
  const { serial } = await platform.certificates.register(key, own.certificate);
  await platform.certificates.revoke(serial);
  expect(await codeOf(platform, nameless(own))).toBe(5);
});

describe('a CA is not registered', () => {
  async function refusal(certificate: string, verification: string): Promise<unknown> {
    const refused = platform.authorities.register({ certificate, verification });
    await expect(refused).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' });
    return refused.catch((error: Error) => error.message);
  }

  test('whose key nobody has shown', async () => {
    const code = platform.authorities.registrationCode;
    const stranger = await (await TestAuthority.make()).issue(code);
    expect(await refusal(factory.certificate, stranger.certificate)).toMatch(
      /not signed by the CA/,
    );
    const wrong = await factory.issue('another code');
    expect(await refusal(factory.certificate, wrong.certificate)).toMatch(`must be ${code}`);
    const late = await factory.issue(code, { days: -1 });
    expect(await refusal(factory.certificate, late.certificate)).toMatch(
      /verification has expired/,
    );
  });

  test.each([
    ['that is none', { isCa: false }, /not that of a CA/],
    ['with an EC key', { isEc: true }, /RSA key of at least 2048 bits/],
    ['that has expired', { days: -1 }, /certificate has expired/],
  ])('%s', async (_, options, text) => {
    const other = await TestAuthority.make(options);
    const proof = await other.issue(platform.authorities.registrationCode);
    expect(await refusal(other.certificate, proof.certificate)).toMatch(text);
  });

  test('whose certificate cannot be read; nothing of it is shown', async () => {
    const broken = '-----BEGIN CERTIFICATE-----\nsecret\n-----END CERTIFICATE-----\n';
    for (const text of ['', 'x', broken]) {
      expect(await refusal(text, '')).toBe('certificate must be a certificate in PEM format');
    }
    expect(await refusal(factory.certificate, 'x')).toMatch(/^verification must be/);
  });

  test('twice, or beside ten others', async () => {
    await register();
    await expect(register()).rejects.toMatchObject({ code: 'ERR_AUTHORITY_EXISTS' });
    for (let i = 1; i < 10; i++) await register(await TestAuthority.make());
    await expect(register(await TestAuthority.make())).rejects.toThrow('at most 10');
  });
});

test('a certificate is registered for a device that may have one, once, under a known CA', async () => {
  const own = await factory.issue('lamp');
  const before = platform.certificates.register(key, own.certificate);
  await expect(before).rejects.toThrow('issued by no registered CA');
  await register();
  await platform.devices.add({ productKey: 'other', deviceName: 'fan' });
  const rows = [
    [{ ...key, deviceName: 'x' }, own.certificate, 'ERR_DEVICE_UNKNOWN'],
    [{ productKey: 'other', deviceName: 'fan' }, own.certificate, 'ERR_INVALID_ARGUMENT'],
    [key, (await factory.issue('lamp', { isEc: true })).certificate, 'ERR_INVALID_ARGUMENT'],
    [key, 'x', 'ERR_INVALID_ARGUMENT'],
  ] as const;
  for (const [of, pem, code] of rows) {
    await expect(platform.certificates.register(of, pem)).rejects.toMatchObject({ code });
  }
  await platform.certificates.register(key, own.certificate);
  const again = platform.certificates.register(key, own.certificate);
  await expect(again).rejects.toMatchObject({ code: 'ERR_CERTIFICATE_EXISTS' });
});
