// The agent with a real device and the directories installer: differences, several files, modules together.
import { execFileSync } from 'node:child_process';
import { mkdir, readdir, readFile, readlink, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import {
  createUpdateAgent,
  type DirectoriesInstallerOptions,
  directoriesInstaller,
  type Installer,
  type InstallImage,
  type UpdateAgent,
  type UpdateAgentOptions,
} from 'iotkit-ota/install';
import { block, deltaOf, forged, infoOf } from '../../support/delta';
import { imageOf, sha256 } from '../../support/image';
import { PRODUCT_KEY, World } from '../../support/world';

const MIB = 1024 * 1024;
/** What a difference may hold on to while it is applied and installed, however large it is. */
const LIMIT = 24 * MIB;

setFlagsFromString('--expose-gc');
const collect: () => void = runInNewContext('gc');

function used(): number {
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** What is in use when nothing more is given back: memory of buffers is, some turns later. */
async function settled(): Promise<number> {
  for (let last = used(); ; ) {
    await setImmediate();
    const now = used();
    if (now >= last) return now;
    last = now;
  }
}

/** An application of which the release 1.0.0 runs, and what is restarted writes down its version. */
async function deploy(
  world: World,
  name: string,
  more: Partial<DirectoriesInstallerOptions> = {},
): Promise<Installer> {
  const root = world.path(name);
  await mkdir(`${root}/releases/1.0.0`, { recursive: true });
  await writeFile(`${root}/releases/1.0.0/version`, '1.0.0');
  await symlink('releases/1.0.0', `${root}/current`);
  const restart = ['cp', '-r', `${root}/current/.`, world.path(`${name}-running`)];
  return directoriesInstaller({ root, restart, ...more });
}

/** The archive of a release, the same bytes each time. */
async function archive(world: World, version: string, data: Uint8Array): Promise<Buffer> {
  const source = world.path(`release-${version}`);
  await mkdir(source, { recursive: true });
  await writeFile(path.join(source, 'version'), version);
  await writeFile(path.join(source, 'data'), data);
  const fixed = ['--sort=name', '--mtime=@0', '--owner=0', '--group=0', '--numeric-owner'];
  return execFileSync('tar', ['-c', ...fixed, '-C', source, '.'], { maxBuffer: 256 * MIB });
}

interface Running extends AsyncDisposable {
  readonly agent: UpdateAgent;
  readonly errors: unknown[];
}

async function run(world: World, options: Partial<UpdateAgentOptions>): Promise<Running> {
  const device = await world.connect(await world.register());
  const modules = options.modules?.map(({ module }) => module) ?? [undefined];
  const reported = modules.map((module) =>
    world.platform.waitFor('version-reported', (it) => it.module === module),
  );
  const agent = await createUpdateAgent({
    device,
    record: world.path('update.record'),
    health: { holdMs: 10, everyMs: 10 },
    ...options,
  });
  const errors: unknown[] = [];
  agent.on('error', (error) => errors.push(error));
  void agent.run();
  await Promise.all(reported);
  return { agent, errors, [Symbol.asyncDispose]: () => agent.close() };
}

async function start(world: World, given: Parameters<World['platform']['firmware']['add']>[0]) {
  const { id: firmwareId } = await world.platform.firmware.add(given);
  return world.platform.upgrades.start({ firmwareId, devices: ['lamp'], multiModule: true });
}

function firmwareOf(version: string, data: Uint8Array, sourceVersion?: string) {
  const diff = sourceVersion && { isDiff: true, sourceVersions: [sourceVersion] };
  return { productKey: PRODUCT_KEY, version, data, signMethod: 'SHA256', ...diff } as const;
}

/** Looks at the memory in use with each piece that is installed. */
class Watched {
  peak = 0;
  readonly installer: Installer;

  constructor(installer: Installer) {
    const watch = this.#watch.bind(this);
    this.installer = new Proxy(installer, {
      get(own, name) {
        const value = own[name as keyof Installer];
        if (name !== 'install') return typeof value === 'function' ? value.bind(own) : value;
        return (image: InstallImage, options: object) =>
          own.install({ ...image, open: () => watch(image) }, options);
      },
    });
  }

  async *#watch({ open }: InstallImage): AsyncGenerator<Uint8Array> {
    if (open === undefined) return;
    for await (const chunk of open()) {
      this.peak = Math.max(this.peak, used());
      yield chunk;
    }
  }
}

test('a difference to the archive that was kept', async () => {
  await using world = await World.open();
  const installer = await deploy(world, 'app', { keepImages: true });
  await using running = await run(world, { installer });
  const second = await archive(world, '2.0.0', imageOf(300_000, 1));
  const full = await start(world, firmwareOf('2.0.0', second));
  expect(await world.outcome(full.id)).toMatchObject({ state: 'succeeded' });
  expect((await readFile(world.path('app/images/2.0.0.image'))).equals(second)).toBe(true);
  const third = await archive(world, '3.0.0', imageOf(400_000, 1));
  const delta = await deltaOf(second, third);
  expect(delta.length).toBeLessThan(third.length / 2);
  const update = await start(world, firmwareOf('3.0.0', delta, '2.0.0'));
  expect(await world.outcome(update.id)).toMatchObject({ state: 'succeeded' });
  expect(await readlink(world.path('app/current'))).toBe('releases/3.0.0');
  expect(await readFile(world.path('app-running/version'), 'utf8')).toBe('3.0.0');
  const data = await readFile(world.path('app/releases/3.0.0/data'));
  expect(data.equals(imageOf(400_000, 1))).toBe(true);
  expect((await readFile(world.path('app/images/3.0.0.image'))).equals(third)).toBe(true);
  expect(running.errors).toEqual([]);
});

/** A delta to `abc` that makes 64 MiB through the largest window; only its files stay. */
async function largeDelta(file: string): Promise<string> {
  const piece = imageOf(MIB, 2);
  const image = Buffer.concat(Array(64).fill(piece));
  // Nothing is copied; 1 MiB is new.
  const blocks = Buffer.concat(Array(64).fill(block(MIB, [0, 0, 0x80, 0x80, 0x40], piece)));
  await writeFile(file, forged(infoOf(Buffer.from('abc'), image), blocks, 22));
  return sha256(image);
}

test('memory stays bounded, whatever a difference makes', async () => {
  await using world = await World.open();
  const watched = new Watched(await deploy(world, 'app', { image: 'file' }));
  await writeFile(world.path('app/releases/1.0.0/image'), 'abc');
  await using running = await run(world, { installer: watched.installer });
  const file = world.path('delta');
  const digest = await largeDelta(file);
  const before = await settled();
  const { data: _, ...firmware } = firmwareOf('2.0.0', Buffer.alloc(0), '1.0.0');
  const update = await start(world, { ...firmware, file });
  expect(await world.outcome(update.id)).toMatchObject({ state: 'succeeded' });
  expect(watched.peak).toBeGreaterThan(0);
  expect(watched.peak - before).toBeLessThan(LIMIT);
  expect(sha256(await readFile(world.path('app/current/image')))).toBe(digest);
  expect(running.errors).toEqual([]);
  if (process.env.IOTKIT_SAY) console.log(`${(watched.peak - before) / MIB} MiB`);
});

test('another base: the platform shows why, and the full image is taken when it comes', async () => {
  await using world = await World.open();
  await using running = await run(world, {
    installer: await deploy(world, 'app', { keepImages: true }),
  });
  const images = await Promise.all(
    ['2.0.0', '3.0.0'].map((version, i) => archive(world, version, imageOf(100_000, i))),
  );
  const [second, third] = images as [Buffer, Buffer];
  await world.outcome((await start(world, firmwareOf('2.0.0', second))).id);
  await writeFile(world.path('app/images/2.0.0.image'), imageOf(second.length, 9));
  const update = await start(world, firmwareOf('3.0.0', await deltaOf(second, third), '2.0.0'));
  expect(await world.outcome(update.id)).toMatchObject({
    state: 'failed',
    desc: expect.stringMatching(/^ERR_DELTA_BASE.*the full image is needed/),
  });
  expect(await readdir(world.path('app/releases'))).toEqual(['1.0.0', '2.0.0']);
  const whole = { ...firmwareOf('3.0.0', third), allowSameVersion: true };
  const full = await start(world, whole);
  expect(await world.outcome(full.id)).toMatchObject({ state: 'succeeded' });
  expect(await readFile(world.path('app-running/version'), 'utf8')).toBe('3.0.0');
  expect(running.errors).toMatchObject([{ code: 'ERR_DELTA_BASE' }]);
});

test('several files go into a release; an installer of one image refuses them', async () => {
  await using world = await World.open();
  const ofFiles = await deploy(world, 'app', { image: 'file' });
  const ofOne = await deploy(world, 'other');
  await using running = await run(world, {
    modules: [{ installer: ofFiles }, { module: 'other', installer: ofOne }],
  });
  const names = ['version', 'model.bin', 'boot.bin'];
  const files = names.map((name, i) => ({ name, data: imageOf(100_000 * (i + 1), i) }));
  const { data: _, ...given } = { ...firmwareOf('2.0.0', Buffer.alloc(0)), files };
  const update = await start(world, given);
  expect(await world.outcome(update.id)).toMatchObject({ state: 'succeeded' });
  for (const { name, data } of files) {
    expect((await readFile(world.path(`app/current/${name}`))).equals(data)).toBe(true);
  }
  expect((await readdir(world.directory)).filter((name) => /image|files/.test(name))).toEqual([]);
  const refused = await start(world, { ...given, module: 'other' });
  expect(await world.outcome(refused.id)).toMatchObject({
    state: 'failed',
    desc: expect.stringMatching(/^ERR_UNSUPPORTED: .*directories takes no several files/),
  });
  expect(running.errors).toMatchObject([{ code: 'ERR_UNSUPPORTED' }]);
});

test('two modules together: one is not healthy, and both run what they ran', async () => {
  await using world = await World.open();
  const modules = [
    { installer: await deploy(world, 'app') },
    { module: 'model', installer: await deploy(world, 'model') },
  ];
  await using running = await run(world, { modules, together: true });
  const { agent } = running;
  agent.on('state', ({ phase, version }) => {
    if (phase === 'trial' && version === '7.0.1') agent.unhealthy('the model is sick');
  });
  const app = await archive(world, '2.0.0', imageOf(100_000, 1));
  const model = await archive(world, '7.0.0', imageOf(100_000, 2));
  const both = async (version: string, data: Uint8Array, ofModel: string, second: Uint8Array) => {
    const first = { ...firmwareOf(version, data) };
    const other = { ...firmwareOf(ofModel, second), module: 'model' };
    const started = [await start(world, first), await start(world, other)];
    return Promise.all(started.map(({ id }) => world.outcome(id)));
  };
  const failed = await both('2.0.0', app, '7.0.1', model);
  expect(failed).toMatchObject(
    Array(2).fill({ state: 'failed', desc: expect.stringContaining('the model is sick') }),
  );
  for (const name of ['app', 'model']) {
    expect(await readlink(world.path(`${name}/current`))).toBe('releases/1.0.0');
  }
  expect(agent.entry('model')).toMatchObject({ phase: 'rolledBack' });
  agent.healthy();
  const succeeded = await both('2.0.1', app, '7.0.0', model);
  expect(succeeded).toMatchObject(Array(2).fill({ state: 'succeeded' }));
  expect(await readlink(world.path('app/current'))).toBe('releases/2.0.1');
  expect(await readlink(world.path('model/current'))).toBe('releases/7.0.0');
});
