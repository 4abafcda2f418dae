import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createUpdateAgent } from '../../../lib/install/agent';
import { directoriesInstaller } from '../../../lib/install/backends/directories';
import { slotsInstaller } from '../../../lib/install/backends/slots';
import type { Installer } from '../../../lib/install/installer';
import { FakePlatform } from '../../../lib/testing/fake-platform';
import {
  begin,
  isReported,
  life,
  machine,
  reached,
  serviceOf,
  start,
  task,
  untilReported,
  useMachine,
} from '../../support/running-agent';
import { imageOf, SimulatedMachine } from '../../support/simulated-machine';

useMachine();

test('announced, downloaded, installed, restarted, confirmed, reported', async () => {
  const upgrade = task();
  const agent = await start(upgrade);
  const phases: string[] = [];
  agent.on('state', ({ phase }) => phases.push(phase));
  await life.power.cut;
  expect(phases).toEqual(['downloaded', 'installing', 'installed', 'installed', 'activated']);
  const percents = life.platform.steps.map(({ step }) => step);
  expect(percents).toEqual([...percents].sort((a, b) => a - b));
  expect(percents).toContain(70);
  expect(Math.max(...percents)).toBeLessThanOrEqual(99);
  expect(await untilReported(upgrade)).toMatchObject({
    phase: 'confirmed',
    version: '2.0.0',
    slotFrom: 'A',
    slotTo: 'B',
  });
  expect(upgrade.state).toBe('succeeded');
  expect(life.platform.versions.map(({ version }) => version)).toEqual(['2.0.0']);
  expect(life.platform.steps.every(({ step }) => step >= 0)).toBe(true);
  expect(life.errors).toEqual([]);
});

test('an image takes no room on the disk once it is in its slot', async () => {
  const agent = await start(task());
  const image = join(machine.folder, 'default.image');
  await reached(agent, ({ phase }) => phase === 'downloaded');
  expect(existsSync(image)).toBe(true);
  await life.power.reached('activate');
  expect(existsSync(image)).toBe(false);
});

test('an image that the installer refuses: the reason is reported, the old version goes on', async () => {
  machine.takes = 'file';
  const upgrade = task('no version'); // an image with such a line is none of this machine
  const agent = await start(upgrade);
  const entry = await reached(agent, isReported);
  expect(entry).toMatchObject({ phase: 'failed', step: -3 });
  expect(upgrade).toMatchObject({
    state: 'failed',
    reason: expect.stringContaining('no system of this machine'),
  });
  expect(machine.running).toBe('1.0.0');
});

test('unhealthy() rolls a trial back at once, with the reason', async () => {
  const upgrade = task();
  await start(upgrade);
  await life.power.cut;
  const agent = await start(upgrade, { health: { checks: ['called'] } });
  agent.unhealthy('the motor does not turn');
  await life.power.cut;
  expect(await untilReported(upgrade)).toMatchObject({ phase: 'rolledBack', step: -1 });
  expect(upgrade.reason).toBe('the motor does not turn');
  expect(machine.running).toBe('1.0.0');
});

test('a slot that runs another version than was announced is rolled back', async () => {
  const upgrade = task();
  const entry = await untilReported(upgrade, { version: () => '1.5.0' });
  expect(entry.phase).toBe('rolledBack');
  expect(upgrade.reason).toBe('B runs version 1.5.0, not 2.0.0');
});

test('a download that fails leaves no record', async () => {
  await begin({ ...task(), state: 'failed' });
  const agent = await life.open();
  life.platform.announce({
    version: '2.0.0',
    data: Buffer.from(imageOf('2.0.0')),
    failures: ['ERR_DIGEST_MISMATCH'],
  });
  const failed = new Promise((resolve) => agent.on('error', resolve));
  void agent.run();
  expect(await failed).toMatchObject({ code: 'ERR_DIGEST_MISMATCH' });
  expect(agent.entry()).toBeUndefined();
  expect(life.platform.steps.at(-1)?.step).toBe(-3);
});

test.each(['download', 'install'] as const)('a user is asked before the %s', async (step) => {
  const upgrade = task();
  const agent = await start(upgrade, { policy: { consent: step } });
  const asked = new Promise<void>((resolve) => {
    agent.on('consent', (request) => {
      expect(request).toMatchObject({ step, version: '2.0.0', module: '' });
      expect(agent.entry()?.phase).toBe(step === 'install' ? 'downloaded' : undefined);
      request.accept();
      resolve();
    });
  });
  await asked;
  expect(await untilReported(upgrade)).toMatchObject({ phase: 'confirmed' });
});

test('a user who refuses: the platform hears it', async () => {
  const upgrade = task();
  const agent = await start(upgrade, { policy: { consent: 'install' } });
  agent.on('consent', ({ refuse }) => refuse('not on a Monday'));
  expect(await reached(agent, isReported)).toMatchObject({ phase: 'failed', step: -1 });
  expect(upgrade.reason).toContain('not on a Monday');
});

test('what was downloaded is asked about again after a restart, and installed without a new download', async () => {
  const upgrade = task();
  let agent = await start(upgrade, { policy: { consent: 'install' } });
  await new Promise<void>((resolve) => agent.on('consent', () => resolve()));
  life.power.off();
  agent = await start(upgrade, { policy: { consent: 'install' } });
  agent.on('consent', ({ accept }) => accept());
  await life.power.cut;
  expect(life.platform.steps.map(({ step }) => step)).not.toContain(70);
  expect(await untilReported(upgrade)).toMatchObject({ phase: 'confirmed' });
});

test('a hook says "not now", then goes on; another fails, and its last words are reported', async () => {
  const upgrade = task();
  let asked = 0;
  const agent = await start(upgrade, {
    hooks: {
      beforeDownload: ({ version }) => {
        asked += 1;
        expect(version).toBe('2.0.0');
        return asked > 2;
      },
      beforeInstall: { argv: ['sh', '-c', 'echo battery of $IOTKIT_VERSION at 3 %; exit 1'] },
      afterFailure: { argv: ['sh', '-c', `printf %s "$IOTKIT_REASON" > ${machine.folder}/after`] },
    },
  });
  expect(await reached(agent, isReported)).toMatchObject({ phase: 'failed', step: -1 });
  expect(asked).toBe(3);
  expect(upgrade.reason).toContain('battery of 2.0.0 at 3 %');
  expect(readFileSync(join(machine.folder, 'after'), 'utf8')).toBe(agent.entry()?.reason);
});

test('only newer versions, and a pin: both after restarts', async () => {
  await untilReported(task('2.0.0'));
  await start(task('1.9.0'), { policy: { newerOnly: true } });
  await refusedOnce();
  expect(life.platform.steps).toMatchObject([{ step: -1, desc: expect.stringContaining('newer') }]);
  let agent = await start({ ...task(), state: 'failed' });
  await agent.pin('2.0.0');
  agent = await start(task('3.0.0'));
  await refusedOnce();
  expect(life.platform.steps).toMatchObject([{ step: -1, desc: expect.stringContaining('2.0.0') }]);
  await agent.pin(undefined);
  expect(await untilReported(task('3.0.0'))).toMatchObject({ phase: 'confirmed' });
});

async function refusedOnce(): Promise<void> {
  await new Promise<void>((resolve) => life.agent.on('error', () => resolve()));
  expect(life.errors).toMatchObject([{ code: 'ERR_VERSION_REFUSED' }]);
}

test('a damaged record is an event; what runs is confirmed by what the boot environment says', async () => {
  const upgrade = task();
  await start(upgrade);
  await life.power.cut; // activated
  writeFileSync(join(machine.folder, 'update.record'), 'damaged', { mode: 0o600 });
  await start(upgrade, { version: () => machine.running ?? '' });
  await life.power.reached('markGood');
  expect(life.errors).toMatchObject([{ code: 'ERR_INSTALL_RECORD' }]);
  expect(machine.running).toBe('2.0.0');
  await life.power.reached('report: version');
});

test('one agent for a record', async () => {
  const platform = new FakePlatform();
  const options = {
    device: platform.device,
    installer: machine.installer,
    record: join(machine.folder, 'locked.record'),
  };
  const first = await createUpdateAgent(options);
  await expect(createUpdateAgent(options)).rejects.toMatchObject({ code: 'ERR_INSTALL_BUSY' });
  await first.close();
  await first.close();
  const second = await createUpdateAgent(options);
  await second.close();
  await expect(second.run()).rejects.toMatchObject({ code: 'ERR_CLOSED' });
  await platform.device.close();
});

test('several modules are updated in their order, each by its installer', async () => {
  const other = new SimulatedMachine('file');
  await begin({ ...task(), state: 'failed' });
  const order: string[] = [];
  for (const module of [undefined, 'mcu']) {
    life.platform.announce({ version: '2.0.0', data: Buffer.from(imageOf('2.0.0')), module });
  }
  const agent = await life.open({
    installer: undefined,
    modules: [
      { module: 'mcu', installer: { ...serviceOf(other), restarts: 'service' } },
      { installer: machine.installer },
    ],
  });
  agent.on('state', ({ module, phase }) => order.push(`${module} ${phase}`));
  void agent.run();
  await life.power.cut;
  expect(other.running).toBe('2.0.0');
  expect(order.indexOf('mcu confirmed')).toBeGreaterThan(0);
  expect(order.indexOf('mcu confirmed')).toBeLessThan(order.indexOf(' installing'));
  expect(agent.entry('mcu')).toMatchObject({ phase: 'confirmed', version: '2.0.0' });
  await other.close();
});

test.each([
  [{ installer: undefined }, 'either installer or modules'],
  [{ health: { checks: [] } }, 'health.checks'],
  [{ health: { holdMs: 5, withinMs: 5 } }, 'health.withinMs'],
  [{ progress: { download: 80, install: 80 } }, 'progress.install'],
  [{ policy: { lock: {} } }, 'policy.lock'],
  [{ hooks: { beforeInstall: { argv: [] } } }, 'hooks.beforeInstall.argv'],
  [{ attempts: 0 }, 'attempts'],
  [{ device: {} }, 'device'],
  [{ modules: [], installer: undefined }, 'modules'],
  [{ tries: 3 }, 'no option tries'],
])('options %j are refused', async (options, message) => {
  await begin({ ...task(), state: 'failed' });
  await expect(life.open(options as never)).rejects.toMatchObject({
    code: 'ERR_INVALID_ARGUMENT',
    message: expect.stringContaining(message),
  });
});

test('modules that would change the same place are refused, by whatever path', async () => {
  await begin({ ...task(), state: 'failed' });
  const root = mkdtempSync(join(tmpdir(), 'iotkit-places-'));
  try {
    const link = join(root, 'link');
    symlinkSync(join(root, 'apps'), link);
    mkdirSync(join(root, 'apps/b'), { recursive: true });
    const restart = ['true'];
    const slots = { A: join(root, 'a'), B: join(root, 'b') };
    const environment = { loader: 'grub', file: join(root, 'grubenv') } as const;
    const openBoth = (...installers: readonly Installer[]) =>
      life.open({
        installer: undefined,
        modules: installers.map((installer, i) => ({ module: `m${i}`, installer })),
      });
    const app = directoriesInstaller({ root: join(root, 'apps/b'), restart });
    const same = directoriesInstaller({ root: join(link, 'b/'), restart });
    const other = directoriesInstaller({ root: join(root, 'apps/c'), restart });
    const system = slotsInstaller({ slots, environment });
    const second = slotsInstaller({ slots: { ...slots, A: join(root, 'c') }, environment });
    await expect(openBoth(app, other, same)).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
      message: `modules[2].installer must not change ${link}/b, as modules[0].installer does`,
    });
    await expect(openBoth(system, second)).rejects.toMatchObject({
      message: `modules[1].installer must not change ${root}/b, as modules[0].installer does`,
    });
    await openBoth(app, other, system);
  } finally {
    rmSync(root, { recursive: true });
  }
});
