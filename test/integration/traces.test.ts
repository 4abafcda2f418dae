import { AsyncLocalStorage } from 'node:async_hooks';
import { tracingChannel } from 'node:diagnostics_channel';
import { type DownloadTrace, tracingNames, type Upgrade } from 'iotkit-ota';
import { serve } from '../support/fault-replies';
import { FaultServer, type Reply } from '../support/fault-server';
import { imageOf } from '../support/image';
import { announceServed } from '../support/served';
import { heardOn } from '../support/tracing';
import { World } from '../support/world';

// The tracing channel of downloads, as a program's tracer uses it.

const image = imageOf(300_007);
const half = serve({ after: 150_000, ending: 'stall' });
const tracing = tracingChannel<unknown, DownloadTrace>(tracingNames.download);

async function scene(world: World, ...replies: readonly Reply[]) {
  const server = await FaultServer.start({ image, schedule: [...replies] });
  const { upgrade } = await announceServed(world, server, image);
  return { server, upgrade };
}

async function aborted(upgrade: Upgrade, target: string): Promise<void> {
  const download = upgrade.download(target);
  download.catch(() => {});
  for await (const { received } of upgrade.progress()) if (received === 150_000) break;
  upgrade.abort('enough');
  await expect(download).rejects.toBe('enough');
}

test('a download that goes well, after one that was cancelled', async () => {
  await using world = await World.open();
  const { upgrade, server } = await scene(world, half, serve());
  await using _ = server;
  const target = world.path('a');
  const { version, size } = upgrade;
  const begun = { upgrade, module: undefined, version, size, targets: ['file'] };

  const cancelled = await heardOn(tracing, () => aborted(upgrade, target));
  const end = { ...begun, received: 150_000, resumed: 0, error: 'enough' };
  expect(cancelled).toEqual([
    ['start', begun],
    ['end', begun],
    ['error', end],
    ['asyncStart', end],
    ['asyncEnd', end],
  ]);

  const done = await heardOn(tracing, () => upgrade.download(target));
  const complete = { ...begun, received: size, resumed: 150_000, result: undefined };
  expect(done).toEqual([
    ['start', begun],
    ['end', begun],
    ['asyncStart', complete],
    ['asyncEnd', complete],
  ]);
});

test('an iteration is traced from its first chunk to its outcome, a refused call as an error', async () => {
  await using world = await World.open();
  const { upgrade, server } = await scene(world, serve());
  await using _ = server;
  let busy: unknown;
  const heard = await heardOn(tracing, async () => {
    const chunks = upgrade.chunks({ chunkSize: 65_536 });
    await chunks.next();
    busy = await upgrade.download(world.path('a')).catch((error) => error);
    for await (const _ of chunks);
  });
  expect(busy).toMatchObject({ code: 'ERR_BUSY' });
  const told = heard.filter(([event]) => event !== 'end' && event !== 'asyncStart');
  expect(told).toMatchObject([
    ['start', { targets: ['chunks'] }],
    ['start', { targets: ['file'] }],
    ['error', { targets: ['file'], error: busy }],
    ['asyncEnd', { targets: ['file'], error: busy }],
    ['asyncEnd', { targets: ['chunks'], received: image.length, resumed: 0 }],
  ]);
});

test('an image that is not the announced one is an error, and nothing is unhandled', async () => {
  await using world = await World.open();
  const { upgrade, server } = await scene(world, serve({ corruptAt: 3 }));
  await using _ = server;
  const heard = await heardOn(tracing, async () => {
    const taken = (async () => {
      for await (const _ of upgrade);
    })();
    await expect(taken).rejects.toMatchObject({ code: 'ERR_DIGEST_MISMATCH' });
  });
  expect(heard.find(([event]) => event === 'error')).toMatchObject([
    'error',
    { targets: ['chunks'], error: { code: 'ERR_DIGEST_MISMATCH' } },
  ]);
});

test('a store that a tracer binds holds in a writer, in onProgress and for listeners', async () => {
  await using world = await World.open();
  const { upgrade, server } = await scene(world, serve());
  await using _ = server;
  const spans = new AsyncLocalStorage<string>();
  const channel = tracing.start as unknown as {
    bindStore(store: object, transform: (context: DownloadTrace) => string): void;
    unbindStore(store: object): void;
  };
  const seen = new Set<string>();
  const note = (where: string) => () => void seen.add(`${where}: ${spans.getStore()}`);
  upgrade.on('state', note('state'));
  channel.bindStore(spans, ({ version }) => `span of ${version}`);
  try {
    await upgrade.download({ write: note('write') }, { onProgress: note('onProgress') });
    for await (const _ of upgrade.chunks({ onProgress: note('onProgress of chunks') }));
  } finally {
    channel.unbindStore(spans);
  }
  const where = ['onProgress of chunks', 'onProgress', 'state', 'write'];
  expect([...seen].sort()).toEqual(where.map((it) => `${it}: span of ${upgrade.version}`));
});
