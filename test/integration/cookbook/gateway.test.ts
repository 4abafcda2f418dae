import { readFile } from 'node:fs/promises';
import { Platform } from 'iotkit-ota-platform';
import { imageOf } from '../../support/image';
import { freePorts } from '../../support/process';
import { Program, reached, settingsOf, startsOf, writeSettings } from '../../support/program';
import { World } from '../../support/world';

// examples/ts/gateway.ts: a service that keeps several machines current.

const image = imageOf(2_000_003);
const stall = { kind: 'http-stall', afterBytes: 1_200_000, times: 1 } as const;
const machines = ['press', 'saw'];

async function begin(world: World, devices: readonly string[]) {
  const registered = await Promise.all(devices.map((name) => world.register(name)));
  const settings = registered.map((device) => settingsOf(world, device));
  const file = await writeSettings(world, settings);
  return (): Program => Program.start('gateway', [file, world.path('state')]);
}

async function announce(world: World, devices: readonly string[], version = '2.0.0') {
  const { id: firmwareId } = await world.store(image, { version });
  const { id } = await world.platform.upgrades.start({ firmwareId, devices });
  return id;
}

const installed = (world: World, machine: string): Promise<Buffer> =>
  readFile(world.path(`state/${machine}/firmware.bin`));

test('starts without a network, updates all machines, and ends at SIGTERM', async () => {
  const [tlsPort = 0, port = 0] = await freePorts(2);
  await using world = await World.open();
  const options = { stateDir: world.path('platform'), mqtt: { tlsPort }, http: { tlsPort: port } };
  const before = await Platform.start(options);
  const place = { ...world, platform: before, path: world.path.bind(world) };
  const registered = await Promise.all(
    machines.map((deviceName) => before.devices.add({ productKey: 'a1World', deviceName })),
  );
  const settings = registered.map((device) => settingsOf(place, device));
  const file = await writeSettings(world, settings);
  await before.close();

  const program = Program.start('gateway', [file, world.path('state')]);
  await program.says(/"message":"waiting","productKey":"a1World","deviceName":"saw","error"/);

  await using platform = await Platform.start(options);
  const { id: firmwareId } = await platform.firmware.add({
    productKey: 'a1World',
    version: '2.0.0',
    data: image,
  });
  const { id } = await platform.upgrades.start({ firmwareId, devices: machines });
  const { tasks } = await platform.upgrades.settled(id);
  expect(tasks.map(({ state }) => state)).toEqual(['succeeded', 'succeeded']);
  for (const name of machines) expect(image.equals(await installed(world, name))).toBe(true);
  expect(await program.stop('SIGTERM')).toEqual({ code: 0, signal: null });
});

test.each([
  { signal: 'SIGTERM', ends: { code: 0, signal: null } },
  { signal: 'SIGKILL', ends: { code: null, signal: 'SIGKILL' } },
] as const)('goes on in the middle of an image after $signal', async ({ signal, ends }) => {
  await using world = await World.open({ faults: [stall] });
  const start = await begin(world, ['press']);
  const id = await announce(world, ['press']);
  const half = reached(world, 50, 'press');
  const first = start();
  await half;
  expect(await first.stop(signal)).toEqual(ends);
  expect(world.platform.upgrades.get(id)?.tasks[0]?.state).toBe('upgrading');

  const starts = startsOf(world);
  const second = start();
  expect((await world.outcome(id)).state).toBe('succeeded');
  expect(starts.at(-1)).toBeGreaterThan(0.5 * image.length - 131_072);
  expect(image.equals(await installed(world, 'press'))).toBe(true);
  await second.stop('SIGTERM');
});

test('outlasts a download that fails, and takes the next upgrade', async () => {
  await using world = await World.open({
    faults: [{ kind: 'http-status', status: 404, times: 1 }],
  });
  const start = await begin(world, ['press']);
  const program = start();
  const failed = await announce(world, ['press']);
  expect(await world.outcome(failed)).toMatchObject({ state: 'failed', step: -2 });
  const next = await announce(world, ['press'], '2.0.1');
  expect((await world.outcome(next)).state).toBe('succeeded');
  await program.stop('SIGTERM');
});

test('takes the same upgrade again when the platform tries it again', async () => {
  await using world = await World.open({ faults: [{ kind: 'http-corrupt', offset: 1, times: 1 }] });
  const start = await begin(world, ['press']);
  const program = start();
  const { id: firmwareId } = await world.store(image);
  const retry = { attempts: 1, delayMinutes: 0 } as const;
  const { id } = await world.platform.upgrades.start({ firmwareId, devices: ['press'], retry });
  const { state, history } = await world.outcome(id);
  expect(state).toBe('succeeded');
  expect(history.some(({ reason }) => reason === 'retry')).toBe(true);
  await program.stop('SIGTERM');
});

test('ends when it can do nothing, for its supervisor to start it again', async () => {
  await using world = await World.open();
  const device = await world.register();
  const file = await writeSettings(world, [settingsOf(world, device)]);
  const program = Program.start('gateway', [file, file]);
  expect(await program.ended).toMatchObject({ code: 1 });
  expect(program.output).toMatch(/"level":"error","message":"failed","error":".*ENOTDIR/);
});
