import { readFileSync } from 'node:fs';
import { cp, mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import manifest from '../../package.json';
import { run } from '../support/process';

// What a project of a user's own sees of our types, however it resolves modules.

const root = path.resolve(__dirname, '..', '..');

const program = `
import { connect, type ConnectOptions, IotkitError, type Progress, stats, type Upgrade } from 'iotkit-ota';

export async function update(options: ConnectOptions): Promise<number> {
  await using device = await connect(options);
  await using states = device.states();
  await using upgrades = device.ota.upgrades();
  let received = 0;
  for await (const upgrade of upgrades) {
    const announced: Upgrade = upgrade;
    await using progress = announced.progress();
    await announced.download('/tmp/image', { onProgress: (progress: Progress) => { received = progress.received; } });
    for await (const chunk of announced) received += (chunk satisfies Uint8Array).length;
    for await (const chunk of announced.stream()) received += (chunk satisfies Uint8Array).length;
  }
  using subscription = device.on('state', ({ state }) => state satisfies string);
  return received + stats().threads;
}

export function isLate(error: unknown): boolean {
  // @ts-expect-error there is no such code
  if (IotkitError.is(error) && error.code === 'ERR_NO_SUCH_CODE') return false;
  return IotkitError.is(error) && error.code === 'ERR_TIMEOUT';
}

// @ts-expect-error it is a function
export const wrong: string = connect;
`;

/** What needs nothing but the language: no types of Node.js, none of the DOM. */
const bare = `
import { connect, type DeviceOptions, type Endpoint, IotkitError, open } from 'iotkit-ota';

export async function update(options: DeviceOptions, endpoint: Endpoint): Promise<void> {
  const device = await connect({ ...options, ...endpoint, connectTimeout: 1_000 });
  for await (const upgrade of device.ota.upgrades()) {
    await upgrade.download('/tmp/image', { signal: undefined });
    for await (const chunk of upgrade) chunk.subarray(1);
    // @ts-expect-error there is no such method
    upgrade.install();
  }
  device.on('refused', (error) => error.code satisfies IotkitError['code']).off();
  await open({ ...options, region: 'cn-shanghai' }).close();
}
`;

const sdk = `
import { IOT_MQTT_Construct, IOT_OTA_Init, IOT_OTA_FetchYield, iotx_mqtt_qos_t } from 'iotkit-ota/sdk';

export async function fetch(): Promise<number> {
  const client = await IOT_MQTT_Construct({ host: 'h', port: 1883, client_id: 'c', username: undefined });
  const ota = IOT_OTA_Init('pk', 'dn', client);
  const buffer = new Uint8Array(4096);
  return await IOT_OTA_FetchYield(ota, buffer, 1) satisfies number;
}

// @ts-expect-error it is a function
export const wrong: string = IOT_OTA_Init;
`;

/** A program that takes what it needs, and two tests of it. */
const tested = `
import type { DeviceLike, UpgradeLike } from 'iotkit-ota';
import { type FakeNotice, FakePlatform } from 'iotkit-ota/testing';

export async function install(device: DeviceLike): Promise<string> {
  const upgrade: UpgradeLike = await device.ota.nextUpgrade();
  await upgrade.download('/tmp/image');
  device.on('upgrade', (another) => another.version satisfies string);
  return upgrade.version;
}

export async function onFakePlatform(notice: FakeNotice): Promise<void> {
  const platform = new FakePlatform({ verify: { newerOnly: true } });
  const installed = install(platform.device);
  platform.announce(notice);
  (await installed) satisfies string;
  platform.steps.map(({ step }) => step satisfies number);
}

export async function onFakeOfItsOwn(rest: Omit<DeviceLike, 'ota'>, ota: DeviceLike['ota']): Promise<void> {
  const upgrade = { version: '2', async download() {} };
  await install({ ...rest, ota: { ...ota, nextUpgrade: async () => upgrade as unknown as UpgradeLike } });
}
`;

/** What follows a download, and an installer of a program's own. */
const installing = `
import type { Device } from 'iotkit-ota';
import {
  applyDelta,
  commandInstaller,
  createUpdateAgent,
  detectInstallers,
  type Installer,
  type UpdateEntry,
} from 'iotkit-ota/install';

export async function keepCurrent(device: Device, own: Installer): Promise<UpdateEntry | undefined> {
  await using agent = await createUpdateAgent({
    device,
    modules: [{ installer: own }, { module: 'app', installer: commandInstaller({ argv: ['x'] }) }],
    record: '/record',
    policy: { newerOnly: true, lock: undefined },
    hooks: { beforeInstall: ({ size }) => size satisfies number },
  });
  agent.on('state', ({ phase }) => phase satisfies string).off();
  await agent.run();
  (await detectInstallers()).map(({ kind }) => kind satisfies string);
  for await (const bytes of applyDelta((async function* () {})(), '/base')) bytes.subarray(1);
  return agent.entry('app');
}

// @ts-expect-error it needs a record
export const wrong = (device: Device, installer: Installer) => createUpdateAgent({ device, installer });
`;

/** The first program of README.md, and what is the user's own in it. */
const [, firstProgram = ''] =
  /^```ts\n(.*?)^```$/ms.exec(readFileSync(path.join(root, 'README.md'), 'utf8')) ?? [];
const myDevice = `
export const identity = { productKey: 'pk', deviceName: 'dn', deviceSecret: 'ds' };
export const version = '1.0.0';
export async function activate(image: string): Promise<boolean> { return image !== ''; }
`;

const assigned = `
import iotkit = require('iotkit-ota');
import sdk = require('iotkit-ota/sdk');
export const threads: number = iotkit.stats().threads + sdk.IOT_OTA_GetLastError(null);
`;

let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'iotkit-ota-types-'));
  const modules = path.join(directory, 'node_modules');
  await mkdir(path.join(modules, '@types'), { recursive: true });
  // A copy, as installed: from here @types/node of this checkout are out of reach.
  const installed = path.join(modules, 'iotkit-ota');
  await cp(path.join(root, 'dist'), path.join(installed, 'dist'), { recursive: true });
  await cp(path.join(root, 'package.json'), path.join(installed, 'package.json'));
  await symlink(
    path.join(root, 'node_modules', '@types', 'node'),
    path.join(modules, '@types', 'node'),
  );
  const files = {
    'module.mts': program,
    'script.cts': program,
    'bare.mts': bare,
    'bare.cts': bare,
    'tested.mts': tested,
    'tested.cts': tested,
    'install.mts': installing,
    'install.cts': installing,
    'first-program.ts': firstProgram,
    'my-device.ts': myDevice,
    'sdk.mts': sdk,
    'sdk.cts': sdk,
    'assigned.cts': assigned,
  };
  for (const [name, text] of Object.entries(files)) {
    await writeFile(path.join(directory, name), text);
  }
});
afterAll(() => rm(directory, { recursive: true, force: true }));

/** What is there besides the language. */
type Environment = { readonly lib: readonly string[]; readonly types: readonly string[] };
const withNode: Environment = { lib: ['es2022', 'esnext.disposable'], types: ['node'] };
const withDom: Environment = { lib: ['es2022', 'dom', 'esnext.disposable'], types: [] };
const withNothing: Environment = { lib: ['es2022'], types: [] };

const modules = ['module.mts', 'sdk.mts', 'bare.mts', 'tested.mts', 'install.mts'];
const scripts = ['script.cts', 'sdk.cts', 'bare.cts', 'tested.cts', 'install.cts', 'assigned.cts'];

/** What tsc says of these files in a project of a user's. */
async function compile(
  include: readonly string[],
  options: { readonly module: string; readonly moduleResolution: string },
  environment: Environment,
): Promise<{ readonly code: number | null; readonly stdout: string }> {
  const compilerOptions = {
    ...options,
    target: 'es2022',
    ...environment,
    strict: true,
    exactOptionalPropertyTypes: true,
    noEmit: true,
  };
  const project = path.join(directory, `${projects++}.json`);
  await writeFile(project, JSON.stringify({ compilerOptions, include }));
  const tsc = path.join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  return run(process.execPath, [tsc, '-p', project]);
}

let projects = 0;

test.each([
  ['node16', 'node16', [...modules, ...scripts], withNode],
  ['nodenext', 'nodenext', [...modules, ...scripts], withNode],
  ['bundler', 'esnext', [...modules, 'first-program.ts'], withNode],
  ['bundler', 'preserve', [...modules, ...scripts], withNode],
  ['nodenext', 'nodenext', ['module.mts'], withDom],
  ['nodenext', 'nodenext', ['bare.mts', 'bare.cts'], withDom],
  ['nodenext', 'nodenext', ['bare.mts', 'bare.cts', 'tested.mts'], withNothing],
  ['bundler', 'esnext', ['bare.mts'], withNothing],
])(
  'moduleResolution %s, module %s, files %j, %j',
  async (moduleResolution, module, include, environment) => {
    const { code, stdout } = await compile(include, { module, moduleResolution }, environment);
    expect(stdout).toBe('');
    expect(code).toBe(0);
  },
);

test('iotkit-ota/sdk says that it needs the types of Node.js', async () => {
  const options = { module: 'nodenext', moduleResolution: 'nodenext' };
  await rename(path.join(directory, 'node_modules', '@types'), path.join(directory, 'types'));
  try {
    const { code, stdout } = await compile(['sdk.mts'], options, withNothing);
    expect(stdout).toMatch(/Cannot find type definition file for 'node'/);
    expect(code).not.toBe(0);
  } finally {
    await rename(path.join(directory, 'types'), path.join(directory, 'node_modules', '@types'));
  }
});

// The tsc at hand no longer resolves in this way: package.json is what it would read.
test('moduleResolution node10 finds the types of every entry by typesVersions', () => {
  const { exports, typesVersions, types } = manifest;
  const entries = Object.entries(exports).flatMap(([name, entry]) =>
    typeof entry === 'string' || name === '.' ? [] : [[name.slice(2), [entry.types]]],
  );
  expect(Object.fromEntries(entries)).toEqual(typesVersions['*']);
  expect(types).toBe(exports['.'].types.slice(2));
});
