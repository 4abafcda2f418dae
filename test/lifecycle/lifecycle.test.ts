import path from 'node:path';
import type { Fault } from 'iotkit-ota-platform';
import { imageOf } from '../support/image';
import { run } from '../support/process';
import { World } from '../support/world';

// Programs that use the addon and end in every way a program can end. Each must end by itself, with
// the exit code that its way of ending has, and never by a signal.

const program = path.join(__dirname, 'children', 'device.cjs');
const image = imageOf(4_000_037);
/** The server stops in the middle, for as long as the client stays. */
const stall = { kind: 'http-stall', afterBytes: 1_000_000 } as const;

interface Ended {
  readonly code: number | null;
  readonly stderr: string;
  /** What it said. */
  readonly said: unknown[];
}

/** Runs a scenario as a device of its own, for which an upgrade waits. */
async function play(
  scenario: string,
  { fault = stall as Fault | null, args = [] as string[] } = {},
): Promise<Ended> {
  await using world = await World.open();
  const { platform } = world;
  const device = await world.register();
  // Companions of some scenarios, with the same secret.
  for (const suffix of ['w1', 'w2']) {
    await platform.devices.add({ ...device, deviceName: `${device.deviceName}-${suffix}` });
  }
  const { id: firmwareId } = await world.store(image);
  if (fault !== null) platform.faults.set({ ...fault, firmwareId });
  const devices = [device.deviceName, `${device.deviceName}-w1`];
  await platform.upgrades.start({ firmwareId, devices });
  const { productKey, deviceName, deviceSecret } = device;
  const identity = { productKey, deviceName, deviceSecret };
  const { code, stdout, stderr } = await run(process.execPath, [...args, program, scenario], {
    env: {
      ...process.env,
      DEVICE: JSON.stringify({ ...identity, url: platform.mqttsUrl, ca: platform.ca }),
      TARGET: world.path('firmware.bin'),
    },
  });
  const said = stdout.split('\n').filter((line) => line.startsWith('{'));
  return { code, stderr, said: said.map((line): unknown => JSON.parse(line)) };
}

const idle = { devices: 0, transfers: 0, threads: 0, lent: 0, waiting: 0 };

describe('process.exit()', () => {
  test.each([
    'exit at once',
    'exit while connecting',
    'exit with the first state',
    'exit in a state',
    'exit while reporting',
    'exit when an upgrade comes',
    'exit as a download starts',
    'exit during a download',
    'exit in onProgress',
    'exit during an iteration',
    'exit while a chunk is awaited',
    'exit while a download is paused',
    'exit while a writer writes',
    'exit while what is there is proven',
    'exit while a download waits for its turn',
    'exit while a download has given its place away',
    'exit while messages flow',
    'exit in an iteration over messages',
    'exit while closing',
    'exit after close',
    'exit of the main thread while workers download',
  ])('%s', async (scenario) => {
    expect(await play(scenario)).toEqual({ code: 0, stderr: '', said: [] });
  });

  test('exit while another URL is awaited', async () => {
    const ended = await play('exit while another URL is awaited', {
      fault: { kind: 'http-expired' },
    });
    expect(ended).toEqual({ code: 0, stderr: '', said: [] });
  });

  test.each(['throw while connected', 'throw during a download'])('%s', async (scenario) => {
    const { code, stderr } = await play(scenario);
    expect(stderr).toContain('Error: on purpose');
    expect(code).toBe(1);
  });
});

describe('a program ends by itself', () => {
  test('that only loads the package', async () => {
    expect(await play('end by itself without use')).toEqual({ code: 0, stderr: '', said: [] });
  });

  test.each(['end by itself after close', 'end by itself after two closes'])(
    '%s, with no thread left',
    async (scenario) => {
      const { code, said } = await play(scenario);
      expect(said).toMatchObject([
        { state: 'closed', threads: [], stats: { ...idle, devices: 1 } },
      ]);
      expect(code).toBe(0);
    },
  );

  test('whose device is unreferenced', async () => {
    const ended = await play('end by itself with an unreferenced device');
    expect(ended).toEqual({ code: 0, stderr: '', said: [] });
  });

  test('whose options were refused', async () => {
    const { code, said } = await play('end by itself with a refused option');
    expect(said).toEqual([{ code: 'ERR_INVALID_ARGUMENT' }]);
    expect(code).toBe(0);
  });

  test('whose secret was refused', async () => {
    const { code, said } = await play('end by itself after a refused secret');
    expect(said).toMatchObject([
      { code: 'ERR_MQTT_CREDENTIALS' },
      { threads: [], stats: { holds: 0 } },
    ]);
    expect(code).toBe(0);
  });

  test('that closes its device during a download', async () => {
    const { code, said } = await play('end by itself after closing during a download');
    expect(said).toMatchObject([
      { code: 'ERR_CLOSED' },
      { threads: [], files: true, stats: { threads: 0, holds: 0 } },
    ]);
    expect(code).toBe(0);
  });

  test('that closes its device while a download is paused', async () => {
    const { code, said } = await play('end by itself after closing while paused');
    expect(said).toMatchObject([
      { code: 'ERR_CLOSED' },
      { threads: [], files: true, stats: { threads: 0, holds: 0 } },
    ]);
    expect(code).toBe(0);
  });

  test('that closes its device while a writer writes', async () => {
    const { code, said } = await play('end by itself after closing while a writer writes');
    expect(said).toMatchObject([
      { aborted: true },
      { code: 'ERR_CLOSED' },
      { threads: [], files: false, stats: { threads: 0, holds: 0 } },
    ]);
    expect(code).toBe(0);
  });

  test('that closes its device while messages flow', async () => {
    const { code, said } = await play('end by itself after closing while messages flow');
    expect(said).toMatchObject([
      { code: 'ERR_CLOSED' },
      { threads: [], stats: { threads: 0, holds: 0 } },
    ]);
    expect(code).toBe(0);
  });

  test('that has left an iteration lying about', async () => {
    const ended = await play('end by itself with an iteration that nobody continues');
    expect(ended).toEqual({ code: 0, stderr: '', said: [] });
  });
});

describe('a program stays', () => {
  test('while a report of an unreferenced device is on its way', async () => {
    const scenario = 'stay while a report of an unreferenced device is on its way';
    expect(await play(scenario)).toEqual({ code: 0, stderr: '', said: [{ reported: true }] });
  });

  test('while an unreferenced device downloads', async () => {
    const scenario = 'stay while an unreferenced device downloads';
    const { code, said } = await play(scenario, { fault: null });
    expect(said).toEqual([{ size: image.length }]);
    expect(code).toBe(0);
  });
});

describe('what is dropped is collected', () => {
  const args = ['--expose-gc'];

  test('an iteration half way, with its threads and buffers', async () => {
    const { code, said } = await play('collect a dropped iteration', { args });
    expect(said).toEqual([
      { threads: ['iotkit-io'], lent: 0 },
      { code: 'ERR_ABORTED' },
      { again: true },
    ]);
    expect(code).toBe(0);
  });

  test('upgrades nobody wanted', async () => {
    const { code, said } = await play('collect upgrades', { args });
    expect(said).toEqual([{ threads: [] }]);
    expect(code).toBe(0);
  });

  test('a closed device', async () => {
    const { code, said } = await play('collect a closed device', { args });
    expect(said).toMatchObject([{ ...idle, holds: 0 }]);
    expect(code).toBe(0);
  });
});

describe('worker threads', () => {
  test.each([
    'terminate a worker while it connects',
    'terminate a worker that is connected',
    'terminate a worker during a download',
    'terminate a worker during an iteration',
    'terminate a worker whose download is paused',
    'terminate a worker whose writer writes',
    'terminate a worker that proves what is there',
    'terminate a worker while messages flow',
    'terminate a worker whose messages nobody takes',
  ])('%s', async (scenario) => {
    const { code, stderr, said } = await play(scenario);
    expect(said).toMatchObject([{ threads: [], stats: { ...idle, environments: 1 } }]);
    expect(stderr).toBe('');
    expect(code).toBe(0);
  });

  test('a worker exits during a download', async () => {
    const { code, said } = await play('exit in a worker during a download');
    expect(said).toMatchObject([{ code: 3, threads: [], stats: { ...idle, environments: 1 } }]);
    expect(code).toBe(0);
  });

  test('two workers and the main thread connect and close at once', async () => {
    const { code, said } = await play('two workers and the main thread at once');
    expect(said).toMatchObject([{ codes: [0, 0], threads: [], stats: { threads: 0 } }]);
    expect(code).toBe(0);
  });
});
