import path from 'node:path';
import { identityOf, nameOf } from '../support/hub';
import { imageOf } from '../support/image';
import { run } from '../support/process';
import { World } from '../support/world';

// Gateways that end in every way a program can end: by themselves, with the exit code that their way of
// ending has, and never by a signal.

const program = path.join(__dirname, 'children', 'gateway.cjs');
const image = imageOf(4_000_037);
const names = Array.from({ length: 60 }, (_, i) => `sensor-${i}`);

/** Runs a scenario as a gateway of sixty, of which an upgrade waits for the first. */
async function play(scenario: string, { stall = true, args = [] as string[] } = {}) {
  await using world = await World.open();
  const { platform } = world;
  const gateway = await world.register('hub');
  const subs = await Promise.all(names.map(async (name) => identityOf(await world.register(name))));
  await platform.gateways.add(gateway, names.map(nameOf));
  const { id: firmwareId } = await world.store(image);
  if (stall) platform.faults.set({ kind: 'http-stall', afterBytes: 1_000_000 });
  await platform.upgrades.start({ firmwareId, devices: ['sensor-0'] });
  const { code, stdout, stderr } = await run(process.execPath, [...args, program, scenario], {
    env: {
      ...process.env,
      GIVEN: JSON.stringify({
        gateway: identityOf(gateway),
        subs,
        url: platform.mqttsUrl,
        ca: platform.ca,
      }),
      TARGET: world.path('firmware.bin'),
    },
  });
  const said = stdout.split('\n').filter((line) => line.startsWith('{'));
  return { code, stderr, said: said.map((line): unknown => JSON.parse(line)) };
}

const idle = { transfers: 0, threads: 0, lent: 0, waiting: 0, holds: 0 };

test.each([
  'exit while they log in',
  'exit while they are logged in',
  'exit while one downloads',
  'exit while messages flow',
  'exit while the topology is asked for',
  'exit while one is closing',
  'end by itself with an unreferenced gateway',
])('%s', async (scenario) => {
  expect(await play(scenario)).toEqual({ code: 0, stderr: '', said: [] });
});

test('end by itself after close', async () => {
  expect(await play('end by itself after close')).toMatchObject({ code: 0, said: [idle] });
});

test('end by itself after closing during a download', async () => {
  const ended = await play('end by itself after closing during a download');
  expect(ended).toMatchObject({
    code: 0,
    said: [{ code: 'ERR_CLOSED' }, { threads: 0, holds: 0 }],
  });
});

test('stay while a sub-device of an unreferenced gateway downloads', async () => {
  const scenario = 'stay while a sub-device of an unreferenced gateway downloads';
  const ended = await play(scenario, { stall: false });
  expect(ended).toEqual({ code: 0, stderr: '', said: [{ size: image.length }] });
});

test('collect a closed sub-device', async () => {
  const ended = await play('collect a closed sub-device', { args: ['--expose-gc'] });
  expect(ended).toEqual({ code: 0, stderr: '', said: [{ collected: true }] });
});

test.each([
  'terminate a worker while they log in',
  'terminate a worker whose sub-devices are logged in',
  'terminate a worker whose sub-device downloads',
  'terminate a worker whose sub-device gets messages',
])('%s', async (scenario) => {
  const ended = await play(scenario);
  expect(ended).toMatchObject({ code: 0, stderr: '', said: [{ ...idle, devices: 0 }] });
});
