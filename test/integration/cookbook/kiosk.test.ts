import { readdir, readFile, readlink } from 'node:fs/promises';
import { imageOf } from '../../support/image';
import { Program, reached, settingsOf, startsOf, writeSettings } from '../../support/program';
import { nextUpgrade, World } from '../../support/world';

// examples/ts/kiosk.ts: content of several files, fetched while nobody looks and shown all at once.

const pictures = imageOf(1_500_003, 1);
const page = imageOf(3001, 2);
const stall = { kind: 'http-stall', afterBytes: 1_200_000, times: 1 } as const;

interface Scene {
  readonly start: () => Program;
  readonly announce: (version: string, deviceName?: string) => Promise<string>;
  /** What is shown: the edition and its files. */
  readonly shown: () => Promise<readonly string[]>;
}

async function begin(world: World): Promise<Scene> {
  const file = await writeSettings(world, settingsOf(world, await world.register()));
  return {
    start: () => Program.start('kiosk', [file, world.path('content')]),
    announce: async (version, deviceName = 'lamp') => {
      const { id: firmwareId } = await world.platform.firmware.add({
        productKey: 'a1World',
        version,
        signMethod: 'SHA256',
        allowSameVersion: true,
        files: [
          { name: 'pictures.bin', data: pictures },
          { name: 'index.html', data: page },
        ],
      });
      return (await world.platform.upgrades.start({ firmwareId, devices: [deviceName] })).id;
    },
    shown: async () => [
      await readlink(world.path('content/current')),
      ...(await readdir(world.path('content/current'))).toSorted(),
    ],
  };
}

test('shows a new edition when its files are there, and clears the old one away', async () => {
  await using world = await World.open();
  const { start, announce, shown } = await begin(world);
  const program = start();
  await program.says(/^online$/m);
  expect((await world.outcome(await announce('2'))).state).toBe('succeeded');
  await program.says(/^showing 2$/m);
  expect(await shown()).toEqual(['v2', 'index.html', 'pictures.bin']);

  expect((await world.outcome(await announce('3'))).state).toBe('succeeded');
  await program.says(/^showing 3$/m);
  expect(await shown()).toEqual(['v3', 'index.html', 'pictures.bin']);
  expect((await readdir(world.path('content'))).toSorted()).toEqual(['current', 'v3']);
  expect(pictures.equals(await readFile(world.path('content/current/pictures.bin')))).toBe(true);
  expect(await program.stop('SIGTERM')).toEqual({ code: 0, signal: null });
});

test('an edition of a single image is shown as well', async () => {
  await using world = await World.open();
  const { start, shown } = await begin(world);
  const program = start();
  const { id: firmwareId } = await world.store(page, { version: '2' });
  const { id } = await world.platform.upgrades.start({ firmwareId, devices: ['lamp'] });
  expect((await world.outcome(id)).state).toBe('succeeded');
  expect(await shown()).toEqual(['v2', 'content.bin']);
  await program.stop('SIGTERM');
});

test.each(['..', 'current'])('a version called %s stays among the editions', async (version) => {
  await using world = await World.open();
  const { start, announce, shown } = await begin(world);
  const program = start();
  expect((await world.outcome(await announce(version))).state).toBe('succeeded');
  expect(await shown()).toEqual([`v${version}`, 'index.html', 'pictures.bin']);
  expect((await world.files()).toSorted()).toEqual(['content', 'settings.json']);
  await program.stop('SIGTERM');
});

test('fetches and shows nothing while somebody stands before it', async () => {
  await using world = await World.open();
  const { start, announce } = await begin(world);
  const program = start();
  program.hears('busy');
  await program.says(/^online$/m);
  let isIdle = false;
  const fetched = reached(world, 99).then(() => isIdle);
  const begun = reached(world, 0);
  const id = await announce('2');
  await begun;
  // Meanwhile another kiosk fetches the same edition to its end.
  const other = await world.connect(await world.register('other'));
  await world.report(other, '1');
  await announce('2', 'other');
  await (await nextUpgrade(other)).download(world.path('other'));
  await world.report(other, '2');
  isIdle = true;
  program.hears('idle');
  expect(await fetched).toBe(true);
  expect((await world.outcome(id)).state).toBe('succeeded');
  await program.stop('SIGTERM');
});

test('goes on after a crash in the middle, and shows the old edition meanwhile', async () => {
  await using world = await World.open();
  const { start, announce, shown } = await begin(world);
  const first = start();
  await world.outcome(await announce('2'));
  world.platform.faults.set(stall);
  const half = reached(world, 50);
  const id = await announce('3');
  await half;
  await first.stop('SIGKILL');
  expect((await shown())[0]).toBe('v2');

  const starts = startsOf(world);
  const second = start();
  expect((await world.outcome(id)).state).toBe('succeeded');
  await second.says(/^showing 3$/m);
  expect(Math.max(...starts)).toBeGreaterThan(0.5 * pictures.length - 131_072);
  expect((await shown())[0]).toBe('v3');
  await second.stop('SIGTERM');
});

test('goes on showing the old edition when a file of the new one is damaged', async () => {
  await using world = await World.open();
  const { start, announce, shown } = await begin(world);
  const program = start();
  await world.outcome(await announce('2'));
  world.platform.faults.set({ kind: 'http-corrupt', offset: 100 });
  const id = await announce('3');
  expect(await world.outcome(id)).toMatchObject({ state: 'failed', step: -3 });
  await program.says(/^still showing 2: .*digest/m);
  expect((await shown())[0]).toBe('v2');
  world.platform.faults.clear();
  expect((await world.outcome(await announce('4'))).state).toBe('succeeded');
  await program.stop('SIGTERM');
});

test('calls for the service when its secret is wrong, and goes on trying', async () => {
  await using world = await World.open();
  const device = { ...(await world.register()), deviceSecret: 'wrong' };
  const file = await writeSettings(world, settingsOf(world, device));
  const program = Program.start('kiosk', [file, world.path('content')]);
  await program.says(/^please call the service$/m);
  expect(await program.stop('SIGTERM')).toEqual({ code: 0, signal: null });
});
