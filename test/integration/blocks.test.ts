import { readFile } from 'node:fs/promises';
import { IotkitError, type Upgrade } from 'iotkit-ota';
import type { Fault } from 'iotkit-ota-platform';
import { imageOf } from '../support/image';
import { World } from '../support/world';

// Images that come in blocks over the device's own MQTT connection, to one who need not know it.

const image = imageOf(700_001);
const quick = {
  reconnect: { min: 1, max: 10 },
  fetch: { retry: { min: 1, max: 5 }, responseTimeout: 500, idleTimeout: 500 },
};

const announce = (world: World, signMethod: 'MD5' | 'SHA256' = 'SHA256') =>
  world.announce(image, { protocol: 'mqtt', connect: quick, firmware: { signMethod } });

async function expectWhole(target: string): Promise<void> {
  expect(image.equals(await readFile(target))).toBe(true);
}

const codeOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => 'no error',
    (error: unknown) => (IotkitError.is(error) ? error.code : error),
  );

test.each(['MD5', 'SHA256'] as const)('an upgrade in blocks, %s', async (signMethod) => {
  await using world = await World.open();
  const { device, upgrade, upgradeId } = await announce(world, signMethod);
  expect(upgrade.size).toBe(image.length);
  const target = world.path('firmware.bin');
  await upgrade.download(target);
  await expectWhole(target);
  await world.report(device, '2.0.0');
  expect(await world.outcome(upgradeId)).toMatchObject({ state: 'succeeded' });
});

test('its chunks are the image', async () => {
  await using world = await World.open();
  const { upgrade } = await announce(world);
  const chunks: Uint8Array[] = [];
  for await (const chunk of upgrade) chunks.push(chunk);
  expect(image.equals(Buffer.concat(chunks))).toBe(true);
});

const faults: readonly Fault[] = [
  { kind: 'mqtt-block-lost', skip: 1, times: 2 },
  { kind: 'mqtt-block-duplicate' },
  { kind: 'mqtt-block-corrupt', skip: 2, times: 3 },
  { kind: 'mqtt-block-error', times: 2 },
  { kind: 'mqtt-block-error', code: 429, skip: 1, times: 2 },
  { kind: 'mqtt-block-error', code: 400, skip: 3, times: 1 },
  { kind: 'mqtt-block-late', times: 3 },
  { kind: 'mqtt-block-patch', data: { bOffset: 1 }, times: 1 },
  { kind: 'mqtt-block-patch', data: { bSize: 1 }, times: 1 },
  { kind: 'mqtt-block-patch', data: { fileLength: 1 }, times: 1 },
  { kind: 'mqtt-block-patch', data: { bOffset: null }, times: 1 },
  { kind: 'mqtt-drop', on: 'publish', skip: 2, times: 2 },
];

test.each(faults.map((fault) => [JSON.stringify(fault), fault] as const))(
  'it survives %s',
  async (_name, fault) => {
    await using world = await World.open();
    const { upgrade } = await announce(world);
    const id = world.platform.faults.set(fault);
    const target = world.path('firmware.bin');
    await upgrade.download(target);
    await expectWhole(target);
    const record = world.platform.faults.list().find((it) => it.id === id);
    expect(record?.hits).toBeGreaterThan(0);
  },
);

/** Downloads until half of it is there. */
async function interrupt(upgrade: Upgrade, target: string): Promise<void> {
  const reason = new Error('interrupted');
  const onProgress = ({ received }: { readonly received: number }): void => {
    if (received > image.length / 2) upgrade.abort(reason);
  };
  await expect(upgrade.download(target, { onProgress })).rejects.toBe(reason);
}

test('it goes on where it was interrupted', async () => {
  await using world = await World.open();
  const { upgrade } = await announce(world);
  const target = world.path('firmware.bin');
  // No more than these come until it is interrupted, however fast they are.
  world.platform.faults.set({ kind: 'mqtt-block-lost', skip: 12 });
  await interrupt(upgrade, target);
  world.platform.faults.clear();
  const seen: number[] = [];
  await upgrade.download(target, { onProgress: ({ received }) => seen.push(received) });
  expect(seen[0]).toBeGreaterThan(image.length / 4);
  await expectWhole(target);
});

test('it is paused and goes on', async () => {
  await using world = await World.open();
  const { upgrade } = await announce(world);
  const target = world.path('firmware.bin');
  let paused = false;
  await upgrade.download(target, {
    onProgress: () => {
      if (paused) return;
      paused = true;
      upgrade.pause();
      setImmediate(() => upgrade.resume());
    },
  });
  expect(paused).toBe(true);
  await expectWhole(target);
});

test('a platform that refuses every block ends it', async () => {
  await using world = await World.open();
  const { upgrade, upgradeId } = await world.announce(image, {
    protocol: 'mqtt',
    connect: { fetch: { maxRetries: 1, retry: { min: 1, max: 1 } } },
  });
  world.platform.faults.set({ kind: 'mqtt-block-error', code: 404 });
  expect(await codeOf(upgrade.download(world.path('firmware.bin')))).toBe('ERR_BLOCK');
  expect(await world.outcome(upgradeId)).toMatchObject({ state: 'failed' });
});

test('a device that is closed meanwhile ends it', async () => {
  await using world = await World.open();
  const { device, upgrade } = await announce(world);
  world.platform.faults.set({ kind: 'mqtt-block-lost' });
  const ended = codeOf(upgrade.download(world.path('firmware.bin')));
  await device.close();
  expect(['ERR_CLOSED', 'ERR_ABORTED']).toContain(await ended);
});
