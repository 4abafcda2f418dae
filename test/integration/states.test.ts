import { mkdir, readFile } from 'node:fs/promises';
import { setMaxDownloads, type Upgrade, type UpgradeState } from 'iotkit-ota';
import { serve, status } from '../support/fault-replies';
import { FaultServer, type Reply } from '../support/fault-server';
import { imageOf } from '../support/image';
import { announceServed, quick } from '../support/served';
import { World } from '../support/world';

// What the addon reports of what a download is doing, in each way one can go.

const image = imageOf(2_000_003);
const slow = serve({ bytesPerSecond: 4_000_000 });
const half = serve({ after: 1_000_000, ending: 'stall' });
const busy = status('503 Service Unavailable', { fields: { 'Content-Length': 0 } });
const patient = { retry: { min: 1, max: 1 } };
/** Takes the request and never answers. */
const silent: Reply = (exchange) => exchange.gone;

/** Comes for longer than any test lasts, and fast enough to keep its place. */
const trickle = serve({ bytesPerSecond: 40_000, step: 4_000 });

/** The two devices of a test want the same image. */
const alone = { share: false };

/** Sends half of the image, and the rest after go(). */
function gated(): { readonly reply: Reply; readonly go: () => void } {
  let go: () => void = () => {};
  const open = new Promise<void>((resolve) => {
    go = resolve;
  });
  const reply: Reply = async (exchange) => {
    await exchange.write(`HTTP/1.1 200 OK\r\nContent-Length: ${image.length}\r\n\r\n`);
    await exchange.write(image.subarray(0, 1_000_000));
    await Promise.race([open, exchange.gone]);
    await exchange.write(image.subarray(1_000_000));
  };
  return { reply, go };
}

afterEach(() => setMaxDownloads(2));

/** Every state of an upgrade from now on. */
function record(upgrade: Upgrade): { readonly states: UpgradeState[]; phases(): string[] } {
  const states: UpgradeState[] = [];
  upgrade.on('state', (state) => {
    expect(upgrade.state).toBe(state);
    states.push(state);
  });
  return { states, phases: () => states.map(({ phase }) => phase) };
}

async function scene(world: World, replies: readonly Reply[], options: object = {}) {
  const server = await FaultServer.start({ image, schedule: [...replies] });
  const { upgrade, device } = await announceServed(world, server, image, options);
  return { server, upgrade, device, seen: record(upgrade) };
}

/** Waits for a phase, which may be that of now. */
async function entered(upgrade: Upgrade, phase: UpgradeState['phase']): Promise<UpgradeState> {
  for await (const state of upgrade.states()) if (state.phase === phase) return state;
  throw new Error(`it ended as ${upgrade.state.phase} without ${phase}`);
}

/** Waits until so many bytes have come. */
async function received(upgrade: Upgrade, bytes: number): Promise<void> {
  for await (const progress of upgrade.progress()) if (progress.received >= bytes) return;
}

const fresh = ['queued', 'downloading', 'verifying', 'committing', 'done'];
const ways: Record<string, [(upgrade: Upgrade, world: World) => Promise<unknown>, string[]]> = {
  file: [(upgrade, world) => upgrade.download(world.path('a')), fresh],
  'two files': [(upgrade, world) => upgrade.download([world.path('a'), world.path('b')]), fresh],
  writer: [(upgrade) => upgrade.download({ write: () => {} }), fresh],
  'file and writer': [
    (upgrade, world) => upgrade.download([world.path('a'), { write: () => {} }]),
    fresh,
  ],
  chunks: [
    async (upgrade) => {
      for await (const chunk of upgrade) expect(chunk.length).toBeGreaterThan(0);
    },
    fresh.filter((phase) => phase !== 'committing'),
  ],
};

test.each(Object.keys(ways))('each phase of a download to %s, in order', async (way) => {
  const [consume, phases] = ways[way] as (typeof ways)[string];
  await using world = await World.open();
  const { upgrade, seen, server } = await scene(world, [serve()]);
  await using _ = server;
  expect(upgrade.state).toEqual({ phase: 'announced' });
  const iterated = (async () => {
    const heard: string[] = [];
    for await (const { phase } of upgrade.states()) heard.push(phase);
    return heard;
  })();
  const consumed = consume(upgrade, world);
  expect(upgrade.state).toEqual({ phase: 'queued' });
  await consumed;
  expect(upgrade.state).toEqual({ phase: 'done' });
  expect(seen.phases()).toEqual(phases);
  expect(await iterated).toEqual(['announced', ...phases]);
});

test('an image in MQTT blocks has the same phases', async () => {
  await using world = await World.open();
  const { upgrade } = await world.announce(imageOf(50_001), { protocol: 'mqtt' });
  const seen = record(upgrade);
  await upgrade.download(world.path('a'));
  expect(seen.phases()).toEqual(fresh);
});

test('a download that was aborted proves its bytes when it goes on', async () => {
  await using world = await World.open();
  const { upgrade, seen, server } = await scene(world, [half, serve()]);
  await using _ = server;
  const reason = new Error('later');
  const first = upgrade.download(world.path('a'));
  first.catch(() => {});
  await received(upgrade, 1_000_000);
  upgrade.abort(reason);
  await expect(first).rejects.toBe(reason);
  expect(seen.states.splice(0)).toEqual([
    { phase: 'queued' },
    { phase: 'downloading' },
    { phase: 'aborted', error: reason },
  ]);
  await upgrade.download(world.path('a'));
  expect(seen.phases()).toEqual(['queued', 'proving', ...fresh.slice(1)]);
  expect(image.equals(await readFile(world.path('a')))).toBe(true);
});

test('bytes on disk that were wrong: all is downloaded once more', async () => {
  await using world = await World.open();
  const wrong = serve({ corruptAt: 17, after: 1_000_000, ending: 'stall' });
  const { upgrade, seen, server } = await scene(world, [wrong, serve()]);
  await using _ = server;
  const first = upgrade.download(world.path('a'));
  first.catch(() => {});
  await received(upgrade, 1_000_000);
  upgrade.abort();
  await expect(first).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  seen.states.splice(0);
  await upgrade.download(world.path('a'));
  const again = ['downloading', 'verifying'];
  expect(seen.phases()).toEqual(['queued', 'proving', ...again, ...again, 'committing', 'done']);
});

test('tries that fail are told, until one brings bytes', async () => {
  await using world = await World.open();
  const cut = serve({ after: 1_000_000, ending: 'cut' });
  const { upgrade, seen, server } = await scene(world, [cut, busy, serve()], { fetch: patient });
  await using _ = server;
  await upgrade.download(world.path('a'));
  const phases = seen.phases();
  expect(phases.filter((phase, i) => phase !== phases[i - 1])).toEqual([
    'queued',
    'downloading',
    'retrying',
    ...fresh.slice(1),
  ]);
  const tries = seen.states.flatMap((state) => (state.phase === 'retrying' ? [state] : []));
  expect(tries.map(({ attempt, error }) => [attempt, error.code])).toEqual([
    [1, 'ERR_TRUNCATED'],
    [2, 'ERR_HTTP_UNAVAILABLE'],
  ]);
  for (const { at } of tries) expect(at).toBeInstanceOf(Date);
});

test('a server that stays away: retrying, then failed with the error of the promise', async () => {
  await using world = await World.open();
  const { upgrade, seen, server } = await scene(world, [busy], {
    fetch: { ...patient, patience: 1 },
  });
  await using _ = server;
  const error: unknown = await upgrade.download(world.path('a')).catch((reason) => reason);
  expect(error).toMatchObject({ code: 'ERR_HTTP_UNAVAILABLE' });
  expect(seen.phases().slice(0, 2)).toEqual(['queued', 'downloading']);
  expect(seen.states.at(-1)).toEqual({ phase: 'failed', error });
});

test('an image that is not the announced one fails as it is verified', async () => {
  await using world = await World.open();
  const { upgrade, seen, server } = await scene(world, [serve({ corruptAt: 5 })]);
  await using _ = server;
  await expect(upgrade.download({ write: () => {} })).rejects.toMatchObject({
    code: 'ERR_DIGEST_MISMATCH',
  });
  expect(seen.phases()).toEqual(['queued', 'downloading', 'verifying', 'failed']);
});

test('a target that cannot be opened fails before it downloads', async () => {
  await using world = await World.open();
  const { upgrade, seen, server } = await scene(world, [serve()]);
  await using _ = server;
  const nowhere = upgrade.download(world.path('none/a'));
  await expect(nowhere).rejects.toMatchObject({ code: 'ERR_FILE_NOT_FOUND' });
  expect(seen.phases()).toEqual(['queued', 'failed']);
});

test('a name that is taken meanwhile fails as it commits', async () => {
  await using world = await World.open();
  const { reply, go } = gated();
  const { upgrade, seen, server } = await scene(world, [reply]);
  await using _ = server;
  const download = upgrade.download(world.path('a'));
  download.catch(() => {});
  await received(upgrade, 1);
  await mkdir(world.path('a/b'), { recursive: true });
  go();
  await expect(download).rejects.toMatchObject({ code: expect.stringMatching(/^ERR_FILE/) });
  expect(seen.phases()).toEqual([...fresh.slice(0, -1), 'failed']);
});

test('one waits for its turn while another downloads', async () => {
  await using world = await World.open();
  setMaxDownloads(1);
  const first = await scene(world, [slow]);
  await using _ = first.server;
  const second = await scene(world, [serve()], { deviceName: 'other', version: '2.0.1' });
  await using __ = second.server;
  let meanwhile: string | undefined;
  second.upgrade.on('state', ({ phase }) => {
    if (phase === 'downloading') meanwhile = first.upgrade.state.phase;
  });
  const downloads = [
    first.upgrade.download(world.path('a')),
    second.upgrade.download(world.path('b'), alone),
  ];
  await entered(first.upgrade, 'downloading');
  expect(second.upgrade.state).toEqual({ phase: 'queued' });
  await Promise.all(downloads);
  expect(second.seen.phases()).toEqual(fresh);
  expect(meanwhile).toMatch(/committing|done/);
});

test('one that waits for its turn can be aborted, and the device closed', async () => {
  await using world = await World.open();
  setMaxDownloads(1);
  const first = await scene(world, [half]);
  await using _ = first.server;
  const second = await scene(world, [serve()], { deviceName: 'other', version: '2.0.1' });
  await using __ = second.server;
  const ended = first.upgrade.download(world.path('a')).catch((error) => error);
  const waiting = second.upgrade.download(world.path('b'), alone);
  second.upgrade.abort();
  await expect(waiting).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  expect(second.seen.phases()).toEqual(['queued', 'aborted']);
  await first.device.close();
  expect(await ended).toMatchObject({ code: 'ERR_CLOSED' });
  expect(first.seen.states.at(-1)).toEqual({ phase: 'aborted', error: await ended });
  const late: string[] = [];
  for await (const { phase } of first.upgrade.states()) late.push(phase);
  expect(late).toEqual(['aborted']);
});

test('a pause is told at once, and so is its end', async () => {
  await using world = await World.open();
  const { reply, go } = gated();
  const { upgrade, seen, server } = await scene(world, [reply]);
  await using _ = server;
  const download = upgrade.download(world.path('a'));
  await received(upgrade, 1);
  upgrade.pause();
  expect(upgrade.state).toEqual({ phase: 'paused' });
  upgrade.pause();
  upgrade.resume();
  expect(upgrade.state).toEqual({ phase: 'downloading' });
  go();
  await download;
  upgrade.pause();
  expect(upgrade.state).toEqual({ phase: 'done' });
  const [first, second, ...rest] = fresh;
  expect(seen.phases()).toEqual([first, second, 'paused', second, ...rest]);
});

test('a pause before its turn: it proves what it has, and downloads nothing', async () => {
  await using world = await World.open();
  const other = await scene(world, [slow], { deviceName: 'other', version: '2.0.1' });
  await using _ = other.server;
  const { upgrade, seen, server } = await scene(world, [half, serve()]);
  await using __ = server;
  const first = upgrade.download(world.path('a')).catch(() => {});
  await received(upgrade, 1_000_000);
  upgrade.abort();
  await first;
  seen.states.splice(0);
  setMaxDownloads(1);
  const before = other.upgrade.download(world.path('b'));
  const download = upgrade.download(world.path('a'), alone);
  upgrade.pause();
  expect(upgrade.state).toEqual({ phase: 'paused' });
  const proving = entered(upgrade, 'proving');
  await Promise.all([before, proving]);
  await entered(upgrade, 'paused');
  expect(server.requests).toHaveLength(1);
  upgrade.resume();
  await download;
  const held = ['queued', 'paused', 'proving', 'paused'];
  expect(seen.phases()).toEqual([...held, ...fresh.slice(1)]);
});

test('a pause between two tries does not end the retry', async () => {
  await using world = await World.open();
  const away = status('503 Service Unavailable', {
    fields: { 'Retry-After': 3600, 'Content-Length': 0 },
  });
  const { upgrade, seen, server } = await scene(world, [away], { fetch: patient });
  await using _ = server;
  const ended = upgrade.download(world.path('a')).catch((error) => error);
  const retrying = await entered(upgrade, 'retrying');
  const at = upgrade.retrying?.at.getTime() ?? 0;
  upgrade.pause();
  expect(upgrade.state).toEqual({ phase: 'paused' });
  expect(upgrade.retrying).toMatchObject({ attempt: 1 });
  upgrade.resume();
  expect(upgrade.state).toMatchObject({ ...retrying, at: expect.any(Date) });
  expect(Math.abs((upgrade.retrying?.at.getTime() ?? 0) - at)).toBeLessThan(60_000);
  upgrade.abort();
  expect(await ended).toMatchObject({ code: 'ERR_ABORTED' });
  expect(seen.phases()).toEqual([
    'queued',
    'downloading',
    'retrying',
    'paused',
    'retrying',
    'aborted',
  ]);
});

test('after a pause it queues for another place, if others have taken its own', async () => {
  await using world = await World.open();
  setMaxDownloads(1);
  const { reply, go } = gated();
  const first = await scene(world, [reply]);
  await using _ = first.server;
  const second = await scene(world, [trickle], { deviceName: 'other', version: '2.0.1' });
  await using __ = second.server;
  const download = first.upgrade.download(world.path('a'));
  await received(first.upgrade, 1);
  first.upgrade.pause();
  const other = second.upgrade.download(world.path('b'), alone).catch((error) => error);
  await received(second.upgrade, 1);
  first.upgrade.resume();
  go();
  await entered(first.upgrade, 'queued');
  // Also there it can be paused.
  first.upgrade.pause();
  expect(first.upgrade.state).toEqual({ phase: 'paused' });
  first.upgrade.resume();
  expect(first.upgrade.state).toEqual({ phase: 'queued' });
  second.upgrade.abort();
  expect(await other).toMatchObject({ code: 'ERR_ABORTED' });
  await download;
  expect(first.seen.phases()).toEqual([
    'queued',
    'downloading',
    'paused',
    'downloading',
    'queued',
    'paused',
    'queued',
    ...fresh.slice(1),
  ]);
});

test.each(['downloading', 'paused'] as const)(
  'a download can be aborted while it is %s',
  async (phase) => {
    await using world = await World.open();
    const { upgrade, seen, server } = await scene(world, [silent]);
    await using _ = server;
    const ended = upgrade.download(world.path('a')).catch((error) => error);
    await entered(upgrade, 'downloading');
    if (phase === 'paused') upgrade.pause();
    expect(upgrade.state).toEqual({ phase });
    upgrade.abort();
    const error = await ended;
    expect(error).toMatchObject({ code: 'ERR_ABORTED' });
    expect(seen.states.at(-1)).toEqual({ phase: 'aborted', error });
    expect(seen.phases().at(-2)).toBe(phase);
  },
);

test('a consumer that takes its time can be paused as well', async () => {
  await using world = await World.open();
  const { upgrade, seen, server } = await scene(world, [serve()], { fetch: quick });
  await using _ = server;
  const chunks = upgrade.chunks({ chunkSize: 65_536 });
  await chunks.next();
  upgrade.pause();
  expect(upgrade.state).toEqual({ phase: 'paused' });
  upgrade.resume();
  expect(upgrade.state).toEqual({ phase: 'downloading' });
  await chunks.return();
  expect(seen.phases()).toEqual(['queued', 'downloading', 'paused', 'downloading', 'aborted']);
});
