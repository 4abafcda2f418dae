import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { readConfig } from '../../../../lib/cli/agent/config';
import { examineConfig } from '../../../../lib/cli/agent/examine';
import { defaultConfig } from '../../../../lib/cli/agent/file';
import {
  device,
  examineAgent,
  folder,
  refusal,
  slots,
  useFolder,
  write,
} from '../../../support/config-file';

useFolder();

test('one module, with the defaults', () => {
  const { agent, device: read, uploadsLog } = readConfig(write({ device, installer: slots }));
  expect(read).toEqual(device);
  expect(uploadsLog).toBe(true);
  expect(agent).toMatchObject({
    record: '/var/lib/iotkit-ota/update.record',
    modules: [{ module: undefined, version: undefined, installer: { kind: 'slots' } }],
  });
});

test('relative paths begin at the folder of the configuration, wherever it is read', async () => {
  mkdirSync(path.join(folder, 'app', 'releases', '1.0.0'), { recursive: true });
  symlinkSync('releases/1.0.0', path.join(folder, 'app', 'current'));
  const { agent, device: read } = readConfig(
    write({
      device: { ...device, credentialsFile: 'credentials' },
      installer: { kind: 'directories', root: 'app', restart: ['true'] },
      record: 'update.record',
      images: 'images',
      policy: { newerOnly: true, lock: { path: 'update.lock', maxMs: 5 } },
    }),
  );
  expect(read).toMatchObject({ credentialsFile: path.join(folder, 'credentials') });
  expect(agent).toMatchObject({
    record: path.join(folder, 'update.record'),
    images: path.join(folder, 'images'),
    policy: { newerOnly: true, lock: { path: path.join(folder, 'update.lock'), maxMs: 5 } },
  });
  const { booted } = (await agent.modules?.[0]?.installer.status()) ?? {};
  expect(booted).toBe('releases/1.0.0');
});

test('several modules, options of the agent, and no log for the platform', async () => {
  write('2.1.0\nmore\n', 0o644, 'VERSION');
  const { agent, uploadsLog } = readConfig(
    write({
      device,
      modules: [
        { installer: slots, version: '1.0.0' },
        { module: 'app', installer: slots, versionFile: 'VERSION', base: 'app.image' },
      ],
      together: { gatherMs: 5 },
      record: '/data/record',
      attempts: 5,
      policy: { newerOnly: true },
      log: { upload: false },
    }),
  );
  expect(uploadsLog).toBe(false);
  expect(agent).toMatchObject({
    record: '/data/record',
    attempts: 5,
    policy: { newerOnly: true },
    together: { gatherMs: 5 },
  });
  const [first, second] = agent.modules ?? [];
  expect([first?.version, second?.module]).toEqual(['1.0.0', 'app']);
  expect(second?.base).toBe(path.join(folder, 'app.image'));
  const version = second?.version as () => string;
  expect(version()).toBe('2.1.0');
  write('2.2.0', 0o644, 'VERSION');
  expect(version()).toBe('2.2.0');
  rmSync(path.join(folder, 'VERSION'));
  expect(version).toThrow(/modules\[1\]\.versionFile VERSION cannot be read: ENOENT/);
});

test('what a file has stands for a secret or a certificate', () => {
  write('s3cret\n', 0o600, 'secret');
  write('PEM\n', 0o644, 'ca.pem');
  const given = { ...device, deviceSecretFile: 'secret', tls: { caFile: 'ca.pem' } };
  const kept = { credentialsFile: '/var/lib/credentials' };
  expect(readConfig(write({ device: { ...given, ...kept }, installer: slots })).device).toEqual({
    ...device,
    ...kept,
    deviceSecret: 's3cret',
    tls: { ca: 'PEM\n' },
  });
});

test('each path of the configuration is shown whole', () => {
  const at = (name: string): string => path.join(folder, name);
  const installer = { kind: 'directories', root: 'app', restart: ['true'] };
  const given = { ...device, deviceSecretFile: 'secret', tls: { caFile: 'ca.pem' } };
  const one = { device: given, installer, base: 'image', versionFile: 'VERSION' };
  const whole = { installer: { root: at('app') }, base: at('image'), versionFile: at('VERSION') };
  expect(readConfig(write(one)).effective).toMatchObject({
    ...whole,
    device: { deviceSecretFile: at('secret'), tls: { caFile: at('ca.pem') } },
  });
  const modules = [{ module: 'arm', installer, base: 'image', versionFile: 'VERSION' }];
  expect(readConfig(write({ device: given, modules })).effective).toMatchObject({
    modules: [{ module: 'arm', ...whole }],
  });
  // Anywhere else nothing begins at the folder.
  const hooks = { beforeInstall: { argv: ['x'], base: 'x', someFile: 'x' } };
  expect(readConfig(write({ device, installer: slots, hooks })).effective).toMatchObject({ hooks });
});

test('what a file has is refused in the line that names the file', () => {
  write('no certificate', 0o644, 'ca.pem');
  write('s3cret', 0o600, 'secret');
  const text = `[device]
productKey = "a1"
deviceName = "lamp"
deviceSecretFile = "secret"
region = "cn-shanghai"
tls.caFile = "ca.pem"
[installer]
kind = "directories"
root = "app"
restart = ["true"]
`;
  expect(() => readConfig(write(text, 0o644, 'agent.toml'), examineConfig)).toThrow(
    /line 6: device\.tls\.ca must be PEM/,
  );
});

test('a file with a secret in it is for its owner alone', () => {
  const config = { device: { ...device, deviceSecret: 'hush' }, installer: slots };
  expect(refusal(write(config, 0o640))).toMatch(/holds a secret .* chmod it to 600$/);
  expect(readConfig(write(config, 0o600)).device).toMatchObject({ deviceSecret: 'hush' });
});

const base = { device, installer: slots };
test.each([
  ['{"device": "s3cret', 'is not JSON'],
  ['[]', 'the file must be an object'],
  [{ ...base, devise: {} }, 'the file has no option devise'],
  [{ installer: slots }, 'device must be an object'],
  [{ device }, 'either installer or modules'],
  [{ ...base, modules: [] }, 'either installer or modules'],
  [{ device, modules: [] }, 'modules must be an array'],
  [{ device, modules: ['x'] }, 'modules[0] must be an object'],
  [{ device, modules: [{ installer: slots, at: 1 }] }, 'modules[0] has no option at'],
  [{ device, modules: [{ installer: slots }], version: '1' }, 'write them in modules'],
  [{ device, modules: [{ installer: slots }], base: '/x' }, 'base belongs to a module'],
  [{ ...base, version: '1', versionFile: 'x' }, 'exclude each other'],
  [{ ...base, versionFile: 5 }, 'versionFile must be the path of a file'],
  [{ ...base, versionFile: [] }, 'versionFile must be the path of a file'],
  [{ ...base, versionFile: true }, 'versionFile must be the path of a file'],
  [{ ...base, versionFile: null }, 'versionFile must be the path of a file'],
  [{ ...base, versionFile: '' }, 'versionFile must be the path of a file'],
  [
    { device, installer: { kind: 'magic' } },
    'installer.kind must be one of command, directories, mender, rauc, slots',
  ],
  [{ device, installer: { ...slots, slots: {} } }, 'slots'],
  [{ ...base, log: { level: 'info' } }, 'log has no option level'],
  [{ ...base, log: { upload: 'yes' } }, 'log.upload must be true or false'],
  [{ ...base, health: { checks: ['called'] } }, '"called" needs a program'],
  [{ ...base, device: { ...device, deviceSecretFile: 7 } }, 'device.deviceSecretFile must be'],
  [{ ...base, device: { ...device, tls: { caFile: 'x' } } }, 'device.tls.caFile x cannot be read'],
])('%j is refused by name', (config, reason) => {
  const message = refusal(write(config));
  expect(message).toContain(path.join(folder, 'agent.json'));
  expect(message).toContain(reason);
  expect(message).not.toContain('s3cret');
});

test('where it is not JSON', () => {
  expect(refusal(write('{\n  "device": {},\n  oops\n}'))).toMatch(
    /is not JSON(: see line 3, column 3)?$/,
  );
});

test('a file that is not there', () => {
  expect(refusal(path.join(folder, 'none'))).toMatch(/none: cannot be read: ENOENT$/);
});

describe('TOML', () => {
  const toml = (text: string): string => write(text, 0o600, 'agent.toml');
  const whole = `record = "r"   # beside the file
version = "1.2.3"

[device]
productKey = "a1"
deviceName = "lamp"
region = "cn-shanghai"
deviceSecret = "s3cret"

[policy.window]
from = "02:00"
to = "04:00"

[installer]
kind = "directories"
root = "app"
restart = ["true"]
`;

  test('says the same as JSON', () => {
    const json = {
      record: 'r',
      version: '1.2.3',
      device: { ...device, deviceSecret: 's3cret' },
      policy: { window: { from: '02:00', to: '04:00' } },
      installer: { kind: 'directories', root: 'app', restart: ['true'] },
    };
    const one = readConfig(toml(whole), examineConfig);
    const other = readConfig(write(json, 0o600), examineConfig);
    expect(one.device).toEqual(other.device);
    expect(one.effective).toEqual(other.effective);
    expect(one.agent.record).toBe(path.join(folder, 'r'));
    expect(one.agent.modules).toMatchObject([
      { version: '1.2.3', installer: { kind: 'directories' } },
    ]);
  });

  test('several modules', () => {
    const modules = `[[modules]]
module = "app"
[modules.installer]
kind = "directories"
root = "a"
restart = ["true"]
[[modules]]
[modules.installer]
kind = "directorys"
root = "b"
restart = ["true"]
`;
    const text = `[device]\nproductKey = "a1"\n${modules}`;
    expect(refusal(toml(text))).toMatch(
      /agent\.toml: line 11: modules\[1\]\.installer\.kind must be/,
    );
    const right = readConfig(toml(text.replace('directorys', 'directories')));
    expect(right.agent.modules).toMatchObject([{ module: 'app' }, { module: undefined }]);
  });

  test.each([
    ['record = 7', '"r"', 'line 1', 'record must be a path'],
    ['from = "25:00"', 'from = "02:00"', 'line 11', 'window.from'],
    ['root = 5', 'root = "app"', 'line 16', 'root must be'],
    ['region = 5', 'region = "cn-shanghai"', 'line 7', 'region'],
    ['colour = 1\nto = "04:00"', 'to = "04:00"', 'line 12', 'has no option colour'],
    ['deviceSecret = "s3cret', 'deviceSecret = "s3cret"', 'line 8', 'is not TOML'],
    ['version = 1979-05-27', 'version = "1.2.3"', 'line 2', 'version must be'],
  ])('%s is refused by line and name', (wrong, right, line, reason) => {
    const file = toml(
      right === '"r"' ? whole.replace('record = "r"', wrong) : whole.replace(right, wrong),
    );
    let message = '';
    try {
      readConfig(file, examineConfig);
    } catch (error) {
      message = (error as Error).message;
    }
    expect(message).toContain(line);
    expect(message).toContain(reason);
    expect(message).not.toContain('s3cret');
  });

  test('an option that slipped into a table is helped out of it', () => {
    const slipped = `${whole.replace('record = "r"', '')}\nattempts = 2\n`;
    expect(refusal(toml(slipped))).toContain('write it above the first [table]');
  });
});

const withEnv = { kind: 'command', argv: ['x'], env: { TOKEN: 'hush' } };
test.each([
  { device: { ...device, fetch: { headers: { Authorization: 'hush' } } } },
  { device: { ...device, fetch: { proxy: 'http://me:hush@proxy' } } },
  { device: { ...device, fetch: { proxy: 'me:hush@proxy' } } },
  { installer: withEnv },
  { installer: undefined, modules: [{ installer: withEnv }] },
  { health: { checks: [{ url: 'http://me:hush@127.0.0.1/' }] } },
])('what may be a secret is for its owner alone, and is not shown: %j', (more) => {
  expect(refusal(write({ ...base, ...more }))).toContain('chmod it to 600');
  const shown = JSON.stringify(readConfig(write({ ...base, ...more }, 0o600)).effective);
  expect(shown).not.toContain('hush');
  expect(shown).toContain('(not shown)');
});

test('names of headers and variables are none, nor is a proxy without a password', () => {
  const fetch = { proxy: 'http://proxy:3128', headers: {} };
  const { effective } = readConfig(
    write({ ...base, device: { ...device, fetch }, installer: { ...withEnv, env: {} } }),
  );
  expect(effective).toMatchObject({ device: { fetch } });
  const named = readConfig(write({ ...base, installer: withEnv }, 0o600)).effective;
  expect(named).toMatchObject({ installer: { env: { TOKEN: '(not shown)' } } });
});

test('what it comes to is shown without secrets', () => {
  const file = write(
    {
      ...base,
      device: {
        ...device,
        deviceSecret: 'hush',
        fetch: { proxy: 'http://me:hush@proxy', headers: { authorization: 'hush' } },
      },
    },
    0o600,
  );
  const { effective } = readConfig(file, examineConfig);
  expect(JSON.stringify(effective)).not.toContain('hush');
  expect(effective).toMatchObject({
    device: { deviceSecret: '(not shown)', fetch: { proxy: 'http://(not shown)@proxy' } },
    record: '/var/lib/iotkit-ota/update.record',
    images: '/var/lib/iotkit-ota',
    log: { upload: true },
  });
});

test.each([
  ['me:hush@proxy:3128', '(not shown)@proxy:3128'],
  ['http://me:hush:ab@proxy', 'http://(not shown)@proxy'],
])('the password of a proxy is not shown: %s', (proxy, shown) => {
  const file = write(
    { ...base, device: { ...device, deviceSecret: 'x', fetch: { proxy } } },
    0o600,
  );
  const { effective } = readConfig(file);
  expect(effective).toMatchObject({ device: { fetch: { proxy: shown } } });
});

test('what a URL has for a secret is not shown', () => {
  const checks = [{ url: 'http://me:hu@sh@127.0.0.1/ready?token=hush' }];
  const { effective } = readConfig(write({ ...base, health: { checks } }, 0o600));
  expect(effective.health).toEqual({
    checks: [{ url: 'http://(not shown)@127.0.0.1/ready?(not shown)' }],
  });
});

test('JSON with an escape that is none is refused as other JSON that is wrong', () => {
  const text = '{\n  "device": { "deviceSecret": "s3cret\\q" } }';
  const message = refusal(write(text, 0o600));
  expect(message).toMatch(/is not JSON/);
  expect(message).not.toContain('s3cret');
});

describe('JSON that says more than it seems to', () => {
  test.each([
    ['{"record": "a",\n"device": {},\n"record": "b"}', 'line 3: record is given more than once'],
    ['{"device": {"productKey": 1, "product\\u004bey": 2}}', 'device.productKey is given more'],
    ['{"record"\n: "a",\n"record"\n: "b"}', 'line 4: record is given more than once'],
    ['{"modules": [{"version": 1},\n{"version": 1,\n"version": 2}]}', 'line 3: modules[1].version'],
    ['{"device":\n{"__proto__": {}}}', 'line 2: device has no option __proto__'],
    ['{"__proto__": {}}', 'line 1: the file has no option __proto__'],
    [`{"device": ${'['.repeat(100_000)}${']'.repeat(100_000)}}`, 'is nested more than 32 deep'],
    ['{"device": {"x": 1}, "attempts": 1e999}', 'must have either'],
  ])('refused: %#', (text, reason) => {
    expect(refusal(write(text))).toContain(reason);
  });

  test('a name may stand in two objects, and a long text costs nothing', () => {
    const long = 'x'.repeat(5_000_000);
    const checks = [{ argv: ['a', long.slice(0, 100_000)] }, { argv: ['a'] }];
    const file = write({ ...base, health: { checks } });
    expect(readConfig(file).agent.health).toEqual({ checks });
    expect(refusal(write(`{"record": "${long}"`))).toContain('is not JSON');
  });

  test('the mark of the byte order is none of it, another encoding is refused', () => {
    expect(readConfig(write(`\ufeff${JSON.stringify(base)}`)).device).toEqual(device);
    const file = write('');
    writeFileSync(file, Buffer.from(JSON.stringify(base), 'utf16le'));
    expect(refusal(file)).toMatch(/is not (text of UTF-8|JSON)/);
    writeFileSync(file, Buffer.from('{"device": "\xe4"}', 'latin1'));
    expect(refusal(file)).toContain('is not text of UTF-8');
  });

  test('a number out of range is refused by name and line', () => {
    const text = JSON.stringify({ ...base, attempts: 0 }).replace('0}', '1e999}');
    expect(() => readConfig(write(text), examineAgent)).toThrow(
      /line 1: attempts must be a whole number from 1 to 100, got Infinity/,
    );
  });
});

test('a consent that nobody could give is refused', () => {
  const policy = { consent: 'install' };
  const secret = { ...device, deviceSecret: 'x' };
  const config = (bytes: number, more: object): string =>
    write({ ...base, device: secret, record: `/${'r'.repeat(bytes - 1)}`, ...more }, 0o600);
  expect(() => readConfig(config(99, { policy }), examineConfig)).toThrow(
    /record must be a path of at most 98 bytes, .*policy\.consent.*; it has 99/,
  );
  readConfig(config(98, { policy }), examineConfig);
  readConfig(config(99, {}), examineConfig);
});

test('the file that no command line names', () => {
  const [toml, json] = ['/etc/iotkit-ota/agent.toml', '/etc/iotkit-ota/agent.json'];
  expect(defaultConfig(() => true)).toBe(toml);
  expect(defaultConfig((file) => file === json)).toBe(json);
  expect(defaultConfig(() => false)).toBe(toml);
});
