import { readFile } from 'node:fs/promises';
import { imageOf } from '../../support/image';
import { Program, reached, startsOf, writeSettings } from '../../support/program';
import { World } from '../../support/world';

// examples/ts/mqttjs.ts: a device whose connection is the program's own, by MQTT.js.

const image = imageOf(2_000_003);
const stall = { kind: 'http-stall', afterBytes: 1_200_000, times: 1 } as const;

async function prepare(world: World): Promise<() => Program> {
  const device = await world.register();
  const { mqttsUrl: url, ca } = world.platform;
  const file = await writeSettings(world, { ...device, url, ca });
  return () => Program.start('mqttjs', [file, world.directory]);
}

async function announce(world: World): Promise<string> {
  const { id: firmwareId } = await world.store(image);
  const { id } = await world.platform.upgrades.start({ firmwareId, devices: ['lamp'] });
  return id;
}

test('updates itself over the connection it has, and ends in order', async () => {
  await using world = await World.open();
  const start = await prepare(world);
  const upgradeId = await announce(world);
  const program = start();
  expect((await world.outcome(upgradeId)).state).toBe('succeeded');
  await program.says(/runs 2\.0\.0\n/);
  expect(image.equals(await readFile(world.path('firmware.bin')))).toBe(true);
  expect(await program.stop('SIGTERM')).toEqual({ code: 0, signal: null });
  // What MQTT.js says of the end of its connection may come after it.
  expect(program.output).toMatch(/connected\n.*closing\nclosed\n/s);

  const heard = world.platform.waitFor('version-reported', ({ version }) => version === '2.0.0');
  const again = start();
  await heard;
  expect(await again.stop('SIGINT')).toEqual({ code: 0, signal: null });
});

test('goes on where it was killed', async () => {
  await using world = await World.open({ faults: [stall] });
  const start = await prepare(world);
  const upgradeId = await announce(world);
  const half = reached(world, 50);
  const first = start();
  await half;
  await first.stop('SIGKILL');

  const starts = startsOf(world);
  const second = start();
  expect((await world.outcome(upgradeId)).state).toBe('succeeded');
  // That of the first one may be told as late.
  expect(starts.at(-1)).toBeGreaterThan(0.5 * image.length - 131_072);
  expect(await second.stop('SIGTERM')).toEqual({ code: 0, signal: null });
});

test('says how it is used', async () => {
  const program = Program.start('mqttjs', []);
  expect(await program.ended).toEqual({ code: 2, signal: null });
  expect(program.output).toContain('usage: mqttjs SETTINGS.json DIRECTORY');
});
