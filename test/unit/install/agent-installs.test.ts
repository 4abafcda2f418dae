import { IotkitError } from '../../../lib/base/errors';
import type { Installer } from '../../../lib/install/installer';
import type { UpdateEntry } from '../../../lib/install/record';
import {
  begin,
  changed,
  isReported,
  life,
  machine,
  reached,
  serviceOf,
  task,
  useMachine,
} from '../../support/running-agent';

// Installations that fail, are cut off, or are not what the installer says.

useMachine();

test('a stream that was activated before it was proven is left again after a power cut', async () => {
  machine.takes = 'stream';
  const upgrade = task();
  await begin(upgrade);
  const { installer } = machine;
  const install = async (...given: Parameters<Installer['install']>) => {
    const { slot } = await installer.install(...given);
    await installer.activate(slot);
    life.power.off(); // before anybody has compared the digest
    return { slot };
  };
  let agent = await life.open({ installer: changed(installer, { install, activates: true }) });
  void agent.run();
  await life.power.cut;
  let entry: UpdateEntry | undefined;
  for (let starts = 0; entry === undefined && starts < 5; starts += 1) {
    await begin(upgrade);
    agent = await life.open({ installer: changed(machine.installer, { activates: true }) });
    void agent.run();
    entry = (await Promise.race([reached(agent, isReported), life.power.cut])) ?? undefined;
  }
  expect(entry).toMatchObject({ phase: 'rolledBack', reason: expect.stringContaining('proven') });
  expect(machine.running).toBe('1.0.0');
});

test.each([
  ['ERR_INSTALL_BUSY', 3],
  ['ERR_INSTALL_TIMEOUT', 3],
  ['ERR_INSTALL_REFUSED', 1], // another try would change nothing
  ['ERR_TIMEOUT', 1], // of what it uses
] as const)(
  'an installer that says %s is tried %i times, and its reason is reported',
  async (code, tries) => {
    const upgrade = task();
    await begin(upgrade);
    let tried = 0;
    const install = async (): Promise<never> => {
      tried += 1;
      throw new IotkitError(code, `try ${tried}`);
    };
    const agent = await life.open({ installer: changed(machine.installer, { install }) });
    const begun = life.clock.time;
    void agent.run();
    expect(await reached(agent, isReported)).toMatchObject({ phase: 'failed', attempts: tries });
    expect(tried).toBe(tries);
    expect(upgrade.reason).toContain(`try ${tries}`);
    expect(life.clock.time - begun).toBeGreaterThanOrEqual((tries - 1) * 30_000);
  },
);

test('an installation that fails after it was activated never starts', async () => {
  await begin(task());
  const { installer } = machine;
  const install = async (...given: Parameters<Installer['install']>): Promise<never> => {
    const { slot } = await installer.install(...given);
    await installer.activate(slot);
    throw new Error('no space for the log');
  };
  const agent = await life.open({
    installer: {
      ...changed(installer, { install }),
      ...serviceOf(machine),
      install,
      activates: true,
      restarts: 'machine',
    },
  });
  void agent.run();
  expect(await reached(agent, isReported)).toMatchObject({ phase: 'failed' });
  expect((await installer.status()).next).toBe('A');
});

test.each([
  ['A', /installed into A, which runs/, false],
  ['A', /installed into A, which runs/, true],
  ['C', /installed into "C", which is none of its slots: A, B/, false],
  ['', /installed into "", which is none/, false],
] as const)(
  'an installer that names slot %j as the new one: %s (activates: %s)',
  async (slot, reason, activates) => {
    const upgrade = task();
    await begin(upgrade);
    const { installer } = machine;
    const install = async (...given: Parameters<Installer['install']>) => {
      const made = await installer.install(...given);
      if (activates) await installer.activate(made.slot);
      return { slot };
    };
    const agent = await life.open({ installer: changed(installer, { install, activates }) });
    const phases: string[] = [];
    agent.on('state', ({ phase }) => phases.push(phase));
    void agent.run();
    expect(await reached(agent, isReported)).toMatchObject({
      phase: 'failed',
      reason: expect.stringMatching(reason),
    });
    expect(upgrade).toMatchObject({
      state: 'failed',
      reason: expect.stringContaining('ERR_INSTALL_FAILED'),
    });
    expect(phases).not.toContain('installed');
    expect(life.power.steps.includes('activate')).toBe(activates);
    expect(await installer.status()).toMatchObject({
      next: 'A',
      slots: [{ state: 'good' }, { state: 'bad' }],
    });
  },
);
