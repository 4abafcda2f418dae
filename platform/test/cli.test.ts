import { spawn } from 'node:child_process';
import { createPrivateKey, generateKeyPairSync, verify, X509Certificate } from 'node:crypto';
import { on, once } from 'node:events';
import { closeSync, openSync, watch } from 'node:fs';
import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Device, DeviceCertificate, Firmware, Platform, Upgrade } from '../src/index';
import { TestAuthority } from './support/authority';
import { atEnd } from './support/clean-up';
import { PRODUCT, TestDevice } from './support/device';
import { bytes, download, sha256 } from './support/download';
import { cli, compiled, environment, json, runProgram, serve, stateDir } from './support/shell';
import { temporaryFolder } from './support/start';

test('an operator with a shell upgrades a device', async () => {
  const { child, printed } = await serve();
  const address = (name: string) =>
    printed
      .find((line) => line.startsWith(`${name} `))
      ?.split(/ +/)
      .at(-1) ?? '';
  expect(address('operator')).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/api$/);
  expect(address('CA')).toBe(join(stateDir, 'ca.pem'));
  expect((await stat(address('token'))).mode & 0o777).toBe(0o600);
  expect((await stat(join(stateDir, 'ca-key.pem'))).mode & 0o777).toBe(0o600);

  const device = await json<Device>('device', 'add', PRODUCT, 'lamp');
  const ca = await readFile(address('CA'), 'utf8');
  const url =
    printed
      .find((line) => line.startsWith('mqtt, TLS'))
      ?.split(/ +/)
      .at(-1) ?? '';
  const lamp = await TestDevice.connect({ ca } as Platform, device, { url });
  await lamp.subscribe();
  await lamp.inform('1.0.0');

  const image = bytes(2_000_000);
  const file = join(stateDir, 'image.bin');
  await writeFile(file, image);
  const firmware = await json<{ id: string }>('firmware', 'add', PRODUCT, '2.0.0', file);
  expect(firmware).toMatchObject({ size: image.length, sha256: sha256(image) });
  expect((await cli('firmware', 'list')).out).toContain(firmware.id);

  const waiting = cli('upgrade', 'start', firmware.id, 'lamp', '--timeout', '5', '--wait');
  const { data } = await lamp.notice();
  expect((await download({ ca }, data.url)).body.equals(image)).toBe(true);
  await lamp.progress(100);
  await lamp.inform('2.0.0');
  const ended = await waiting;
  expect([ended.code, ended.err]).toEqual([0, '']);
  expect(ended.out).toMatch(/lamp +succeeded +100 +version-reported/);

  const [upgrade] = await json<{ id: string }[]>('upgrade', 'status');
  expect((await cli('upgrade', 'status', upgrade?.id ?? '')).out).toContain('succeeded');
  expect((await cli('device', 'list')).out).toMatch(/lamp +yes +default=2\.0\.0/);
  expect((await cli('status')).out).toMatch(/devices +total=1 online=1/);
  await lamp.disconnect();
  expect((await cli('device', 'remove', PRODUCT, 'lamp')).code).toBe(0);

  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  expect(await exited).toEqual([0, null]);
  const after = await cli('status');
  expect(after).toMatchObject({ code: 3, err: expect.stringContaining('no platform serves') });
});

test('a failure has words and an exit code', async () => {
  await serve('--quiet');
  expect(await cli('device', 'add', PRODUCT, 'lamp')).toMatchObject({ code: 0 });
  expect(await cli('device', 'add', PRODUCT, 'lamp')).toMatchObject({
    code: 1,
    err: expect.stringContaining('ERR_DEVICE_EXISTS'),
  });
  expect(await cli('upgrade', 'status', 'x')).toMatchObject({ code: 1 });
  expect(await cli('firmware', 'add', PRODUCT, '1', '/nowhere')).toMatchObject({
    code: 1,
    err: expect.stringContaining('/nowhere'),
  });
  for (const args of [
    [],
    ['frobnicate'],
    ['device', 'add'],
    ['upgrade', 'start', 'x', 'y', '--timeout', 'z'],
  ]) {
    expect((await cli(...args)).code).toBe(2);
  }
  expect(await cli('--help')).toMatchObject({
    code: 0,
    out: expect.stringContaining('Exit codes'),
  });
  environment.IOTKIT_PLATFORM_TOKEN = 'wrong';
  expect(await cli('status')).toMatchObject({
    code: 1,
    err: expect.stringContaining('ERR_UNAUTHORIZED'),
  });
  expect((await cli('status', '--url', 'http://127.0.0.1:9')).code).toBe(3);
});

test('an upgrade that is waited for and does not succeed has a code of its own', async () => {
  await serve('--quiet');
  await cli('device', 'add', PRODUCT, 'lamp');
  const file = join(stateDir, 'image.bin');
  await writeFile(file, bytes(10));
  const { id } = await json<{ id: string }>('firmware', 'add', PRODUCT, '2.0.0', file);
  const started = await cli('upgrade', 'start', id, 'lamp');
  expect(started).toMatchObject({ code: 0, out: expect.stringContaining('pending') });
  // Whether it is waited for or not.
  for (const wait of [[], ['--wait']]) {
    const conflict = await cli('upgrade', 'start', id, 'lamp', ...wait);
    expect(conflict).toMatchObject({ code: 4, out: expect.stringContaining('conflict') });
  }
  const same = await cli('firmware', 'add', PRODUCT, '2.0.0', file);
  expect(same).toMatchObject({ code: 1, err: expect.stringContaining('ERR_FIRMWARE_EXISTS') });
  expect((await cli('firmware', 'add', PRODUCT, '2.0.0', file, '--allow-same-version')).code).toBe(
    0,
  );
  const [first] = await json<{ id: string }[]>('upgrade', 'status');
  const watching = cli('upgrade', 'watch', first?.id ?? '');
  expect((await cli('upgrade', 'cancel', first?.id ?? '')).out).toContain('cancelled');
  expect(await watching).toMatchObject({
    code: 4,
    out: expect.stringContaining('cancelled'),
    err: expect.stringContaining('100 % cancelled=1'),
  });
});

test('an operator with a shell uploads several files, and upgrades over MQTT', async () => {
  await serve();
  await cli('device', 'add', PRODUCT, 'lamp');
  const [kernel, system] = [join(stateDir, 'kernel.img'), join(stateDir, 'system.img')];
  await writeFile(kernel, bytes(100_000));
  await writeFile(system, bytes(2_000_000));
  const both = await json<Firmware>('firmware', 'add', PRODUCT, '2', kernel, system);
  expect(both.files).toMatchObject([
    { name: 'kernel.img', sha256: sha256(bytes(100_000)) },
    { name: 'system.img', sha256: sha256(bytes(2_000_000)) },
  ]);
  const one = await json<Firmware>('firmware', 'add', PRODUCT, '3', kernel, '--files');
  expect(one.files).toMatchObject([{ name: 'kernel.img', size: 100_000 }]);

  const image = await json<Firmware>('firmware', 'add', PRODUCT, '4', kernel);
  expect(image.files).toBeUndefined();
  const upgrade = await json<Upgrade>('upgrade', 'start', image.id, 'lamp', '--protocol', 'mqtt');
  expect(upgrade).toMatchObject({ protocol: 'mqtt', streamId: expect.any(Number) });
  const refused = await cli('upgrade', 'start', both.id, 'lamp', '--protocol', 'mqtt');
  expect(refused).toMatchObject({ code: 1, err: expect.stringContaining('ERR_INVALID_ARGUMENT') });
});

test('an operator with a shell signs what is announced', async () => {
  const image = bytes(1_000);
  const [file, keyFile] = [join(stateDir, 'image.bin'), join(stateDir, 'key.pem')];
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  await writeFile(file, image);
  await writeFile(keyFile, privateKey.export({ type: 'pkcs8', format: 'pem' }));
  const sign = (...args: string[]) => cli('firmware', 'sign', PRODUCT, '2.0.0', file, ...args);

  const text = await sign('--module', 'mcu');
  expect(text).toMatchObject({
    code: 0,
    out:
      `iotkit-ota statement 1\nproduct ${PRODUCT}\nmodule mcu\nversion 2.0.0\nkind full\n` +
      `size 1000\nsha256 ${sha256(image)}\n`,
  });
  expect((await sign('--file', '--diff')).out).toMatch(/\nkind diff\n.*\nfile image\.bin\n$/s);
  const signature = (await sign('--module', 'mcu', '--key', keyFile)).out.trim();
  const isRight = (value: string) =>
    verify(null, Buffer.from(text.out), publicKey, Buffer.from(value, 'base64'));
  expect(isRight(signature)).toBe(true);
  expect(await sign('--key', '/nowhere')).toMatchObject({ code: 1 });
  expect(await sign('--key', file)).toMatchObject({
    code: 1,
    err: expect.stringContaining('must be a private key'),
  });
  expect(await sign('--sign-method', 'sha1')).toMatchObject({ code: 1 });

  await serve('--quiet');
  const add = ['firmware', 'add', PRODUCT, '2.0.0', file, '--module', 'mcu'];
  const extData = ['--ext-data', '{"a":"b"}', '--statement-key', keyFile];
  const firmware = await json<Firmware>(...add, ...extData);
  expect(firmware.extData).toEqual({ a: 'b', 'iotkit.statement.v1': expect.any(String) });
  expect(isRight(firmware.extData?.['iotkit.statement.v1'] ?? '')).toBe(true);
  for (const wrong of [['--files'], ['--ext-data', '[]']]) {
    const refused = await cli(...add, ...wrong, '--statement-key', keyFile);
    expect(refused).toMatchObject({
      code: 1,
      err: expect.stringContaining('ERR_INVALID_ARGUMENT'),
    });
  }
});

test('an operator with a shell configures devices', async () => {
  const { printed } = await serve();
  const place = (name: string) =>
    printed
      .find((line) => line.startsWith(name))
      ?.split(/ +/)
      .at(-1) ?? '';
  const device = await json<Device>('device', 'add', PRODUCT, 'lamp');
  const ca = await readFile(place('CA '), 'utf8');
  const url = place('mqtt, TLS');
  const lamp = await TestDevice.connect({ ca } as Platform, device, { url });
  await lamp.client.subscribeAsync(`/sys/${lamp.names}/thing/config/push`);
  const file = join(stateDir, 'config.json');
  await writeFile(file, '{"interval":5}');
  const config = await json<{ id: string }>('config', 'set', PRODUCT, file);
  expect((await cli('config', 'list')).out).toContain(config.id);
  for (const [code, exit] of [
    [200, 0],
    [460, 4],
  ]) {
    const pushing = cli('config', 'push', PRODUCT, 'lamp', '--timeout', '60');
    const { id } = await lamp.notice();
    await lamp.client.publishAsync(
      `/sys/${lamp.names}/thing/config/push_reply`,
      JSON.stringify({ id, code, data: {} }),
    );
    expect(await pushing).toMatchObject({ code: exit, out: expect.stringContaining(String(code)) });
  }
  expect((await cli('config', 'remove', PRODUCT)).code).toBe(0);
  expect(await cli('config', 'push', PRODUCT)).toMatchObject({
    code: 1,
    err: expect.stringContaining('ERR_CONFIG_UNKNOWN'),
  });
});

test('fsck and status tell what is wrong, in words and by exit codes', async () => {
  const { child } = await serve('--quiet');
  const file = join(stateDir, 'image.bin');
  await writeFile(file, bytes(10));
  const { id } = await json<{ id: string }>('firmware', 'add', PRODUCT, '2.0.0', file);
  expect(await cli('fsck')).toMatchObject({
    code: 1,
    err: expect.stringContaining('ERR_STATE_LOCKED'),
  });
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  await exited;
  expect(await cli('fsck')).toMatchObject({ code: 0, out: expect.stringMatching(/files +1/) });
  await rm(join(stateDir, 'firmware', `${id}.bin`));
  expect(await cli('fsck')).toMatchObject({
    code: 1,
    out: expect.stringContaining(`firmware/${id}.bin`),
  });
  await serve('--quiet', '--broker', 'mqtt://127.0.0.1:9');
  expect(await cli('status')).toMatchObject({
    code: 5,
    err: expect.stringMatching(/broker is away.*image "firmware/),
  });
});

test('serve --log json writes lines of JSON', async () => {
  const ports = ['mqtt', 'mqtts', 'http', 'https', 'api'].flatMap((name) => [
    `--${name}-port`,
    '0',
  ]);
  const child = spawn(
    process.execPath,
    [join(compiled, 'cli.js'), 'serve', ...ports, '--log', 'json'],
    { env: environment, stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream });
  const [first] = (await once(lines, 'line')) as [string];
  expect(JSON.parse(first)).toMatchObject({ level: 'info', msg: 'ready', addresses: {} });
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  expect(await exited).toEqual([0, null]);
});

test.each(['text', 'json'])('serve serves on when its %s log cannot be written', async (form) => {
  const full = openSync('/dev/full', 'w');
  atEnd(() => closeSync(full));
  const watcher = watch(stateDir);
  const ports = ['mqtt', 'mqtts', 'http', 'https', 'api'].flatMap((each) => [
    `--${each}-port`,
    '0',
  ]);
  const args = [join(compiled, 'cli.js'), 'serve', '--log', form, ...ports];
  const stdio = ['ignore', full, 'inherit'] as const;
  const child = spawn(process.execPath, args, { env: environment, stdio: [...stdio] });
  const exited = once(child, 'exit');
  atEnd(async () => {
    child.kill('SIGKILL');
    await exited;
    watcher.close();
  });
  for await (const [, name] of on(watcher, 'change')) if (name === 'server.json') break;
  expect((await cli('device', 'add', PRODUCT, 'lamp')).code).toBe(0);
  expect((await cli('status')).code).toBe(0);
  child.kill('SIGTERM');
  expect(await exited).toEqual([0, null]);
});

test('a command whose output nobody reads ends well, one that cannot write it does not', async () => {
  await serve();
  const list = `"${process.execPath}" "${join(compiled, 'cli.js')}" device list`;
  const gone = await runProgram('bash', ['-c', `set -o pipefail; ${list} | true`]);
  expect([gone.code, gone.err]).toEqual([0, '']);
  const full = await runProgram('bash', ['-c', `${list} > /dev/full`]);
  expect([full.code, full.err]).toEqual([
    1,
    expect.stringMatching(/^error: cannot write the output: ENOSPC/),
  ]);
});

test('serve says why it cannot', async () => {
  await serve('--quiet');
  expect(
    await cli('serve', '--http-port', '0', '--https-port', '0', '--api-port', '0'),
  ).toMatchObject({
    code: 1,
    err: expect.stringContaining('ERR_STATE_LOCKED'),
  });
  environment.IOTKIT_PLATFORM_STATE_DIR = await temporaryFolder();
  expect(await cli('serve', '--log', 'xml')).toMatchObject({ code: 1 });
  expect(await cli('serve', '--tls-cert', '/nowhere')).toMatchObject({ code: 1 });
});

test('products are made and switched, and their secret is printed on request alone', async () => {
  await serve();
  const made = await cli('product', 'create', 'pk', '--dynamic-registration');
  expect([made.code, made.out]).toEqual([0, expect.not.stringContaining('Secret')]);
  type Shown = { readonly productSecret?: string; readonly dynamicRegistration: boolean };
  const { productSecret = '' } = await json<Shown>('product', 'show', 'pk', '--show-secret');
  expect(productSecret).toMatch(/^[0-9a-f]{16}$/);
  expect(await json<Shown>('product', 'show', 'pk')).not.toHaveProperty('productSecret');
  const off = await json<Shown>('product', 'dynamic-registration', 'pk', 'off');
  expect(off.dynamicRegistration).toBe(false);
  expect((await cli('product', 'list')).out).toMatch(/pk +secret +off/);
  const wrong = await cli('product', 'dynamic-registration', 'pk', 'maybe');
  expect([wrong.code, wrong.err]).toEqual([1, expect.stringContaining('ERR_INVALID_ARGUMENT')]);

  await json<Device>('device', 'add', 'pk', 'lamp');
  expect((await cli('device', 'disable', 'pk', 'lamp')).code).toBe(0);
  const [lamp] = await json<Device[]>('device', 'list');
  expect(lamp).toMatchObject({ disabled: true });
});

test("a gateway's sub-devices are listed, added, proposed and removed", async () => {
  await serve();
  for (const name of ['hub', 'sensor', 'valve']) await json<Device>('device', 'add', PRODUCT, name);
  const on = [PRODUCT, 'hub', PRODUCT];
  const added = await json<object[]>('gateway', 'add', ...on, 'sensor', 'valve');
  expect(added).toMatchObject([{ deviceName: 'sensor' }, { deviceName: 'valve' }]);
  expect(await json<object[]>('gateway', 'remove', ...on, 'valve')).toHaveLength(1);
  const { code, out } = await cli('gateway', 'topology', PRODUCT, 'hub');
  expect([code, out]).toEqual([0, expect.stringMatching(/a1Product +sensor +no/)]);
  const asked = await cli('gateway', 'add', ...on, 'valve', '--ask');
  expect([asked.code, asked.out]).toEqual([4, 'offline\n']);
  const permitted = await cli('gateway', 'permit', ...on, '--seconds', '5');
  expect([permitted.code, permitted.out]).toEqual([4, 'offline\n']);
});

test('devices of a product are registered, written to and told together', async () => {
  await serve();
  const added = await cli('device', 'add-batch', PRODUCT, 'one', 'two');
  expect([added.code, added.out]).toEqual([0, expect.stringMatching(/one +[0-9a-f]{32}\ntwo/)]);
  const sent = await cli('product', 'publish', PRODUCT, 'user/get', 'on', 'one', 'two');
  expect([sent.code, sent.out]).toEqual([0, expect.stringMatching(/two +\S+\/user\/get +offline/)]);
  const told = await cli('product', 'broadcast', PRODUCT, 'hello');
  expect([told.code, told.out]).toEqual([0, 'to 0 devices\n']);
  expect(await json<object>('device', 'properties', PRODUCT, 'one')).toEqual({});
});

test('a CA of the operator is registered, listed and removed, and a certificate under it', async () => {
  await serve();
  await json<object>('product', 'create', 'pk', '--authentication', 'x509');
  await json<Device>('device', 'add', 'pk', 'lamp');
  const authority = await TestAuthority.make();
  const { out: code } = await cli('authority', 'code');
  const files = { ca: authority.certificate } as Record<string, string>;
  files.proof = (await authority.issue(code.trim())).certificate;
  files.lamp = (await authority.issue('lamp')).certificate;
  for (const [name, pem] of Object.entries(files)) await writeFile(join(stateDir, name), pem);
  const [ca, proof, lamp] = ['ca', 'proof', 'lamp'].map((name) => join(stateDir, name)) as [
    string,
    string,
    string,
  ];
  const { id } = await json<{ id: string }>('authority', 'register', ca, proof);
  const registered = await cli('device', 'register-certificate', 'pk', 'lamp', lamp);
  expect([registered.code, registered.out]).toEqual([0, expect.stringContaining('lamp')]);
  const listed = await cli('authority', 'list');
  expect(listed.out).toMatch(new RegExp(`${id} +CN=factory CA, O=maker`));
  expect((await cli('authority', 'remove', id)).code).toBe(0);
  const missing = await cli('authority', 'register', ca, `${proof}.none`);
  expect([missing.code, missing.err]).toEqual([1, expect.stringContaining('ENOENT')]);
});

test('a certificate is issued into files, listed and revoked', async () => {
  await serve();
  await json<object>('product', 'create', 'pk', '--authentication', 'x509');
  await json<Device>('device', 'add', 'pk', 'lamp');
  const out = join(stateDir, 'lamp');
  expect((await cli('device', 'certificate', 'pk', 'lamp', '--out', out)).code).toBe(0);
  expect((await stat(`${out}-key.pem`)).mode & 0o777).toBe(0o600);
  const certificate = new X509Certificate(await readFile(`${out}.pem`));
  const key = createPrivateKey(await readFile(`${out}-key.pem`));
  expect(certificate.checkPrivateKey(key)).toBe(true);
  const printed = await cli('device', 'certificate', 'pk', 'lamp', '--days', '1');
  expect(printed.out).toMatch(/^-----BEGIN CERTIFICATE[\s\S]*-----BEGIN PRIVATE KEY/);
  const serial = certificate.serialNumber.toLowerCase();
  expect((await cli('device', 'revoke', serial)).code).toBe(0);
  const list = await json<DeviceCertificate[]>('device', 'certificates', 'pk', 'lamp');
  expect(list.map(({ revokedAt }) => revokedAt !== undefined)).toEqual([true, false]);
});
