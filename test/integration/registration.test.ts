import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Worker } from 'node:worker_threads';
import {
  type ConnectOptions,
  connect,
  IotkitError,
  type RegisterOptions,
  register,
  stats,
} from 'iotkit-ota';
import { type DeviceCertificates, deviceCertificates } from '../support/device-certificates';
import { IdentityPlatform, PRODUCT } from '../support/identity-platform';
import { addonThreads } from '../support/threads';

const root = path.join(__dirname, '../..');
const known = { ...PRODUCT, deviceName: 'lamp-1' };
const NAME = 'lamp-1&a1Product';

const optionsOf = (
  platform: IdentityPlatform,
  more: Partial<RegisterOptions> = {},
): RegisterOptions => ({ ...known, ...platform.address(), ...more }) as RegisterOptions;

describe('register()', () => {
  test.each(['hmacsha256', 'hmacsha1', 'hmacmd5'] as const)(
    'brings a secret that signs in (%s)',
    async (signMethod) => {
      await using platform = await IdentityPlatform.open();
      const credentials = await register(optionsOf(platform, { signMethod }));
      expect(credentials).toEqual({
        productKey: 'a1Product',
        deviceName: 'lamp-1',
        deviceSecret: expect.stringMatching(/^[0-9a-f]{32}$/),
      });
      await using device = await connect({ ...credentials, ...platform.address() });
      expect(device.state).toBe('connected');
      expect(platform.signedIn).toEqual([NAME]);
    },
  );

  test('brings a token where the platform does not know the device', async () => {
    await using platform = await IdentityPlatform.open();
    const credentials = await register(optionsOf(platform, { preregistered: false }));
    expect(credentials).toEqual({
      productKey: 'a1Product',
      deviceName: 'lamp-1',
      clientId: expect.stringMatching(/^id-/),
      deviceToken: expect.stringMatching(/^\^1\^/),
    });
    await using device = await connect({ ...credentials, ...platform.address() });
    expect(device.state).toBe('connected');
  });

  test('leaves nothing behind', async () => {
    await using platform = await IdentityPlatform.open();
    await register(optionsOf(platform));
    expect(addonThreads()).toEqual([]);
    expect(stats()).toMatchObject({ threads: 0, holds: 0 });
  });

  const wrong = { productSecret: 'wrong-product-secret' };
  test.each([
    ['a wrong product secret', wrong, undefined, 'ERR_REGISTER_REFUSED', false],
    ['CONNACK 2', {}, { code: 2 }, 'ERR_MQTT_CLIENT_ID', false],
    ['CONNACK 3', {}, { code: 3 }, 'ERR_MQTT_UNAVAILABLE', true],
    ['CONNACK 4', {}, { code: 4 }, 'ERR_REGISTER_REFUSED', false],
    ['CONNACK 5', {}, { code: 5 }, 'ERR_REGISTER_REFUSED', false],
    ['no answer', {}, 'hang up', 'ERR_REGISTER_NO_ANSWER', true],
    ['code 6289', {}, { payload: '{"code":6289}' }, 'ERR_REGISTER_ACTIVATED', false],
    ['code 6288', {}, { payload: '{"code":6288}' }, 'ERR_REGISTER_REFUSED', false],
    ['half an answer', {}, { payload: '{"productKey":' }, 'ERR_REGISTER_ANSWER', false],
    [
      'the answer for another device',
      {},
      { payload: '{"productKey":"a1Product","deviceName":"fan","deviceSecret":"hunter2"}' },
      'ERR_REGISTER_ANSWER',
      false,
    ],
  ] as const)('%s is an error of its own', async (_, more, instead, code, retryable) => {
    await using platform = await IdentityPlatform.open();
    if (instead !== undefined) platform.answerNext(instead);
    const error = await register(optionsOf(platform, more)).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ name: 'IotkitError', code, retryable });
    expect(String(error)).not.toMatch(/product-secret|hunter2/);
    expect(platform.registered).toEqual([NAME]);
    expect(addonThreads()).toEqual([]);
  });

  test('a signal ends it', async () => {
    await using platform = await IdentityPlatform.open();
    platform.answerNext('silence');
    const stop = new AbortController();
    const reason = new Error('enough');
    const attempt = register(optionsOf(platform, { signal: stop.signal }));
    await platform.until(() => platform.registered.length === 1);
    stop.abort(reason);
    await expect(attempt).rejects.toBe(reason);
    expect(addonThreads()).toEqual([]);
    await expect(register(optionsOf(platform, { signal: stop.signal }))).rejects.toBe(reason);
    expect(platform.registered).toHaveLength(1);
  });

  test('what is no option, or does not fit, is refused before anything is sent', async () => {
    const there = { ...known, host: '127.0.0.1', port: 1 };
    for (const [options, message] of [
      [{ ...there, tls: false }, 'a registration needs TLS'],
      [{ ...there, deviceSecret: 'hunter2' }, 'no option deviceSecret'],
      [{ ...there, productSecret: undefined }, 'must be a string'],
      [{ ...there, timeout: 0 }, 'timeout must be'],
      [{ ...known }, 'exactly one of region'],
      [undefined, 'options must be an object'],
    ] as const) {
      const attempt = register(options as never);
      await expect(attempt).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' });
      await expect(attempt).rejects.toThrow(message);
    }
  });
});

describe('connect() with the secret of the product', () => {
  const connectOptions = (platform: IdentityPlatform, more: object = {}): ConnectOptions =>
    ({
      ...known,
      credentialsFile: platform.file('credentials.json'),
      ...platform.address(),
      ...more,
    }) as ConnectOptions;

  test.each([true, false])('registers once and signs in (preregistered: %s)', async (known) => {
    await using platform = await IdentityPlatform.open();
    const options = connectOptions(platform, { preregistered: known });
    for (let start = 0; start < 3; start++) {
      await using device = await connect(options);
      expect(device).toMatchObject({ productKey: 'a1Product', deviceName: 'lamp-1' });
    }
    expect(platform.registered).toEqual([NAME]);
    expect(platform.signedIn).toEqual([NAME, NAME, NAME]);
    const file = platform.file('credentials.json');
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(JSON.parse(await readFile(file, 'utf8'))).toMatchObject({
      productKey: 'a1Product',
      deviceName: 'lamp-1',
      digest: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
  });

  test('a failure that may pass is tried again', async () => {
    await using platform = await IdentityPlatform.open();
    platform.answerNext({ code: 3 });
    platform.answerNext('hang up');
    await using device = await connect(
      connectOptions(platform, { reconnect: { min: 1, max: 1 }, connectTimeout: 3_600_000 }),
    );
    expect(device.state).toBe('connected');
    expect(platform.registered).toEqual([NAME, NAME, NAME]);
  });

  test('a failure that does not is not', async () => {
    await using platform = await IdentityPlatform.open();
    platform.answerNext({ code: 4 });
    await expect(connect(connectOptions(platform))).rejects.toMatchObject({
      code: 'ERR_REGISTER_REFUSED',
    });
    expect(platform.registered).toEqual([NAME]);
    await expect(stat(platform.file('credentials.json'))).rejects.toThrow('ENOENT');
    await expect(stat(platform.file('credentials.json.part'))).rejects.toThrow('ENOENT');
  });

  const whole = { productKey: 'a1Product', deviceName: 'lamp-1', deviceSecret: 'hunter2' };
  test.each([
    ['readable by others', whole, 0o644, 'ERR_CREDENTIALS_EXPOSED', 'chmod 600'],
    ['of another device', { ...whole, deviceName: 'fan' }, 0o600, 'ERR_CREDENTIALS_OTHER', 'fan'],
    ['without a secret', { ...whole, deviceSecret: '' }, 0o600, 'ERR_CREDENTIALS_DAMAGED', 'reset'],
    ['changed', { ...whole, digest: '00' }, 0o600, 'ERR_CREDENTIALS_DAMAGED', 'digest'],
  ] as const)('a file that is %s is refused', async (_, kept, mode, code, help) => {
    await using platform = await IdentityPlatform.open();
    const file = platform.file('credentials.json');
    await writeFile(file, JSON.stringify(kept));
    await chmod(file, mode);
    const error = await connect(connectOptions(platform)).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code, retryable: false });
    expect(String(error)).toContain(help);
    expect(String(error)).toContain(file);
    expect(String(error)).not.toContain('hunter2');
    expect(platform.registered).toEqual([]);
    expect(JSON.parse(await readFile(file, 'utf8'))).toEqual(kept);
  });

  test('so is half of one, and a link', async () => {
    await using platform = await IdentityPlatform.open();
    const file = platform.file('credentials.json');
    await writeFile(file, JSON.stringify(whole).slice(0, -5), { mode: 0o600 });
    await expect(connect(connectOptions(platform))).rejects.toMatchObject({
      code: 'ERR_CREDENTIALS_DAMAGED',
    });
    await rm(file);
    await writeFile(platform.file('elsewhere'), JSON.stringify(whole), { mode: 0o600 });
    await symlink(platform.file('elsewhere'), file);
    await expect(connect(connectOptions(platform))).rejects.toMatchObject({
      code: 'ERR_CREDENTIALS_EXPOSED',
    });
  });

  test('a directory that is not there', async () => {
    await using platform = await IdentityPlatform.open();
    const credentialsFile = platform.file('none/credentials.json');
    await expect(connect(connectOptions(platform, { credentialsFile }))).rejects.toMatchObject({
      code: 'ERR_FILE_NOT_FOUND',
    });
    expect(platform.registered).toEqual([]);
  });

  test('processes that start at once register once', async () => {
    await using platform = await IdentityPlatform.open();
    const options = optionsOf(platform, { credentialsFile: platform.file('credentials.json') });
    const program = `
      const { register } = require('iotkit-ota');
      register(${JSON.stringify(options)}).then((got) => console.log(JSON.stringify(got)));`;
    const run = async (): Promise<unknown> => {
      const child = spawn(process.execPath, ['-e', program], {
        cwd: root,
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      let said = '';
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        said += text;
      });
      await once(child, 'close');
      return JSON.parse(said);
    };
    const got = await Promise.all([run(), run(), run(), run()]);
    expect(platform.registered).toEqual([NAME]);
    const kept = JSON.parse(await readFile(platform.file('credentials.json'), 'utf8'));
    for (const credentials of got) expect(kept).toMatchObject(credentials as object);
  });

  test('one of this process waits for the other', async () => {
    await using platform = await IdentityPlatform.open();
    const options = optionsOf(platform, { credentialsFile: platform.file('credentials.json') });
    const [first, second] = await Promise.all([register(options), register(options)]);
    expect(second).toEqual(first);
    expect(platform.registered).toEqual([NAME]);
  });
});

describe('connect() with a certificate', () => {
  let directory: string;
  let certificates: DeviceCertificates;

  beforeAll(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'iotkit-ota-test-'));
    certificates = await deviceCertificates(directory, 'a1X509/meter-7');
  });
  afterAll(() => rm(directory, { recursive: true }));

  test('asks for its names', async () => {
    await using platform = await IdentityPlatform.open(certificates.ca);
    await using device = await connect({ x509: certificates.good, ...platform.address() });
    expect(device).toMatchObject({ productKey: 'a1X509', deviceName: 'meter-7' });
    await device.ota.reportVersion('1.0.0');
    expect(platform.topics).toContain('/ota/device/inform/a1X509/meter-7');
    expect(platform.signedIn).toEqual(['&', 'meter-7&a1X509']);
  });

  test('or knows them', async () => {
    await using platform = await IdentityPlatform.open(certificates.ca);
    const names = { productKey: 'a1X509', deviceName: 'meter-7' };
    await using device = await connect({
      x509: certificates.good,
      ...names,
      ...platform.address(),
    });
    expect(device.state).toBe('connected');
    expect(platform.signedIn).toEqual(['meter-7&a1X509']);
  });

  test.each([
    ['of no CA that the server knows', 'unknown', 'ERR_TLS_CLIENT_CERTIFICATE'],
    ['that is expired', 'expired', 'ERR_TLS_CLIENT_EXPIRED'],
    ['that is revoked', 'revoked', 'ERR_TLS_CLIENT_REVOKED'],
  ] as const)('one %s is refused', async (_, which, code) => {
    const stranger = async () => (await deviceCertificates(`${directory}/other`, 'a1/b')).good;
    const x509 = which === 'unknown' ? await stranger() : certificates[which];
    await using server = await certificates.serve();
    const attempt = connect({
      x509,
      host: '127.0.0.1',
      port: server.port,
      tls: { ca: server.ca },
    });
    const error = await attempt.catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code, retryable: false });
    expect(IotkitError.isIotkitError(error)).toBe(true);
  });
});

test('a worker that ends meanwhile leaves nothing behind', async () => {
  await using platform = await IdentityPlatform.open();
  platform.answerNext('silence');
  const program = `
    const { register } = require(${JSON.stringify(root)});
    register(${JSON.stringify(optionsOf(platform))});`;
  const worker = new Worker(program, { eval: true });
  await platform.until(() => platform.registered.length === 1);
  await worker.terminate();
  expect(addonThreads()).toEqual([]);
});

test('a process that exits meanwhile does not wait for it', async () => {
  await using platform = await IdentityPlatform.open();
  platform.answerNext('silence');
  const program = `
    const { register } = require('iotkit-ota');
    register(${JSON.stringify(optionsOf(platform, { timeout: 3_600_000 }))});
    process.stdin.once('data', () => process.exit(7));`;
  const child = spawn(process.execPath, ['-e', program], {
    cwd: root,
    stdio: ['pipe', 'inherit', 'inherit'],
  });
  await platform.until(() => platform.registered.length === 1);
  child.stdin.write('exit');
  const [code] = await once(child, 'close');
  expect(code).toBe(7);
});
