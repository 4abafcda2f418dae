import { readFile, writeFile } from 'node:fs/promises';
import { Platform } from 'iotkit-ota-platform';
import { imageOf } from '../../support/image';
import { freePorts } from '../../support/ports';
import { Program, reached, settingsOf, startsOf, writeSettings } from '../../support/program';
import { type Registered, World } from '../../support/world';

// examples/ts/robot.ts: modules with versions, targets and upgrades of their own.

const SLOT_BYTES = 4_000_000;
const main = imageOf(2_000_003, 1);
const arm = Buffer.concat([Buffer.from('ARM1'), imageOf(700_001, 2)]);
const map = imageOf(300_007, 3);
const stall = { kind: 'http-stall', afterBytes: 1_200_000, times: 1 } as const;
const images = { default: main, arm, map } as const;
type Module = keyof typeof images;

async function begin(world: World, platform = world.platform) {
  const device = (await platform.devices.add({
    productKey: 'a1World',
    deviceName: 'lamp',
  })) as Registered;
  const file = await writeSettings(world, settingsOf({ platform }, device));
  await writeFile(world.path('slot.img'), Buffer.alloc(SLOT_BYTES));
  return (): Program => Program.start('robot', [file, world.directory]);
}

async function announce(platform: Platform, module: Module, data: Buffer = images[module]) {
  const { id: firmwareId } = await platform.firmware.add({
    productKey: 'a1World',
    version: '2.0.0',
    ...(module !== 'default' && { module }),
    data,
  });
  const all = { firmwareId, devices: ['lamp'], multiModule: true };
  return (await platform.upgrades.start(all)).id;
}

const slot = async (world: World): Promise<Buffer> =>
  (await readFile(world.path('slot.img'))).subarray(0, main.length);

test('updates its modules side by side, each to where it belongs', async () => {
  await using world = await World.open();
  const { platform } = world;
  const start = await begin(world);
  const steps: number[] = [];
  platform.on('progress', ({ module, step }) => {
    if (module === 'arm') steps.push(step);
  });
  const program = start();
  const ids = await Promise.all([
    announce(platform, 'default'),
    announce(platform, 'arm'),
    announce(platform, 'map'),
  ]);
  for (const id of ids) expect((await world.outcome(id)).state).toBe('succeeded');
  expect(main.equals(await slot(world))).toBe(true);
  expect(arm.equals(await readFile(world.path('arm.bin')))).toBe(true);
  expect(map.equals(await readFile(world.path('map.bin')))).toBe(true);
  expect(steps.at(-1)).toBe(90);
  expect(steps.filter((step) => step > 70)).toEqual([80, 90]);
  expect(platform.devices.get({ productKey: 'a1World', deviceName: 'lamp' })?.versions).toEqual({
    default: '2.0.0',
    arm: '2.0.0',
    map: '2.0.0',
  });
  expect(await program.stop('SIGTERM')).toEqual({ code: 0, signal: null });
});

test('reports that a module does not start, and updates the others', async () => {
  await using world = await World.open();
  const { platform } = world;
  const program = (await begin(world))();
  const bad = await announce(platform, 'arm', imageOf(100_003, 4));
  expect(await world.outcome(bad)).toMatchObject({
    state: 'failed',
    step: -1,
    desc: 'the arm does not start',
  });
  expect((await world.outcome(await announce(platform, 'map'))).state).toBe('succeeded');
  await program.stop('SIGTERM');
});

test.each([
  { signal: 'SIGTERM', ends: { code: 0, signal: null } },
  { signal: 'SIGKILL', ends: { code: null, signal: 'SIGKILL' } },
] as const)('goes on in the middle of the partition after $signal', async ({ signal, ends }) => {
  await using world = await World.open({ faults: [stall] });
  const start = await begin(world);
  const half = reached(world, 35); // half of the image, of which the whole is 70
  const first = start();
  const id = await announce(world.platform, 'default');
  await half;
  expect(await first.stop(signal)).toEqual(ends);

  const starts = startsOf(world);
  const second = start();
  expect((await world.outcome(id)).state).toBe('succeeded');
  expect(starts.at(-1)).toBeGreaterThan(0.5 * main.length - 131_072);
  expect(main.equals(await slot(world))).toBe(true);
  await second.stop('SIGTERM');
});

test('outlasts a restart of broker and firmware server in mid-download', async () => {
  const [tlsPort = 0, port = 0] = await freePorts(2);
  await using world = await World.open();
  const options = { stateDir: world.path('platform'), mqtt: { tlsPort }, http: { tlsPort: port } };
  const before = await Platform.start({ ...options, faults: [stall] });
  const program = (await begin(world, before))();
  const half = before.waitFor('progress', ({ step }) => step >= 35);
  const id = await announce(before, 'default');
  await half;
  await before.close();

  await using platform = await Platform.start(options);
  const { tasks } = await platform.upgrades.settled(id);
  expect(tasks[0]?.state).toBe('succeeded');
  expect(main.equals(await slot(world))).toBe(true);
  await program.stop('SIGTERM');
});
