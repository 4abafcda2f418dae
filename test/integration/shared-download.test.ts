import diagnostics from 'node:diagnostics_channel';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import {
  channelNames,
  type Device,
  type DownloadEndEvent,
  type DownloadOptions,
  type FetchOptions,
  setMaxDownloads,
  stats,
  type Upgrade,
} from 'iotkit-ota';
import { serve } from '../support/fault-replies';
import { FaultServer, type Reply } from '../support/fault-server';
import { imageOf, sha256 } from '../support/image';
import { deviceVariable } from '../support/served';
import { World } from '../support/world';

// Devices of one process that want the same image: it is fetched once, and each gets its file.

const image = imageOf(8_000_003);
const FIRST = 500_000;
const STEP = 16_384;

/** Sends half a megabyte, then a little at a time, so that it is not taken for a stalled one; after go() the rest. */
function gated(): { readonly reply: Reply; readonly go: () => void } {
  let go: () => void = () => {};
  let open = false;
  const opened = new Promise<void>((resolve) => {
    go = () => {
      open = true;
      resolve();
    };
  });
  const reply: Reply = async (exchange) => {
    await exchange.write(`HTTP/1.1 200 OK\r\nContent-Length: ${image.length}\r\n\r\n`);
    await exchange.write(image.subarray(0, FIRST));
    let sent = FIRST;
    while (!open && !exchange.closed && sent + STEP < image.length) {
      await Promise.race([opened, exchange.gone, delay(25)]);
      await exchange.write(image.subarray(sent, sent + STEP));
      sent += STEP;
    }
    await Promise.race([opened, exchange.gone]);
    await exchange.write(image.subarray(sent));
  };
  return { reply, go };
}

interface Follower {
  readonly device: Device;
  readonly upgrade: Upgrade;
  readonly target: string;
  readonly phases: string[];
  readonly start: (options?: DownloadOptions) => Promise<void>;
}

/** A world with one server, and devices that are announced its image. */
class Fleet implements AsyncDisposable {
  readonly #world: World;
  readonly server: FaultServer;
  #count = 0;

  private constructor(world: World, server: FaultServer) {
    this.#world = world;
    this.server = server;
  }

  static async open(schedule: readonly Reply[]): Promise<Fleet> {
    return new Fleet(await World.open(), await FaultServer.start({ image, schedule }));
  }

  get world(): World {
    return this.#world;
  }

  async add(fetch: FetchOptions = {}, signMethod?: 'MD5'): Promise<Follower> {
    this.#count += 1;
    const deviceName = `device${this.#count}`;
    const { faults } = this.#world.platform;
    faults.set({ kind: 'notice-patch', deviceName, data: { url: this.server.url } });
    const { device, upgrade } = await this.#world.announce(image, {
      deviceName,
      connect: { fetch },
      firmware: { version: `2.0.${this.#count}`, ...(signMethod && { signMethod }) },
    });
    const target = this.#world.path(`${deviceName}.bin`);
    const phases: string[] = [];
    upgrade.on('state', ({ phase }) => phases.push(phase));
    const start = (options?: DownloadOptions) => upgrade.download(target, options);
    return { device, upgrade, target, phases, start };
  }

  async addSome(count: number): Promise<Follower[]> {
    const all: Follower[] = [];
    for (let i = 0; i < count; i++) all.push(await this.add());
    return all;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#world[Symbol.asyncDispose]();
    await this.server[Symbol.asyncDispose]();
  }
}

async function expectImages(all: readonly Follower[]): Promise<void> {
  for (const { target } of all) expect(image.equals(await readFile(target))).toBe(true);
}

/** What the diagnostics channel says of the downloads that end. */
class DownloadEnds implements AsyncDisposable {
  readonly #events: DownloadEndEvent[] = [];
  readonly #listen = (event: unknown): unknown => this.#events.push(event as DownloadEndEvent);

  constructor() {
    diagnostics.subscribe(channelNames.downloadEnd, this.#listen);
  }

  of(upgrade: Upgrade): DownloadEndEvent | undefined {
    return this.#events.find((event) => event.upgrade === upgrade);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    diagnostics.unsubscribe(channelNames.downloadEnd, this.#listen);
  }
}

async function entered(upgrade: Upgrade, phase: string): Promise<void> {
  for await (const state of upgrade.states()) if (state.phase === phase) return;
  throw new Error(`it ended as ${upgrade.state.phase} without ${phase}`);
}

async function received(upgrade: Upgrade, bytes: number): Promise<void> {
  for await (const progress of upgrade.progress()) if (progress.received >= bytes) return;
}

/** The first of them has begun, and the others wait for it. */
async function begin(all: readonly Follower[], options?: DownloadOptions) {
  const [leader, ...others] = all as [Follower, ...Follower[]];
  const led = leader.start(options);
  led.catch(() => {});
  await entered(leader.upgrade, 'downloading');
  const followed = others.map(({ start }) => start(options));
  for (const download of followed) download.catch(() => {});
  await Promise.all(others.map(({ upgrade }) => entered(upgrade, 'sharing')));
  return { leader, led, others, followed };
}

afterEach(() => setMaxDownloads(2));

test('many devices: one request, a file for each, and each is reported', async () => {
  const { reply, go } = gated();
  await using fleet = await Fleet.open([reply]);
  const all = await fleet.addSome(7);
  const { leader, led, others, followed } = await begin(all);
  await received(leader.upgrade, FIRST);
  await Promise.all(others.map(({ upgrade }) => received(upgrade, 1))); // the leader's bytes
  expect(stats()).toMatchObject({ waiting: 6 });
  go();
  await Promise.all([led, ...followed]);
  await expectImages(all);
  expect(fleet.server.requests).toHaveLength(1);
  expect(leader.phases).toEqual(['queued', 'downloading', 'verifying', 'committing', 'done']);
  for (const { phases } of others)
    expect(phases).toEqual(['queued', 'sharing', 'committing', 'done']);
  const files = await Promise.all(all.map(({ target }) => stat(target)));
  expect(new Set(files.map(({ ino }) => ino)).size).toBe(7);
  for (const { device, upgrade } of all) await device.ota.reportVersion(upgrade.version);
  expect(stats()).toMatchObject({ waiting: 0 });
});

test('share: "link": many devices, one file with a name for each', async () => {
  const { reply, go } = gated();
  await using fleet = await Fleet.open([reply]);
  const all = await fleet.addSome(5);
  await using ends = new DownloadEnds();
  const { led, others, followed } = await begin(all, { share: 'link' });
  go();
  await Promise.all([led, ...followed]);
  await expectImages(all);
  expect(fleet.server.requests).toHaveLength(1);
  const files = await Promise.all(all.map(({ target }) => stat(target)));
  expect(new Set(files.map(({ ino }) => ino)).size).toBe(1);
  expect(files[0]?.nlink).toBe(5);
  const [first, ...rest] = all.map(({ upgrade }) => upgrade.state);
  expect(first).toEqual({ phase: 'done' });
  for (const state of rest) expect(state).toEqual({ phase: 'done', sharedAs: 'linked' });
  for (const { upgrade } of others) expect(ends.of(upgrade)?.sharedAs).toBe('linked');
  const { dir } = path.parse(all[0]?.target ?? '');
  expect((await readdir(dir)).filter((name) => name.includes('.part'))).toEqual([]);
});

test('share: "link" copies what would get another mode', async () => {
  const { reply, go } = gated();
  await using fleet = await Fleet.open([reply]);
  const [first, strict] = (await fleet.addSome(2)) as [Follower, Follower];
  const led = first.start();
  await entered(first.upgrade, 'downloading');
  const followed = strict.upgrade.download({ path: strict.target, mode: 0o600 }, { share: 'link' });
  await entered(strict.upgrade, 'sharing');
  go();
  await Promise.all([led, followed]);
  await expectImages([first, strict]);
  expect((await stat(strict.target)).mode & 0o777).toBe(0o600);
  expect((await stat(first.target)).nlink).toBe(1);
  const { state } = strict.upgrade;
  expect(['copied', 'cloned']).toContain(state.phase === 'done' && state.sharedAs);
});

test('an MD5 digest is shared where the address is the same', async () => {
  const { reply, go } = gated();
  await using fleet = await Fleet.open([reply]);
  const all = [await fleet.add({}, 'MD5'), await fleet.add({}, 'MD5')];
  const { led, followed } = await begin(all);
  go();
  await Promise.all([led, ...followed]);
  await expectImages(all);
  expect(fleet.server.requests).toHaveLength(1);
});

test('another digest method, and share: false, fetch for themselves', async () => {
  const { reply, go } = gated();
  await using fleet = await Fleet.open([reply, serve()]);
  setMaxDownloads(4);
  const [first, other, alone] = [await fleet.add(), await fleet.add({}, 'MD5'), await fleet.add()];
  const led = first.start();
  await entered(first.upgrade, 'downloading');
  await Promise.all([other.start(), alone.start({ share: false })]);
  expect(fleet.server.requests).toHaveLength(3);
  expect(other.phases).not.toContain('sharing');
  expect(alone.phases).not.toContain('sharing');
  go();
  await led;
  await expectImages([first, other, alone]);
});

test('the rules of each device hold', async () => {
  const { reply, go } = gated();
  await using fleet = await Fleet.open([reply]);
  const first = await fleet.add();
  const strict = await fleet.add({ allowedHosts: ['firmware.example'] });
  const { led, followed } = await begin([first, strict]);
  go();
  await led;
  await expect(followed[0]).rejects.toMatchObject({ code: 'ERR_HOST_NOT_ALLOWED' });
  await expect(readFile(strict.target)).rejects.toMatchObject({ code: 'ENOENT' });
  await expectImages([first]);
});

test.each<[string, (leader: Follower) => unknown]>([
  ['is aborted', ({ upgrade }) => upgrade.abort()],
  ['loses its device', ({ device }) => device.close()],
])('the next one goes on where the first %s', async (_, end) => {
  const { reply, go } = gated();
  await using fleet = await Fleet.open([reply, serve()]);
  const { leader, led, others, followed } = await begin(await fleet.addSome(4));
  await received(leader.upgrade, FIRST);
  await end(leader);
  await expect(led).rejects.toMatchObject({ code: expect.stringMatching(/ABORTED|CLOSED/) });
  await Promise.all(followed);
  await expectImages(others);
  expect(fleet.server.requests).toHaveLength(2);
  go();
});

test('the first is paused: the next one fetches, and the first goes on later', async () => {
  const { reply, go } = gated();
  await using fleet = await Fleet.open([reply, serve()]);
  const { leader, led, others, followed } = await begin(await fleet.addSome(3));
  await received(leader.upgrade, FIRST);
  leader.upgrade.pause();
  await Promise.all(followed);
  expect(fleet.server.requests).toHaveLength(2);
  expect(leader.upgrade.state).toEqual({ phase: 'paused' });
  leader.upgrade.resume();
  go();
  await led;
  await expectImages([leader, ...others]);
});

test('one that waits can be aborted and paused, and the others do not notice', async () => {
  const { reply, go } = gated();
  await using fleet = await Fleet.open([reply]);
  const { leader, led, others, followed } = await begin(await fleet.addSome(4));
  const [aborted, paused, last] = others as [Follower, Follower, Follower];
  aborted.upgrade.abort();
  await expect(followed[0]).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  paused.upgrade.pause();
  expect(paused.upgrade.state).toEqual({ phase: 'paused' });
  go();
  await Promise.all([led, followed[2]]);
  await expectImages([leader, last]);
  await expect(readFile(paused.target)).rejects.toMatchObject({ code: 'ENOENT' });
  await rm(leader.target); // it has what it needs
  paused.upgrade.resume();
  await followed[1];
  await expectImages([paused]);
  expect(fleet.server.requests).toHaveLength(1);
});

test('the file of the first is removed as soon as it is there', async () => {
  const { reply, go } = gated();
  await using fleet = await Fleet.open([reply]);
  const { led, leader, others, followed } = await begin(await fleet.addSome(5));
  const removed = led.then(() => rm(leader.target));
  go();
  await Promise.all([removed, ...followed]);
  await expectImages(others);
  expect(fleet.server.requests).toHaveLength(1);
});

test('a file that was written to is copied by nobody', async () => {
  const { reply, go } = gated();
  await using fleet = await Fleet.open([reply, serve()]);
  const { led, leader, others, followed } = await begin(await fleet.addSome(3));
  for (const { upgrade } of others) upgrade.pause(); // until the file is another
  go();
  await led;
  await writeFile(leader.target, Buffer.alloc(image.length, 1)); // the same inode
  for (const { upgrade } of others) upgrade.resume();
  await Promise.all(followed);
  await expectImages(others);
  expect(fleet.server.requests.length).toBeGreaterThan(1);
});

test('a target that cannot be opened is the failure of one', async () => {
  const { reply, go } = gated();
  await using fleet = await Fleet.open([reply]);
  const all = await fleet.addSome(3);
  const [first, second, third] = all as [Follower, Follower, Follower];
  const led = first.start();
  await entered(first.upgrade, 'downloading');
  const lost = second.upgrade.download(fleet.world.path('none/here.bin'));
  const followed = third.start();
  go();
  await expect(lost).rejects.toMatchObject({ code: 'ERR_FILE_NOT_FOUND' });
  await Promise.all([led, followed]);
  await expectImages([first, third]);
  expect(fleet.server.requests).toHaveLength(1);
});

test('a target on another file system', async () => {
  const { reply, go } = gated();
  const directory = await mkdtemp('/dev/shm/iotkit-ota-test-');
  try {
    await using fleet = await Fleet.open([reply]);
    const [first, other] = (await fleet.addSome(2)) as [Follower, Follower];
    const led = first.start();
    await entered(first.upgrade, 'downloading');
    const target = path.join(directory, 'image.bin');
    const followed = other.upgrade.download({ path: target, mode: 0o600 });
    go();
    await Promise.all([led, followed]);
    expect(image.equals(await readFile(target))).toBe(true);
    expect((await stat(target)).mode & 0o777).toBe(0o600);
    expect(fleet.server.requests).toHaveLength(1);
  } finally {
    await rm(directory, { recursive: true });
  }
});

test('the thread of the first is terminated: one of another thread goes on', async () => {
  const { reply, go } = gated();
  await using fleet = await Fleet.open([reply, serve()]);
  const { world, server } = fleet;
  const key = await world.register('worker');
  world.platform.faults.set({
    kind: 'notice-patch',
    deviceName: 'worker',
    data: { url: server.url },
  });
  const { id } = await world.store(image, { version: '3.0.0' });
  const worker = new Worker(path.join(__dirname, 'children', 'shared.cjs'), {
    env: { ...process.env, DEVICE: deviceVariable(world, key), TARGET: world.path('worker.bin') },
  });
  const begun = new Promise((resolve) => worker.once('message', resolve));
  await world.platform.waitFor('version-reported', ({ deviceName }) => deviceName === 'worker');
  await world.platform.upgrades.start({ firmwareId: id, devices: ['worker'] });
  await begun;
  const other = await fleet.add();
  const followed = other.start();
  await entered(other.upgrade, 'sharing');
  await worker.terminate();
  await followed;
  await expectImages([other]);
  expect(server.requests).toHaveLength(2);
  go();
});

test('several files are shared as a set', async () => {
  const { reply, go } = gated();
  await using fleet = await Fleet.open([reply]);
  const { world, server } = fleet;
  const small = imageOf(200_000, 3);
  await using other = await FaultServer.start({ image: small, schedule: [serve()] });
  const files = [
    { fileName: 'a', fileSize: image.length, fileUrl: server.url, fileSign: sha256(image) },
    { fileName: 'b', fileSize: small.length, fileUrl: other.url, fileSign: sha256(small) },
  ];
  const single = { url: null, size: null, md5: null, sign: null, digestsign: null };
  const data = { ...single, signMethod: 'SHA256', files };
  world.platform.faults.set({ kind: 'notice-patch', data });
  const [one, two] = await Promise.all([announceSet(world, 'one'), announceSet(world, 'two')]);
  const led = one.download(world.path('one'));
  await entered(one, 'downloading');
  const followed = two.download(world.path('two'), { share: 'link' }); // of which there are none
  await entered(two, 'sharing');
  go();
  await Promise.all([led, followed]);
  for (const directory of ['one', 'two']) {
    expect(image.equals(await readFile(world.path(`${directory}/a`)))).toBe(true);
    expect(small.equals(await readFile(world.path(`${directory}/b`)))).toBe(true);
  }
  expect([...server.requests, ...other.requests]).toHaveLength(2);
  expect((await stat(world.path('two/a'))).nlink).toBe(1);
});

async function announceSet(world: World, deviceName: string): Promise<Upgrade> {
  const firmware = { version: `4.0.${deviceName}` };
  return (await world.announce(Buffer.alloc(1), { deviceName, firmware })).upgrade;
}
