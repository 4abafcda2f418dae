import { spawn } from 'node:child_process';
import crypto from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { SecureContextOptions } from 'node:tls';
import { Worker } from 'node:worker_threads';
import { connect, type Device, open, type SignFunction, type SignRequest } from 'iotkit-ota';
import { type DeviceCertificates, deviceCertificates } from '../support/device-certificates';
import { IdentityPlatform } from '../support/identity-platform';
import { addonThreads } from '../support/threads';

const root = path.join(__dirname, '../..');
const names = { productKey: 'a1X509', deviceName: 'meter-7' };
const ways: ReadonlyArray<
  [string, 'good' | 'rsa', SecureContextOptions, SignRequest['algorithm']]
> = [
  ['EC, TLS 1.3', 'good', {}, 'ecdsa'],
  ['EC, TLS 1.3, asked twice for a ClientHello', 'good', { ecdhCurve: 'P-384' }, 'ecdsa'],
  ['EC, TLS 1.2', 'good', { maxVersion: 'TLSv1.2' }, 'ecdsa'],
  ['RSA, TLS 1.3', 'rsa', {}, 'rsa-pss'],
  ['RSA, TLS 1.2', 'rsa', { maxVersion: 'TLSv1.2' }, 'rsa-pss'],
  [
    'RSA, TLS 1.2 without PSS',
    'rsa',
    { maxVersion: 'TLSv1.2', sigalgs: 'RSA+SHA384:ECDSA+SHA256' },
    'rsa-pkcs1',
  ],
];

let directory: string;
let certificates: DeviceCertificates;

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'iotkit-ota-test-'));
  certificates = await deviceCertificates(directory, 'a1X509/meter-7');
});
afterAll(() => rm(directory, { recursive: true }));

/** Node's own crypto as the hardware. */
const signerOf =
  (key: string): SignFunction =>
  ({ hash, message, padding, saltLength }) =>
    crypto.sign(hash, message, { key, padding, saltLength });

/** What a token does that has private operations alone. */
const tokenOf =
  (key: string): SignFunction =>
  ({ algorithm, hash, message, digest, block }) => {
    if (algorithm === 'ecdsa')
      return crypto.sign(hash, message, { key, dsaEncoding: 'ieee-p1363' });
    const { RSA_NO_PADDING, RSA_PKCS1_PADDING } = crypto.constants;
    if (block !== undefined) return crypto.privateEncrypt({ key, padding: RSA_NO_PADDING }, block);
    // A DigestInfo of SHA-384.
    const info = Buffer.from('3041300d060960864801650304020205000430', 'hex');
    return crypto.privateEncrypt(
      { key, padding: RSA_PKCS1_PADDING },
      Buffer.concat([info, digest]),
    );
  };

interface Asked {
  readonly request: SignRequest;
  answer(): void;
}

/** Keeps each question until it is answered. */
class SlowToken {
  readonly asked: Asked[] = [];
  #look = (): void => {};

  sign = (key: string): SignFunction => {
    return (request) =>
      new Promise<Uint8Array>((resolve) => {
        const answer = async (): Promise<void> => resolve(await signerOf(key)(request));
        this.asked.push({ request, answer });
        this.#look();
      });
  };

  async until(count: number): Promise<readonly [Asked, ...Asked[]]> {
    while (this.asked.length < count)
      await new Promise<void>((resolve) => {
        this.#look = resolve;
      });
    return this.asked as [Asked, ...Asked[]];
  }
}

/** The first failure of a connection. */
async function failureOf(device: Device): Promise<unknown> {
  for await (const { error } of device.states()) if (error !== undefined) return error;
  return undefined;
}

describe.each(ways)('%s', (_, which, how, algorithm) => {
  test.each([
    ['node:crypto', signerOf],
    ['a token', tokenOf],
  ])('%s signs', async (__, by) => {
    const { cert, key } = certificates[which];
    await using platform = await IdentityPlatform.open(certificates.ca, how);
    const requests: SignRequest[] = [];
    const sign: SignFunction = async (request) => {
      requests.push(request);
      return by(key)(request);
    };
    await using device = await connect({ ...names, x509: { cert, sign }, ...platform.address() });
    expect(device.state).toBe('connected');
    expect(platform.signedIn).toEqual(['meter-7&a1X509']);
    expect(requests).toMatchObject([{ algorithm }]);
    const [{ hash, message, digest, signal } = {} as SignRequest] = requests;
    expect(crypto.createHash(hash).update(message).digest().equals(digest)).toBe(true);
    expect(signal.aborted).toBe(false);
  });
});

test('a device without names asks for them with a key that signs', async () => {
  const { cert, key } = certificates.good;
  await using platform = await IdentityPlatform.open(certificates.ca);
  const x509 = { cert, sign: signerOf(key) };
  await using device = await connect({ x509, ...platform.address() });
  expect(device).toMatchObject(names);
});

describe('what a function does wrong', () => {
  const secret = 'PIN 8273';
  const wrong: ReadonlyArray<[string, () => unknown, string, string]> = [
    ['throws', () => fail(new TypeError(secret)), 'ERR_TLS_SIGNING', 'it threw TypeError'],
    [
      'rejects',
      () => Promise.reject(Object.assign(new Error(secret), { code: 'CKR_PIN_LOCKED' })),
      'ERR_TLS_SIGNING',
      'it rejected with CKR_PIN_LOCKED',
    ],
    ['rejects oddly', () => Promise.reject(secret), 'ERR_TLS_SIGNING', 'it rejected with a string'],
    [
      'rejects with what cannot be looked at',
      () => Promise.reject(new Proxy({}, { get: () => fail(new Error(secret)) })),
      'ERR_TLS_SIGNING',
      'it rejected with an object',
    ],
    [
      'gives bytes that cannot be counted',
      async () =>
        Object.defineProperty(new Uint8Array(64), 'length', { get: () => fail(new Error(secret)) }),
      'ERR_TLS_IDENTITY',
      'is no signature by the key',
    ],
    ['gives a text', () => secret, 'ERR_TLS_SIGNING', 'it gave a string instead of bytes'],
    ['gives nothing', async () => undefined, 'ERR_TLS_SIGNING', 'it gave undefined instead'],
    ['gives no bytes', () => new Uint8Array(), 'ERR_TLS_SIGNING', 'it gave 0 bytes instead'],
    ['gives too many', () => new Uint8Array(4096), 'ERR_TLS_SIGNING', 'it gave 4096 bytes'],
    [
      'gives other bytes',
      () => new Uint8Array(64),
      'ERR_TLS_IDENTITY',
      'is no signature by the key',
    ],
  ];
  test.each(wrong)('%s', async (_, sign, code, detail) => {
    const { cert } = certificates.good;
    await using platform = await IdentityPlatform.open(certificates.ca);
    const x509 = { cert, sign: sign as SignFunction };
    await using device = open({ ...names, x509, ...platform.address() });
    const error = await failureOf(device);
    expect(error).toMatchObject({ code, detail: expect.stringContaining(detail) });
    expect(String(error)).not.toContain(secret);
    expect(platform.signedIn).toEqual([]);
  });
});

test('a signature that never comes is named by the time-out', async () => {
  const token = new SlowToken();
  const { cert, key } = certificates.good;
  await using platform = await IdentityPlatform.open(certificates.ca);
  const x509 = { cert, sign: token.sign(key) };
  // Enough for a handshake up to there on a busy machine.
  const patience = { attemptTimeout: 1_000, reconnect: { min: 3_600_000, max: 3_600_000 } };
  await using device = open({ ...names, x509, ...patience, ...platform.address() });
  const error = await failureOf(device);
  expect(error).toMatchObject({
    code: 'ERR_CONNECT_TIMEOUT',
    detail: expect.stringMatching(
      /callback that signs \(tls\.sign\) has not answered after 1000 ms/,
    ),
  });
  const [asked] = await token.until(1);
  const { signal } = asked.request;
  if (!signal.aborted) await once(signal, 'abort');
  asked.answer(); // too late, and no error
});

test('close() ends the wait, and what comes later changes nothing', async () => {
  const token = new SlowToken();
  const { cert, key } = certificates.good;
  await using platform = await IdentityPlatform.open(certificates.ca);
  const device = open({ ...names, x509: { cert, sign: token.sign(key) }, ...platform.address() });
  const [asked] = await token.until(1);
  const { signal } = asked.request;
  const aborted = once(signal, 'abort');
  await device.close();
  await aborted;
  asked.answer();
  expect(device.state).toBe('closed');
  expect(platform.signedIn).toEqual([]);
});

test('twenty devices wait for signatures while the messages of another flow', async () => {
  const token = new SlowToken();
  await using platform = await IdentityPlatform.open(certificates.ca);
  const { cert, key } = certificates.good;
  await using other = await connect({ ...names, x509: { cert, key }, ...platform.address() });
  const devices = Array.from({ length: 20 }, (_, index) => {
    const which = index % 2 === 0 ? certificates.good : certificates.rsa;
    const x509 = { cert: which.cert, sign: token.sign(which.key) };
    return open({ productKey: 'a1X509', deviceName: `slow-${index}`, x509, ...platform.address() });
  });
  await token.until(20);
  for (let round = 0; round < 50; round++)
    await other.publish('/a1X509/meter-7/user/report', `${round}`, { qos: 1 });
  expect(platform.topics.filter((topic) => topic.endsWith('/report'))).toHaveLength(50);
  expect(platform.signedIn).toEqual(['meter-7&a1X509']);
  for (const { answer } of token.asked.toReversed()) answer();
  for (const device of devices)
    for await (const { state } of device.states()) if (state === 'connected') break;
  expect(platform.signedIn).toHaveLength(21);
  await Promise.all(devices.map((device) => device.close()));
});

const AT_ONCE = 32;
const signThreads = (): number => addonThreads().filter((name) => name === 'iotkit-sign').length;

test('a hundred devices that sign in at once are asked for thirty-two signatures at a time', async () => {
  const token = new SlowToken();
  await using platform = await IdentityPlatform.open(certificates.ca);
  const { cert, key } = certificates.good;
  const devices = Array.from({ length: 100 }, (_, index) =>
    open({
      productKey: 'a1X509',
      deviceName: `many-${index}`,
      x509: { cert, sign: token.sign(key) },
      attemptTimeout: 250_000,
      ...platform.address(),
    }),
  );
  for (let answered = 0; answered < devices.length; answered++) {
    const asked = await token.until(Math.min(devices.length, answered + AT_ONCE));
    expect(asked.length - answered).toBeLessThanOrEqual(AT_ONCE);
    // A thread that ends starts the next one.
    expect(signThreads()).toBeLessThanOrEqual(2 * AT_ONCE);
    asked[answered]?.answer();
  }
  for (const device of devices)
    for await (const { state } of device.states()) if (state === 'connected') break;
  expect(platform.signedIn).toHaveLength(100);
  await Promise.all(devices.map((device) => device.close()));
  expect(signThreads()).toBe(0);
});

test('a device that waits for its turn has its time-out and may be closed, and another gets a place', async () => {
  const token = new SlowToken();
  const other = new SlowToken();
  await using platform = await IdentityPlatform.open(certificates.ca);
  const { cert, key } = certificates.good;
  const start = (deviceName: string, { sign }: SlowToken, attemptTimeout: number): Device =>
    open({
      productKey: 'a1X509',
      deviceName,
      x509: { cert, sign: sign(key) },
      attemptTimeout,
      reconnect: { min: 3_600_000, max: 3_600_000 },
      ...platform.address(),
    });
  const hanging = Array.from({ length: AT_ONCE }, (_, i) => start(`hangs-${i}`, token, 250_000));
  await token.until(AT_ONCE);
  await using late = start('late', other, 500);
  expect(await failureOf(late)).toMatchObject({ code: 'ERR_CONNECT_TIMEOUT' });
  const closed = start('closed', other, 250_000);
  await closed.close();
  await using next = start('next', other, 250_000);
  expect(other.asked).toEqual([]);
  await hanging[5]?.close();
  const [{ answer }] = await other.until(1);
  answer();
  for await (const { state } of next.states()) if (state === 'connected') break;
  expect(platform.signedIn).toEqual(['next&a1X509']);
  await Promise.all(hanging.map((device) => device.close()));
});

/** A program that waits for a signature; `then` says what becomes of it. */
const waiting = (platform: IdentityPlatform, said: string): string => `
  const { open } = require(${JSON.stringify(root)});
  const sign = () => { ${said}; return new Promise(() => {}); };
  open({ ...${JSON.stringify({ ...names, ...platform.address() })},
    x509: { cert: ${JSON.stringify(certificates.good.cert)}, sign } });`;

test('a worker that ends meanwhile leaves nothing behind', async () => {
  await using platform = await IdentityPlatform.open(certificates.ca);
  const program = waiting(platform, "require('node:worker_threads').parentPort.postMessage(1)");
  const worker = new Worker(program, { eval: true });
  await once(worker, 'message');
  expect(addonThreads()).toContain('iotkit-sign');
  await worker.terminate();
  expect(addonThreads()).not.toContain('iotkit-sign');
});

test('a process that exits meanwhile does not wait for it', async () => {
  await using platform = await IdentityPlatform.open(certificates.ca);
  const program = waiting(platform, 'process.exit(7)');
  const child = spawn(process.execPath, ['-e', program], { stdio: 'inherit' });
  expect(await once(child, 'exit')).toEqual([7, null]);
});

test.each([
  ['as the device', 'x509', {}],
  ['for a firmware server', 'fetch', { certificateTime: 'platform' }],
])('a closed device goes although the function that signs %s knows it', async (_, group, more) => {
  const { cert } = certificates.good;
  const identity = group === 'fetch' ? { deviceSecret: 's'.repeat(32) } : {};
  const program = `
    const { open } = require(${JSON.stringify(root)});
    const given = ${JSON.stringify({ ...names, ...identity, url: 'mqtts://127.0.0.1:9' })};
    const silent = { debug() {}, info() {}, warn() {}, error() {} };
    async function openAndClose() {
      const known = {};
      const sign = () => known.device;
      const signed = { ${group}: { cert: ${JSON.stringify(cert)}, sign, ...${JSON.stringify(more)} } };
      known.device = open({ ...given, ...signed, logger: silent });
      await known.device.close();
      return new WeakRef(known.device);
    }
    (async () => {
      const device = await openAndClose();
      for (let round = 0; round < 20; round++) {
        await new Promise(setImmediate);
        globalThis.gc();
      }
      process.exit(device.deref() === undefined ? 0 : 8);
    })();`;
  const child = spawn(process.execPath, ['--expose-gc', '-e', program], { stdio: 'inherit' });
  expect(await once(child, 'exit')).toEqual([0, null]);
});

function fail(error: Error): never {
  throw error;
}
