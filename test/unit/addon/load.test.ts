import { cp, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { errorCodes } from '../../../lib/generated/error-codes';
import { builtAddon, Installed } from '../../support/installed';

// Every reason is provoked for real, in a process that requires an installed package.

const here = `prebuilds/${process.platform}-${process.arch}`;
const prebuilt = `${here}/iotkit-ota.glibc.node`;
const compiles = '`npx iotkit-ota build` compiles one here';

const major = Number(process.versions.node.split('.')[0]);
const permission = major < 23 ? '--experimental-permission' : '--permission';

test('a prebuilt addon loads', async () => {
  await using installed = await Installed.make();
  await installed.put(prebuilt);
  expect(await installed.load()).toMatchObject({ code: 0, stdout: '', stderr: '' });
});

test.each(['build/Release', 'build/Debug', 'build'])(
  'one compiled into %s goes first',
  async (at) => {
    await using installed = await Installed.make();
    await writeFile(await installed.put(prebuilt), 'damaged');
    await installed.put(`${at}/iotkit_ota.node`);
    expect(await installed.load()).toMatchObject({ code: 0, stdout: '', stderr: '' });
  },
);

test('one that was compiled and no longer loads does not hide the prebuilt one', async () => {
  await using installed = await Installed.make();
  await writeFile(await installed.put('build/Release/iotkit_ota.node'), 'damaged');
  await installed.put(prebuilt);
  expect(await installed.load()).toMatchObject({ code: 0, stdout: '', stderr: '' });
});

test('without any, the message says where it looked, for what there are some, and what to do', async () => {
  await using installed = await Installed.make();
  await installed.put('prebuilds/darwin-arm64/iotkit-ota.node');
  await installed.put('prebuilds/linux-s390x/iotkit-ota.glibc.node');
  await installed.put(`${here}/iotkit-ota.musl.node`);
  const { error } = await installed.load();
  expect(error?.code).toBe('ERR_ADDON_NOT_FOUND');
  expect(error?.message).toContain(`${process.platform}-${process.arch} (glibc), Node.js `);
  expect(error?.message).toContain(
    `None was found in build/ and prebuilds/ of ${installed.inPackage()}`,
  );
  expect(error?.message).toContain('for darwin-arm64, linux-s390x, linux-x64.');
  expect(error?.message).toContain('`npx iotkit-ota build` compiles one here');
});

test('a system that is too old for the addon: what it needs, what there is', async () => {
  await using installed = await Installed.make();
  const map = path.join(installed.folder, 'libc.map');
  await writeFile(map, 'GLIBC_2.99 { global: of_tomorrow; };');
  const libc = await installed.compile(
    path.join(installed.folder, 'libc.so.6'),
    'void of_tomorrow(void) {}',
    '-nostdlib',
    '-Wl,-soname,libc.so.6',
    `-Wl,--version-script=${map}`,
  );
  const file = await installed.compile(
    prebuilt,
    'void of_tomorrow(void); void napi_register_module_v1(void) { of_tomorrow(); }',
    '-nostdlib',
    libc,
  );
  const { error } = await installed.load();
  expect(error?.message).toContain(`- ${file}: `);
  expect(error?.message).toMatch(
    /It needs GLIBC_2\.99, and this system has GLIBC 2\.\d+: `npx iotkit-ota build` compiles/,
  );
});

test('a library of C++ that is too old is told alike', async () => {
  await using installed = await Installed.make();
  const map = path.join(installed.folder, 'libm.map');
  await writeFile(map, 'GLIBCXX_9.9.9 { global: of_tomorrow; };');
  const libm = await installed.compile(
    path.join(installed.folder, 'libm.so.6'),
    'void of_tomorrow(void) {}',
    '-nostdlib',
    '-Wl,-soname,libm.so.6',
    `-Wl,--version-script=${map}`,
  );
  await installed.compile(
    prebuilt,
    'void of_tomorrow(void); void napi_register_module_v1(void) { of_tomorrow(); }',
    '-nostdlib',
    libm,
  );
  const { error } = await installed.load();
  expect(error?.message).toContain('It needs GLIBCXX_9.9.9, which this system does not have');
  expect(error?.message).toContain(compiles);
});

test('an addon for another libc', async () => {
  await using installed = await Installed.make();
  const musl = await installed.compile(
    path.join(installed.folder, 'libmusl.so'),
    'void of_musl(void) {}',
    '-nostdlib',
    '-Wl,-soname,libc.musl-x86_64.so.1',
  );
  await installed.compile(
    `${here}/iotkit-ota.node`,
    'void of_musl(void); void napi_register_module_v1(void) { of_musl(); }',
    '-nostdlib',
    musl,
  );
  const { error } = await installed.load();
  expect(error?.message).toContain('for another C library than the one of this process');
});

test('an addon for another processor', async () => {
  await using installed = await Installed.make();
  const addon = await readFile(builtAddon);
  addon.writeUInt16LE(243, 18); // RISC-V
  await writeFile(await installed.put(prebuilt), addon);
  const { error } = await installed.load();
  expect(error?.message).toContain(
    `It is for machine 243, 64 bits, and this process is ${process.arch}`,
  );
  expect(error?.message).toContain('copied from another machine?');
});

test.each([
  ['cut short', (whole: Buffer) => whole.subarray(0, 40)],
  ['a page of a server', () => Buffer.from('<html>404</html>')],
  ['empty', () => Buffer.alloc(0)],
])('an addon that is %s', async (_, damage) => {
  await using installed = await Installed.make();
  await writeFile(await installed.put(prebuilt), damage(await readFile(builtAddon)));
  const { error } = await installed.load();
  expect(error?.message).toContain('damaged or no addon of Linux: install the package again');
});

test.each([
  ['an argument', { flags: ['--no-addons'] }],
  ['NODE_OPTIONS', { env: { NODE_OPTIONS: '--no-addons' } }],
])('--no-addons as %s', async (_, options) => {
  await using installed = await Installed.make();
  await installed.put(prebuilt);
  const { error } = await installed.load(options);
  expect(error?.message).toContain('leave out --no-addons');
  expect(error?.message).not.toContain(compiles);
});

test('the permission model: addons have to be allowed', async () => {
  await using installed = await Installed.make();
  await installed.put(prebuilt);
  const flags = [permission, `--allow-fs-read=${installed.folder}/*`, '--no-warnings'];
  const { error } = await installed.load({ flags });
  expect(error?.message).toContain('lets this process load no addons: add --allow-addons');
  expect(await installed.load({ flags: [...flags, '--allow-addons'] })).toMatchObject({
    code: 0,
    stdout: '',
  });
});

test('the permission model: the addon has to be readable', async () => {
  await using installed = await Installed.make();
  await installed.put(prebuilt);
  const { error } = await installed.load({
    flags: [
      permission,
      '--allow-addons',
      '--no-warnings',
      `--allow-fs-read=${installed.inPackage('dist')}/*`,
      `--allow-fs-read=${installed.inPackage('package.json')}`,
      `--allow-fs-read=${installed.inPackage('addon.js')}`,
    ],
  });
  expect(error?.message).toContain(`add --allow-fs-read=${installed.inPackage('*')} and`);
});

describe('IOTKIT_OTA_PREBUILD', () => {
  test('names an addon', async () => {
    await using installed = await Installed.make();
    const env = { IOTKIT_OTA_PREBUILD: builtAddon };
    expect(await installed.load({ env })).toMatchObject({ code: 0, stdout: '', stderr: '' });
  });

  test('names a folder', async () => {
    await using installed = await Installed.make();
    await installed.put(prebuilt);
    const elsewhere = path.join(installed.folder, 'elsewhere');
    await cp(installed.inPackage('prebuilds'), path.join(elsewhere, 'prebuilds'), {
      recursive: true,
    });
    await writeFile(installed.inPackage(prebuilt), 'damaged');
    const env = { IOTKIT_OTA_PREBUILD: elsewhere };
    expect(await installed.load({ env })).toMatchObject({ code: 0, stdout: '', stderr: '' });
  });

  test('is all that is tried', async () => {
    await using installed = await Installed.make();
    await installed.put(prebuilt);
    for (const told of ['/nowhere/addon.node', installed.folder]) {
      const { error } = await installed.load({ env: { IOTKIT_OTA_PREBUILD: told } });
      expect(error?.code).toBe('ERR_ADDON_NOT_FOUND');
      expect(error?.message).toContain(told);
      expect(error?.message).toContain('(IOTKIT_OTA_PREBUILD is set, so nothing else was tried.)');
    }
  });
});

test('code that was bundled says so; beside the installed package it loads that one', async () => {
  await using installed = await Installed.make();
  await installed.put(prebuilt);
  await using away = await Installed.make();
  for (const { folder } of [installed, away]) {
    await cp(installed.inPackage('dist'), path.join(folder, 'out', 'bundle'), { recursive: true });
  }
  expect(await installed.load({ from: './out/bundle' })).toMatchObject({ code: 0, stdout: '' });
  await cp(away.inPackage(), path.join(away.folder, 'moved'), { recursive: true });
  await writeFile(away.inPackage('package.json'), '{}');
  const { error } = await away.load({ from: './out/bundle' });
  expect(error?.message).toContain('This code was bundled, and an addon cannot be');
  expect(error?.message).toContain('declare iotkit-ota as external');
});

test('the real addon loads and has the version of the package', () => {
  const { native } =
    jest.requireActual<typeof import('../../../lib/addon/load')>('../../../lib/addon/load');
  const { version } = jest.requireActual<{ version: string }>('../../../package.json');
  expect(native.version).toBe(version);
});

test('an argument that only C can judge is refused like any other', () => {
  const { errorOf, unwrap } =
    jest.requireActual<typeof import('../../../lib/addon/load')>('../../../lib/addon/load');
  const { errno } = errorCodes.ERR_INVALID_ARGUMENT;
  const refused = {
    name: 'TypeError',
    code: 'ERR_INVALID_ARGUMENT',
    message: '/tmp: is a directory',
  };
  expect(errorOf(errno, '/tmp: is a directory')).toMatchObject(refused);
  expect(() => unwrap({ errno, detail: '/tmp: is a directory' })).toThrow(
    expect.objectContaining(refused),
  );
  const access = { name: 'IotkitError', code: 'ERR_FILE_ACCESS', detail: '/root' };
  expect(errorOf(errorCodes.ERR_FILE_ACCESS.errno, '/root')).toMatchObject(access);
});
