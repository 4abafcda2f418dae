import { randomInt } from 'node:crypto';
import { mkdtemp, readdir } from 'node:fs/promises';
import path from 'node:path';
import { imageOf } from '../support/image';
import { run } from '../support/process';
import { type Registered, World } from '../support/world';

// Busy programs that end at random moments. SEED repeats one of them, ROUNDS makes it more.

const program = path.join(__dirname, 'children', 'busy.cjs');
const rounds = Number(process.env.ROUNDS ?? 12);
const first = Number(process.env.SEED ?? randomInt(2 ** 31 - rounds));
const seeds = Array.from({ length: rounds }, (_, i) => first + i);

let world: World;
let devices: Registered[];

beforeEach(async () => {
  world = await World.open();
  devices = await Promise.all(['d0', 'd1', 'd2', 'd3'].map((name) => world.register(name)));
  const { id: firmwareId } = await world.store(imageOf(3_000_017));
  await world.platform.upgrades.start({
    firmwareId,
    devices: devices.map(({ deviceName }) => deviceName),
  });
});
afterEach(() => world[Symbol.asyncDispose]());

test.each(seeds)('a busy program ends well, seed %i', async (seed) => {
  const folder = await mkdtemp(world.path('busy-'));
  const { mqttsUrl: url, ca } = world.platform;
  const { code, signal, stdout, stderr } = await run(process.execPath, [program, String(seed)], {
    env: { ...process.env, DEVICES: JSON.stringify({ url, ca, devices }), FOLDER: folder },
  });
  if (signal !== null) throw new Error(`it was ended by ${signal}: ${stderr}`);
  const failing = /^(throw|reject)\n/.test(stdout);
  expect({ code, stderr }).toEqual({
    code: failing ? 1 : 7,
    stderr: failing ? expect.stringContaining('Error: on purpose') : '',
  });
  // What may go on another time stays, and nothing else.
  const left = await readdir(folder);
  const names = devices.flatMap(({ deviceName }) =>
    ['', '.2'].flatMap((copy) =>
      ['', '.part', '.part.journal'].map((end) => deviceName + copy + end),
    ),
  );
  expect(names).toEqual(expect.arrayContaining(left));
});
