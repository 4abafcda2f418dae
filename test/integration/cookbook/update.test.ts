import { readFile } from 'node:fs/promises';
import { imageOf } from '../../support/image';
import { freePorts } from '../../support/ports';
import { Program, reached, settingsOf, startsOf, writeSettings } from '../../support/program';
import { World } from '../../support/world';

// examples/ts/update.ts: a command that looks for an update and ends.

const image = imageOf(2_000_003);
const stall = { kind: 'http-stall', afterBytes: 1_200_000, times: 1 } as const;

interface Scene {
  readonly upgradeId: string;
  readonly start: () => Program;
}

async function prepare(world: World, announced = true): Promise<Scene> {
  const device = await world.register();
  const file = await writeSettings(world, settingsOf(world, device));
  const start = (): Program =>
    Program.start('update', ['--version', '1.0.0', '--output', world.path('firmware.bin'), file]);
  if (!announced) return { upgradeId: '', start };
  const { id: firmwareId } = await world.store(image);
  const { id } = await world.platform.upgrades.start({ firmwareId, devices: ['lamp'] });
  return { upgradeId: id, start };
}

test('fetches the upgrade and reports the new version', async () => {
  await using world = await World.open();
  const { start, upgradeId } = await prepare(world);
  const program = start();
  expect(await program.ended).toMatchObject({ code: 0 });
  expect((await world.outcome(upgradeId)).state).toBe('succeeded');
  expect(image.equals(await readFile(world.path('firmware.bin')))).toBe(true);
  expect(program.output).toMatch(/1\.0\.0 → 2\.0\.0\n.*100% of 2\.0 MB.*firmware\.bin is 2\.0\.0/s);
});

test('says that there is none', async () => {
  await using world = await World.open();
  const { start } = await prepare(world, false);
  const program = start();
  expect(await program.ended).toMatchObject({ code: 4 });
  expect(program.output).toBe('1.0.0 is current\n');
});

test.each([
  { signal: 'SIGKILL', ends: { code: null, signal: 'SIGKILL' } },
  { signal: 'SIGINT', ends: { code: 130, signal: null } },
  { signal: 'SIGTERM', ends: { code: 130, signal: null } },
] as const)('goes on where $signal has ended it', async ({ signal, ends }) => {
  await using world = await World.open({ faults: [stall] });
  const { start, upgradeId } = await prepare(world);
  const half = reached(world, 50);
  const first = start();
  await half;
  expect(await first.stop(signal)).toEqual(ends);

  const starts = startsOf(world);
  const second = start();
  expect(await second.ended).toMatchObject({ code: 0 });
  expect((await world.outcome(upgradeId)).state).toBe('succeeded');
  expect(starts.at(-1)).toBeGreaterThan(0.5 * image.length - 131_072);
  expect(image.equals(await readFile(world.path('firmware.bin')))).toBe(true);
});

test.each([
  { fault: { kind: 'http-status', status: 404 }, step: -2, says: /404/, code: 1 },
  { fault: { kind: 'http-corrupt', offset: 5000 }, step: -3, says: /digest/, code: 1 },
] as const)('a download that fails with $says ends it with $code', async (it) => {
  await using world = await World.open({ faults: [it.fault] });
  const { start, upgradeId } = await prepare(world);
  const program = start();
  expect(await program.ended).toMatchObject({ code: it.code });
  expect(await world.outcome(upgradeId)).toMatchObject({ state: 'failed', step: it.step });
  expect(program.output).toMatch(it.says);
  expect(await world.files()).toEqual(['settings.json']);
});

test('says that it may succeed later where nobody listens', async () => {
  await using world = await World.open();
  const device = await world.register();
  const [port] = await freePorts(1);
  const nowhere = { url: `mqtts://127.0.0.1:${port}`, connectTimeout: 100 };
  await writeSettings(world, { ...settingsOf(world, device), ...nowhere });
  const args = ['--version', '1.0.0', '--output', world.path('x'), world.path('settings.json')];
  expect(await Program.start('update', args).ended).toMatchObject({ code: 3 });
});

test('says how it is used', async () => {
  const program = Program.start('update', ['--version', '1.0.0']);
  expect(await program.ended).toMatchObject({ code: 2 });
  expect(program.output).toMatch(/^usage: update/);
});
