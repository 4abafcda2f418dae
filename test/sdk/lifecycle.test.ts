import path from 'node:path';
import { imageOf } from '../support/image';
import { run } from '../support/process';
import { PRODUCT_KEY, SdkWorld } from './support';

// Programs over iotkit-ota/sdk that end in every way. Each must end by itself, with the exit code
// that its way of ending has, and never by a signal.

const program = path.join(__dirname, 'children', 'program.cjs');
const image = imageOf(1_000_003);

interface Ended {
  readonly code: number | null;
  readonly stderr: string;
  readonly said: unknown[];
}

/** Runs a scenario as a device for which an upgrade waits, whose server stops in the middle. */
async function play(scenario: string, args: readonly string[] = []): Promise<Ended> {
  await using world = await SdkWorld.open();
  const key = await world.register();
  const { firmwareId } = await world.upgrade(image);
  world.platform.faults.set({ kind: 'http-stall', afterBytes: 100_000, firmwareId });
  const { code, stdout, stderr } = await run(process.execPath, [...args, program, scenario], {
    env: {
      ...process.env,
      PARAMS: JSON.stringify(world.params(key)),
      DEVICE: JSON.stringify({ productKey: PRODUCT_KEY, deviceName: 'lamp' }),
    },
  });
  const said = stdout.split('\n').filter((line) => line.startsWith('{'));
  return { code, stderr, said: said.map((line): unknown => JSON.parse(line)) };
}

const well = (said: unknown[]) => ({ code: 0, stderr: '', said });
const idle = { threads: 0, holds: 0 };

describe('process.exit()', () => {
  test.each([
    'exit while constructing',
    'exit while constructing with nobody who answers',
    'exit when constructed',
    'exit while yielding',
    'exit in a callback',
    'exit while fetching',
    'exit while fetching and yielding',
    'exit while closing',
    'exit of the main thread while a worker fetches',
  ])('%s', async (scenario) => {
    expect(await play(scenario)).toEqual(well([]));
  });

  test('throw in a callback', async () => {
    const { code, stderr } = await play('throw in a callback');
    expect(stderr).toContain('Error: on purpose');
    expect(code).toBe(1);
  });
});

describe('a program', () => {
  test('ends by itself when all is closed, with no thread left', async () => {
    const { code, stderr, said } = await play('end by itself when closed');
    expect(said[0]).toEqual({ codes: [0, 0, 0] });
    expect(said[1]).toEqual(idle);
    expect([code, stderr]).toEqual([0, '']);
  });

  test('ends by itself with open handles, when no call is under way', async () => {
    expect(await play('end by itself with open handles')).toEqual(well([]));
  });

  test('stays while a call is under way', async () => {
    expect(await play('stay while a call is under way')).toEqual(well([{ result: 0 }]));
  });
});

describe('the collector', () => {
  const args = ['--expose-gc'];

  test('closes handles that were dropped, and their threads end', async () => {
    expect(await play('collect dropped handles', args)).toEqual(well([idle]));
  });

  test('leaves a client that an OTA handle uses', async () => {
    const scenario = 'keep a client while its OTA handle is there';
    expect(await play(scenario, args)).toEqual(well([{ result: 1000 }]));
  });

  test('leaves a handle whose call is under way', async () => {
    const scenario = 'keep a handle while its call is under way';
    expect(await play(scenario, args)).toEqual(well([{ events: [3] }]));
  });
});

describe('worker threads', () => {
  test.each([
    'terminate a worker while it constructs',
    'terminate a worker while it yields',
    'terminate a worker while it fetches',
    'terminate a worker with idle handles',
  ])('%s', async (scenario) => {
    expect(await play(scenario)).toEqual(well([idle]));
  });
});
