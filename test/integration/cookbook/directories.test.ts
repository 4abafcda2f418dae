import { execFileSync } from 'node:child_process';
import { chmod, mkdir, readFile, readlink, symlink, writeFile } from 'node:fs/promises';
import { Program, settingsOf, writeSettings } from '../../support/program';
import { World } from '../../support/world';

// examples/ts/directories.ts: an application whose releases are directories, kept current by a service beside it.

interface Scene {
  readonly start: () => Program;
  /** Announces a release; one of them is not healthy. Resolves with the id of the upgrade. */
  readonly announce: (version: string, health?: 'healthy' | 'sick') => Promise<string>;
  /** What the supervisor has started last. */
  readonly running: () => Promise<string>;
  readonly current: () => Promise<string>;
}

async function begin(world: World): Promise<Scene> {
  const root = world.path('app');
  const script = async (name: string, text: string): Promise<string> => {
    await writeFile(world.path(name), `#!/bin/sh\n${text}\n`);
    await chmod(world.path(name), 0o755);
    return world.path(name);
  };
  await mkdir(`${root}/releases/1.0.0`, { recursive: true });
  await writeFile(`${root}/releases/1.0.0/version`, '1.0.0');
  await symlink('releases/1.0.0', `${root}/current`);
  const restart = await script('restart', `cp ${root}/current/version ${world.path('running')}`);
  const check = await script(
    'check',
    `test ! -e ${root}/current/sick || { echo it is sick; exit 1; }`,
  );
  const file = await writeSettings(world, settingsOf(world, await world.register()));
  return {
    start: () =>
      Program.start('directories', [file, root, world.path('data'), '50', check, '--', restart]),
    announce: async (version, health = 'healthy') => {
      const source = world.path(`release-${version}`);
      await mkdir(source);
      await writeFile(`${source}/version`, version);
      if (health === 'sick') await writeFile(`${source}/sick`, '');
      const data = execFileSync('tar', ['-cz', '-C', source, '.']);
      const { id: firmwareId } = await world.store(data, { version });
      return (await world.platform.upgrades.start({ firmwareId, devices: ['lamp'] })).id;
    },
    running: () => readFile(world.path('running'), 'utf8'),
    current: () => readlink(`${root}/current`),
  };
}

test('a release is unpacked, started, proven, confirmed and reported', async () => {
  await using world = await World.open();
  const { start, announce, running, current } = await begin(world);
  const reported = world.platform.waitFor('version-reported', ({ version }) => version === '1.0.0');
  const program = start();
  await reported;
  const { state, history } = await world.outcome(await announce('2.0.0'));
  expect(state).toBe('succeeded');
  expect(history.length).toBeGreaterThan(1);
  expect(await running()).toBe('2.0.0');
  expect(await current()).toBe('releases/2.0.0');
  await program.says(/^2\.0\.0 confirmed$/m);
  expect(await program.stop('SIGTERM')).toEqual({ code: 0, signal: null });
});

test('a release that is not healthy: the one before runs again, and the platform shows why', async () => {
  await using world = await World.open();
  const { start, announce, running, current } = await begin(world);
  const reported = world.platform.waitFor('version-reported', ({ version }) => version === '1.0.0');
  const program = start();
  await reported;
  const upgrade = announce('2.0.0', 'sick');
  // It would be tried for ten minutes; the one who watches is sooner.
  await program.says(/^2\.0\.0 trial$/m);
  expect(await running()).toBe('2.0.0');
  expect(await program.stop('SIGKILL')).toMatchObject({ signal: 'SIGKILL' });
  for (const _ of ['second', 'third']) {
    const again = start();
    await again.says(/^2\.0\.0 trial$/m);
    await again.stop('SIGKILL');
  }
  const last = start();
  const { state, desc } = await world.outcome(await upgrade);
  expect({ state, desc }).toEqual({
    state: 'failed',
    desc: 'releases/2.0.0 was not healthy within 3 starts',
  });
  await last.says(/^2\.0\.0 rolledBack /m);
  expect(await running()).toBe('1.0.0');
  expect(await current()).toBe('releases/1.0.0');
  expect((await world.outcome(await announce('2.1.0'))).state).toBe('succeeded');
  expect(await running()).toBe('2.1.0');
  await last.stop('SIGTERM');
});

test('killed between the steps, it goes on where it was', async () => {
  await using world = await World.open();
  const { start, announce, running } = await begin(world);
  const reported = world.platform.waitFor('version-reported', ({ version }) => version === '1.0.0');
  let program = start();
  await reported;
  const outcome = world.outcome(await announce('2.0.0'));
  for (const phase of ['installing', 'installed', 'activated']) {
    // Between its words and its end it may have come further, to the end even, and of that the next one says nothing.
    const said = program.says(new RegExp(`^2\\.0\\.0 (${phase}|confirmed)$`, 'm'));
    await Promise.race([said, outcome]);
    await program.stop('SIGKILL');
    await said.catch(() => {});
    program = start();
  }
  expect((await outcome).state).toBe('succeeded');
  expect(await running()).toBe('2.0.0');
  await program.stop('SIGTERM');
});
