import { AsyncLocalStorage } from 'node:async_hooks';
import diagnostics from 'node:diagnostics_channel';
import { channelNames } from 'iotkit-ota';
import { imageOf } from '../support/image';
import { nextUpgrade, World } from '../support/world';

// An AsyncLocalStorage holds in all that the package calls of the user's, although a thread of the
// addon is where it comes from.

const image = imageOf(2_000_003);
const storage = new AsyncLocalStorage<string>();

/** The stores that were seen, by where they were. */
function notes() {
  const seen: Record<string, Set<unknown>> = {};
  const note = (where: string): void => {
    seen[where] ??= new Set();
    seen[where].add(storage.getStore());
  };
  return { seen, note };
}

test('in onProgress, in a writer, in iterations', async () => {
  await using world = await World.open();
  const { upgrade } = await world.announce(image);
  const { seen, note } = notes();
  await storage.run('file', () =>
    upgrade.download(world.path('firmware.bin'), { onProgress: () => note('file') }),
  );
  await storage.run('writer', () =>
    upgrade.download(
      { write: () => note('writer'), close: () => note('writer') },
      { onProgress: () => note('writer') },
    ),
  );
  await storage.run('chunks', async () => {
    for await (const _ of upgrade.chunks({ onProgress: () => note('chunks') })) note('chunks');
  });
  const progress = storage.run('progress', async () => {
    for await (const _ of upgrade.progress()) note('progress');
  });
  await storage.run('other', () => upgrade.download(world.path('other.bin')));
  await progress;
  expect(seen).toEqual(
    Object.fromEntries(Object.keys(seen).map((where) => [where, new Set([where])])),
  );
  expect(Object.keys(seen).sort()).toEqual(['chunks', 'file', 'progress', 'writer']);
});

test('in onProgress while another download has another store', async () => {
  await using world = await World.open();
  const one = await world.announce(image, { deviceName: 'one' });
  const two = await world.announce(image, { deviceName: 'two', firmware: { version: '2.0.1' } });
  const seen = { one: new Set<unknown>(), two: new Set<unknown>() };
  const run = (name: 'one' | 'two', { upgrade }: typeof one): Promise<void> =>
    storage.run(name, () =>
      upgrade.download(world.path(name), {
        onProgress: () => seen[name].add(storage.getStore()),
      }),
    );
  await Promise.all([run('one', one), run('two', two)]);
  expect(seen).toEqual({ one: new Set(['one']), two: new Set(['two']) });
});

test('on the diagnostics channels: of whoever connected, and of whoever downloads', async () => {
  const { seen, note } = notes();
  const listeners = Object.values(channelNames).map((name) => {
    const listener = (): void => note(name);
    diagnostics.subscribe(name, listener);
    return (): boolean => diagnostics.unsubscribe(name, listener);
  });
  try {
    await using world = await World.open();
    const { upgrade } = await storage.run('connect', () => world.announce(image));
    await storage.run('download', () => upgrade.download(world.path('firmware.bin')));
    await storage.run('chunks', async () => {
      for await (const _ of upgrade) break;
    });
  } finally {
    for (const stop of listeners) stop();
  }
  expect(seen[channelNames.upgrade]).toEqual(new Set(['connect']));
  expect(seen[channelNames.downloadStart]).toEqual(new Set(['download', 'chunks']));
  expect(seen[channelNames.downloadEnd]).toEqual(new Set(['download', 'chunks']));
  // Closing is another call, made outside.
  expect(seen[channelNames.state]).toEqual(new Set(['connect', undefined]));
});

test('allowVersion has the store of connect()', async () => {
  await using world = await World.open();
  const seen: unknown[] = [];
  const device = await world.register();
  const { id: firmwareId } = await world.store(image);
  await world.platform.upgrades.start({ firmwareId, devices: [device.deviceName] });
  const allowVersion = (): boolean => {
    seen.push(storage.getStore());
    return true;
  };
  const connected = await storage.run('connect', () =>
    world.connect(device, { verify: { allowVersion } }),
  );
  const upgrade = nextUpgrade(connected);
  await connected.ota.reportVersion('1.0.0');
  await upgrade;
  expect(new Set(seen)).toEqual(new Set(['connect']));
});
