import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { buildProgram } from '../parity/support/build';
import { imageOf } from '../support/image';
import { run, start } from '../support/process';
import { PRODUCT_KEY, SdkWorld } from './support';

// examples/c/save.c, the extension API's way, as a program against the platform.

const root = path.join(__dirname, '..', '..');
const image = imageOf(3_000_007);
let program: string;
let directory: string;

beforeAll(async () => {
  program = await buildProgram('example-save', path.join(root, 'examples/c/save.c'));
});
beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'iotkit-save-example-'));
  await mkdir(path.join(directory, 'out'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const out = (...names: string[]): string => path.join(directory, 'out', ...names);

/** A platform with a device, and the arguments of the program for it. */
async function open(tls: boolean): Promise<{ world: SdkWorld; args: readonly string[] }> {
  const world = await SdkWorld.open({ firmwareScheme: tls ? 'https' : 'http' });
  const { deviceSecret } = await world.register();
  const ca = path.join(directory, 'ca.pem');
  await writeFile(ca, world.platform.ca);
  const port = new URL(tls ? world.platform.mqttsUrl : world.platform.mqttUrl).port;
  const args = ['127.0.0.1', port, tls ? ca : '-', PRODUCT_KEY, 'lamp', deviceSecret, '1.0.0'];
  return { world, args };
}

/** Of an upgrade that has come to its end. */
async function states(world: SdkWorld, upgradeId: string): Promise<readonly string[]> {
  const { tasks } = await world.platform.upgrades.settled(upgradeId);
  return tasks[0]?.history.map(({ state }) => state) ?? [];
}

test.each([true, false])('saves an image, TLS: %s', async (tls) => {
  const { world, args } = await open(tls);
  const { upgradeId } = await world.upgrade(image, { signMethod: 'SHA256' });
  const ended = await run(program, [...args, out('image')]);
  expect(ended).toMatchObject({ code: 0, stderr: '' });
  expect(ended.stdout).toMatch(/^version 1.0.0 reported\nupgrade to 2.0.0, 3000007 bytes/);
  expect(ended.stdout).toMatch(/100 %\nsaved\nversion 2.0.0 reported\n$/);
  expect((await readFile(out('image'))).equals(image)).toBe(true);
  expect(await readdir(out())).toEqual(['image']);
  expect(await states(world, upgradeId)).toEqual(['pending', 'pushed', 'upgrading', 'succeeded']);
});

test.each(['SIGTERM', 'SIGKILL'] as const)('goes on after %s', async (signal) => {
  const { world, args } = await open(false);
  await world.upgrade(image, { signMethod: 'SHA256' });
  const afterBytes = 2_000_000;
  world.platform.faults.set({ kind: 'http-stall', afterBytes });
  const first = await start(program, [...args, out('image')], { ready: /^6\d %$/m });
  await first.stop(signal);
  if (signal === 'SIGTERM') expect(first.output()).toContain('the next run goes on from here');
  expect((await readdir(out())).sort()).toEqual(['image.part', 'image.part.journal']);
  world.platform.faults.clear();
  const second = await run(program, [...args, out('image')]);
  expect(second).toMatchObject({ code: 0, stderr: '' });
  // The old version is reported again, which to the platform is a restart and no more.
  expect(second.stdout).toMatch(/^version 1.0.0 reported\nupgrade to 2.0.0/);
  const [from] = /\d+(?= %)/.exec(second.stdout) ?? [];
  expect(Number(from)).toBeGreaterThanOrEqual(60);
  expect((await readFile(out('image'))).equals(image)).toBe(true);
  expect(await readdir(out())).toEqual(['image']);
});

test('leaves nothing of a corrupt image, and says so to the platform', async () => {
  const { world, args } = await open(false);
  const { upgradeId } = await world.upgrade(image);
  world.platform.faults.set({ kind: 'http-corrupt', offset: 5000 });
  const ended = await run(program, [...args, out('image')]);
  expect(ended.code).toBe(1);
  expect(ended.stderr).toContain('ERR_DIGEST_MISMATCH');
  expect(await readdir(out())).toEqual([]);
  expect((await states(world, upgradeId)).at(-1)).toBe('failed');
});

test('saves several files into a directory', async () => {
  const { world, args } = await open(false);
  const files = [
    { name: 'app.bin', data: image.subarray(0, 1_000_000) },
    { name: 'boot.img', data: image.subarray(1_000_000) },
  ];
  const { id: firmwareId } = await world.platform.firmware.add({
    productKey: PRODUCT_KEY,
    version: '2.0.0',
    signMethod: 'SHA256',
    files,
  });
  await world.platform.upgrades.start({ firmwareId, devices: ['lamp'] });
  const ended = await run(program, [...args, out('firmware')]);
  expect(ended).toMatchObject({ code: 0, stderr: '' });
  expect(ended.stdout).toContain('2 files');
  expect((await readdir(out('firmware'))).sort()).toEqual(['app.bin', 'boot.img']);
  for (const { name, data } of files)
    expect((await readFile(out('firmware', name))).equals(data)).toBe(true);
});

test.each([
  ['too few arguments', (given: string[]) => given.slice(1)],
  ['a port that is none', (given: string[]) => given.with(1, '65536')],
])('says how it is used: %s', async (_, change) => {
  const given = ['127.0.0.1', '1883', '-', 'pk', 'dn', 'ds', '1.0.0', out('image')];
  const ended = await run(program, change(given));
  expect(ended).toMatchObject({ code: 2, stdout: '' });
  expect(ended.stderr).toMatch(/^usage: save/);
});
