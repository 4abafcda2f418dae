import { readFile } from 'node:fs/promises';
import { Platform } from 'iotkit-ota-platform';
import { identityOf, nameOf } from '../../support/hub';
import { imageOf } from '../../support/image';
import { freePorts } from '../../support/ports';
import { Program, reached, settingsOf, startsOf, writeSettings } from '../../support/program';
import { PRODUCT_KEY, World } from '../../support/world';

// examples/ts/gateway.ts: a service that keeps the machines of a gateway current.

const image = imageOf(2_000_003);
const stall = { kind: 'http-stall', afterBytes: 1_200_000, times: 1 } as const;
const machines = ['press', 'saw'];

type Place = Pick<World, 'platform' | 'path'>;

/** Registers the gateway and its machines, and writes the settings of the program. */
async function begin(place: Place, names: readonly string[]): Promise<() => Program> {
  const { devices } = place.platform;
  const add = (deviceName: string) => devices.add({ productKey: PRODUCT_KEY, deviceName });
  const gateway = settingsOf(place, await add('hub'));
  const registered = await Promise.all(names.map(add));
  const file = await writeSettings(place, { gateway, machines: registered.map(identityOf) });
  return () => Program.start('gateway', [file, place.path('state')]);
}

async function announce(
  { platform }: Pick<World, 'platform'>,
  devices: readonly string[],
  version = '2.0.0',
) {
  const { id: firmwareId } = await platform.firmware.add({
    productKey: PRODUCT_KEY,
    version,
    data: image,
    signMethod: 'SHA256',
    allowSameVersion: true,
  });
  const { id } = await platform.upgrades.start({ firmwareId, devices });
  return id;
}

const installed = (world: World, machine: string): Promise<Buffer> =>
  readFile(world.path(`state/${machine}/firmware.bin`));

/** A platform that is started again at the same place. */
async function openPlace(world: World) {
  const [tlsPort = 0, port = 0] = await freePorts(2);
  const options = { stateDir: world.path('platform'), mqtt: { tlsPort }, http: { tlsPort: port } };
  return async (): Promise<Place & { readonly platform: Platform }> => ({
    platform: await Platform.start(options),
    path: world.path.bind(world),
  });
}

test('starts without a network, updates all machines, and ends at SIGTERM', async () => {
  await using world = await World.open();
  const open = await openPlace(world);
  const before = await open();
  const start = await begin(before, machines);
  await before.platform.close();

  const program = start();
  await program.says(/"message":"waiting","productKey":"a1World","deviceName":"hub","error"/);

  const place = await open();
  await using platform = place.platform;
  const id = await announce(place, machines);
  const { tasks } = await platform.upgrades.settled(id);
  expect(tasks.map(({ state }) => state)).toEqual(['succeeded', 'succeeded']);
  for (const name of machines) expect(image.equals(await installed(world, name))).toBe(true);
  expect(await program.stop('SIGTERM')).toEqual({ code: 0, signal: null });
});

test('a day in the life of a gateway: fifty machines, three upgrades, two restarts of the broker', async () => {
  await using world = await World.open();
  const open = await openPlace(world);
  const names = Array.from({ length: 50 }, (_, i) => `machine-${i}`);
  let place = await open();
  const start = await begin(place, names);
  const program = start();
  await program.says(/"message":"ready","machines":50/);
  const states = async (id: string): Promise<Set<string>> => {
    const { tasks } = await place.platform.upgrades.settled(id);
    return new Set(tasks.map(({ state }) => state));
  };
  /** What the program says of its machines when the platform asks. */
  const status = async (): Promise<
    Readonly<Record<string, { state: string; version: string }>>
  > => {
    const { payload } = await place.platform.messages.call({ ...nameOf('hub'), payload: '?' });
    return JSON.parse(Buffer.from(payload).toString());
  };
  const restart = async (): Promise<void> => {
    await place.platform.close();
    place = await open();
    const { platform } = place;
    await platform.waitFor('device-connected', ({ deviceName }) => deviceName === 'hub');
  };

  // Morning: all of them.
  expect(await states(await announce(place, names))).toEqual(new Set(['succeeded']));

  // The platform sends the gateway its settings.
  const { configs } = place.platform;
  await configs.set({ productKey: PRODUCT_KEY, data: '{"level":7}' });
  const pushed = await configs.push({ productKey: PRODUCT_KEY, devices: ['hub'] });
  expect(pushed).toMatchObject([{ deviceName: 'hub', state: 'accepted' }]);
  expect(await readFile(world.path('state/settings.json'), 'utf8')).toBe('{"level":7}');

  // Noon: the broker goes while some of them download.
  const half = names.slice(0, 10);
  place.platform.faults.set(stall);
  const under = await announce(place, half, '3.0.0');
  await program.says(/"message":"download started".*"version":"3\.0\.0"/);
  await restart();
  expect(await states(under)).toEqual(new Set(['succeeded']));

  // Evening: it goes before the upgrade comes.
  await restart();
  expect(await states(await announce(place, names.slice(5, 10), '4.0.0'))).toEqual(
    new Set(['succeeded']),
  );
  const all = await status();
  expect(Object.keys(all)).toHaveLength(50);
  expect([all['machine-0'], all['machine-7'], all['machine-49']]).toEqual([
    { state: 'connected', version: '3.0.0' },
    { state: 'connected', version: '4.0.0' },
    { state: 'connected', version: '2.0.0' },
  ]);
  expect(await program.stop('SIGTERM')).toEqual({ code: 0, signal: null });
  await place.platform.close();
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
  const gateway = settingsOf(world, await world.register('hub'));
  const file = await writeSettings(world, { gateway, machines: [] });
  const program = Program.start('gateway', [file, file]);
  expect(await program.ended).toMatchObject({ code: 1 });
  expect(program.output).toMatch(/"level":"error","message":"failed","error":".*EEXIST/);
});
