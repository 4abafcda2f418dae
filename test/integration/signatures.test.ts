import { generateKeyPairSync, sign } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { IotkitError } from 'iotkit-ota';
import { STATEMENT_FIELD, type Statement, signStatement } from 'iotkit-ota-platform';
import { imageOf, sha256 } from '../support/image';
import { PRODUCT_KEY, World } from '../support/world';

const image = imageOf(60_013);

function pairOf(kind: 'rsa' | 'ec' | 'ed25519'): {
  readonly public: string;
  readonly private: string;
} {
  const { publicKey, privateKey } =
    kind === 'rsa'
      ? generateKeyPairSync('rsa', { modulusLength: 2048 })
      : kind === 'ec'
        ? generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
        : generateKeyPairSync('ed25519');
  return {
    public: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    private: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}

const product = pairOf('rsa');
const other = pairOf('rsa');

/** Expects a download to be refused before anything is fetched, and the platform to be told. */
async function expectRefusal(
  world: World,
  announced: Awaited<ReturnType<World['announce']>>,
  code: string,
): Promise<IotkitError> {
  let requests = 0;
  world.platform.on('download', () => {
    requests += 1;
  });
  const error = await announced.upgrade.download(world.path('a.bin')).then(
    () => undefined,
    (reason) => reason,
  );
  expect(error).toMatchObject({ code });
  expect(await world.outcome(announced.upgradeId)).toMatchObject({ state: 'failed', step: -3 });
  expect(requests).toBe(0);
  expect(await world.files()).toEqual([]);
  return error;
}

describe("the platform's signature", () => {
  test.each(['SHA256', 'MD5'] as const)('by the right key is accepted (%s)', async (signMethod) => {
    await using world = await World.open({ signingKey: product.private });
    const { upgrade } = await world.announce(image, {
      connect: { verify: { publicKeys: product.public, requireSignature: true } },
      firmware: { signMethod },
    });
    expect(upgrade.digestSign).toMatch(/^[\w+/]+=*$/);
    await upgrade.download(world.path('a.bin'));
    expect(image.equals(await readFile(world.path('a.bin')))).toBe(true);
  });

  test('by one of several keys is accepted', async () => {
    await using world = await World.open({ signingKey: product.private });
    const keys = [pairOf('ec').public, other.public, product.public, pairOf('ed25519').public];
    const { upgrade } = await world.announce(image, {
      connect: { verify: { publicKeys: keys, requireSignature: true } },
    });
    await upgrade.download(world.path('a.bin'));
  });

  test('by another key is refused before the first byte', async () => {
    await using world = await World.open({ signingKey: product.private });
    const announced = await world.announce(image, {
      connect: { verify: { publicKeys: other.public } },
    });
    await expectRefusal(world, announced, 'ERR_SIGNATURE');
  });

  test('over another image is refused before the first byte', async () => {
    const digestsign = sign('sha256', Buffer.from(sha256(imageOf(7)), 'hex'), product.private);
    await using world = await World.open({
      faults: [{ kind: 'notice-patch', data: { digestsign: digestsign.toString('base64') } }],
    });
    const announced = await world.announce(image, {
      connect: { verify: { publicKeys: product.public } },
    });
    await expectRefusal(world, announced, 'ERR_SIGNATURE');
  });

  test.each([{}, { requireSignature: true }, { requireSignature: false }])(
    'that is missing is refused where there are keys: %j',
    async (rules) => {
      await using world = await World.open();
      const announced = await world.announce(image, {
        connect: { verify: { publicKeys: product.public, ...rules } },
      });
      const { message } = await expectRefusal(world, announced, 'ERR_SIGNATURE_MISSING');
      expect(message).toContain('verify.allowUnsigned');
    },
  );

  test('that is missing is accepted where that is said', async () => {
    await using world = await World.open();
    const { upgrade } = await world.announce(image, {
      connect: { verify: { publicKeys: product.public, allowUnsigned: true } },
    });
    await upgrade.download(world.path('a.bin'));
  });

  test('that is wrong is refused though it might be missing', async () => {
    await using world = await World.open({ signingKey: product.private });
    const announced = await world.announce(image, {
      connect: { verify: { publicKeys: other.public, allowUnsigned: true } },
    });
    await expectRefusal(world, announced, 'ERR_SIGNATURE');
  });

  test('is not looked at without keys', async () => {
    await using world = await World.open({ signingKey: product.private });
    const { upgrade } = await world.announce(image);
    await upgrade.download(world.path('a.bin'));
  });
});

describe('a signed statement', () => {
  const keys = pairOf('ec');
  const truth: Statement = {
    productKey: PRODUCT_KEY,
    version: '2.0.0',
    size: image.length,
    digest: sha256(image),
  };
  const stated = (change: Partial<Statement> = {}) => ({
    extData: { note: 'x', [STATEMENT_FIELD]: signStatement({ ...truth, ...change }, keys.private) },
  });
  const required = { verify: { publicKeys: keys.public, requireStatement: true } };

  test.each(['rsa', 'ec', 'ed25519'] as const)('of the truth is accepted, %s', async (kind) => {
    const pair = pairOf(kind);
    const extData = { [STATEMENT_FIELD]: signStatement(truth, pair.private) };
    await using world = await World.open();
    const { upgrade } = await world.announce(image, {
      connect: { verify: { publicKeys: pair.public, requireStatement: true } },
      firmware: { extData },
    });
    expect(upgrade.statementSign).toBe(extData[STATEMENT_FIELD]);
    await upgrade.download(world.path('a.bin'));
    expect(image.equals(await readFile(world.path('a.bin')))).toBe(true);
  });

  test('is a signature where any will do, over MQTT too', async () => {
    await using world = await World.open();
    const { upgrade } = await world.announce(image, {
      connect: { verify: { publicKeys: keys.public } },
      firmware: stated(),
      protocol: 'mqtt',
    });
    await upgrade.download(world.path('a.bin'));
  });

  test.each<[string, Partial<Statement>]>([
    ['as version 1.0.0', { version: '1.0.0' }],
    ['for another product', { productKey: 'a1Other' }],
    ['for another module', { module: 'mcu' }],
    ['as a difference', { isDiff: true }],
    ['with another size', { size: image.length + 1 }],
    ['with another digest', { digest: sha256(imageOf(7)) }],
    ['as one file of several', { fileName: 'a.bin' }],
  ])('of an image that was signed %s is refused before the first byte', async (_, change) => {
    await using world = await World.open();
    const announced = await world.announce(image, {
      connect: required,
      firmware: stated(change),
    });
    const { message } = await expectRefusal(world, announced, 'ERR_SIGNATURE');
    expect(message).toContain('iotkit.statement.v1');
  });

  test('a replay under a new number is refused even beside a right digestsign', async () => {
    await using world = await World.open({ signingKey: product.private });
    const announced = await world.announce(image, {
      connect: { verify: { publicKeys: [product.public, keys.public] } },
      firmware: stated({ version: '1.0.0' }),
    });
    await expectRefusal(world, announced, 'ERR_SIGNATURE');
  });

  test('that is missing is refused where one is required, whatever else is signed', async () => {
    await using world = await World.open({ signingKey: product.private });
    const announced = await world.announce(image, {
      connect: { verify: { publicKeys: product.public, requireStatement: true } },
    });
    const { message } = await expectRefusal(world, announced, 'ERR_SIGNATURE_MISSING');
    expect(message).toContain('verify.requireStatement');
  });

  test('of the user is as good', async () => {
    await using world = await World.open();
    const { upgrade } = await world.announce(image, { connect: required });
    const wrong = signStatement({ ...truth, version: '2' }, keys.private);
    const download = upgrade.download(world.path('a.bin'), {
      signature: { value: wrong, over: 'statement' },
    });
    await expect(download).rejects.toMatchObject({ code: 'ERR_SIGNATURE' });
    const value = signStatement(truth, keys.private);
    await upgrade.download(world.path('a.bin'), { signature: { value, over: 'statement' } });
  });
});

describe('a signature of the user', () => {
  const digest = Buffer.from(sha256(image), 'hex');

  test.each(['rsa', 'ec', 'ed25519'] as const)('over the digest, %s', async (kind) => {
    const pair = pairOf(kind);
    await using world = await World.open();
    const { upgrade } = await world.announce(image, {
      connect: { verify: { publicKeys: pair.public, requireSignature: true } },
    });
    const value = sign(kind === 'ed25519' ? null : 'sha256', digest, pair.private);
    await upgrade.download(world.path('a.bin'), { signature: { value } });
    expect(image.equals(await readFile(world.path('a.bin')))).toBe(true);
  });

  test.each(['rsa', 'ec'] as const)('over the image, %s', async (kind) => {
    const pair = pairOf(kind);
    await using world = await World.open();
    const { upgrade } = await world.announce(image, {
      connect: { verify: { publicKeys: pair.public, requireSignature: true } },
    });
    const value = sign('sha256', image, pair.private).toString('base64');
    await upgrade.download(world.path('a.bin'), { signature: { value, over: 'image' } });
    expect(image.equals(await readFile(world.path('a.bin')))).toBe(true);
  });

  test('of another image is refused', async () => {
    await using world = await World.open();
    const { upgrade } = await world.announce(image, {
      connect: { verify: { publicKeys: product.public } },
    });
    const value = sign('sha256', imageOf(60_013, 2), product.private);
    const signature = { value, over: 'image' } as const;
    await expect(upgrade.download(world.path('a.bin'), { signature })).rejects.toMatchObject({
      code: 'ERR_SIGNATURE',
    });
    expect(await world.files()).toEqual([]);
  });
});

test('keys that are none are an error of connect(), which shows nothing of them', async () => {
  await using world = await World.open();
  const key = await world.register();
  const publicKeys = product.public.replace(/\n.+\n/, '\nAAAA\n');
  const attempt = world.connect(key, { verify: { publicKeys } });
  await expect(attempt).rejects.toMatchObject({ code: 'ERR_PUBLIC_KEY', retryable: false });
});
