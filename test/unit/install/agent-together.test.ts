// Modules that are updated together or not at all. The cuts of the power are in power-cuts-together.test.ts.
import { join } from 'node:path';
import type { UpdateAgent } from '../../../lib/install/agent';
import type { UpdateAgentOptions } from '../../../lib/install/agent-options';
import { type FileLock, tryLock } from '../../../lib/install/lock';
import type { UpdateEntry } from '../../../lib/install/record';
import {
  at,
  changed,
  machine,
  restartedAlone,
  task,
  useMachine,
} from '../../support/running-agent';
import { imageOf, SimulatedMachine } from '../../support/simulated-machine';
import { Life, type OtherModule, type Task } from '../../support/updated-device';

useMachine();

let life: Life;
let other: OtherModule;
beforeEach(() => {
  other = { module: 'mcu', machine: new SimulatedMachine('file'), task: task('7.0.0') };
});
afterEach(async () => {
  await life.close();
  await other.machine.close();
});

/** A start of the machine; what it is offered is open. */
async function start(first: Task, options: Partial<UpdateAgentOptions> = {}): Promise<UpdateAgent> {
  await life?.close();
  life = new Life(machine, first, 0, [other]);
  return open(options);
}

async function open(options: Partial<UpdateAgentOptions>): Promise<UpdateAgent> {
  const agent = await life.open({
    installer: undefined,
    modules: [
      { installer: machine.installer },
      { module: 'mcu', installer: restartedAlone(other) },
    ],
    together: true,
    ...options,
  });
  void agent.run();
  return agent;
}

const phasesOf = (agent: UpdateAgent): string[] => {
  const phases: string[] = [];
  agent.on('state', ({ module, phase }) => phases.push(`${module || 'default'} ${phase}`));
  return phases;
};

/** Resolves when the end of both was reported. */
function bothReported(agent: UpdateAgent): Promise<readonly UpdateEntry[]> {
  return new Promise((resolve) => {
    const look = (): void => {
      const entries = [agent.entry(), agent.entry('mcu')];
      if (entries.every((entry) => entry?.reported)) resolve(entries as UpdateEntry[]);
    };
    agent.on('state', look);
    look();
  });
}

async function untilReported(
  first: Task,
  options: Partial<UpdateAgentOptions> = {},
): Promise<readonly UpdateEntry[]> {
  for (let starts = 0; starts < 10; starts += 1) {
    const agent = await start(first, options);
    const entries = await Promise.race([bothReported(agent), life.power.cut]);
    if (entries !== undefined) return entries;
  }
  throw new Error('no end');
}

test('installed one after the other, activated when both are, confirmed by one trial', async () => {
  const first = task();
  let agent = await start(first);
  const phases = phasesOf(agent);
  await life.power.cut;
  expect(phases.indexOf('mcu installed')).toBeGreaterThan(phases.indexOf('default installed'));
  expect(phases.indexOf('default activated')).toBeGreaterThan(phases.indexOf('mcu installed'));
  agent = await start(first);
  const after = phasesOf(agent);
  expect(await bothReported(agent)).toMatchObject([{ phase: 'confirmed' }, { phase: 'confirmed' }]);
  expect(after.slice(0, 4)).toEqual([
    'default trial',
    'mcu trial',
    'default confirmed',
    'mcu confirmed',
  ]);
  expect([first.state, other.task.state]).toEqual(['succeeded', 'succeeded']);
  expect([machine.running, other.machine.running]).toEqual(['2.0.0', '7.0.0']);
});

test('the second module is waited for, and nothing is begun meanwhile', async () => {
  other.task.state = 'failed'; // it is announced later
  const first = task();
  await life?.close();
  life = new Life(machine, first, 0, [other]);
  const begun = life.clock.time;
  life.clock.onSleep = () => {
    life.clock.onSleep = () => {};
    other.task.state = 'open';
    expect(life.power.steps.filter((it) => /install/.test(it))).toEqual([]);
    life.platform.announce({
      version: '7.0.0',
      module: 'mcu',
      data: Buffer.from(imageOf('7.0.0')),
    });
  };
  const agent = await open({ together: { gatherMs: 5000 } });
  const phases = phasesOf(agent);
  await life.power.cut;
  expect(life.clock.time - begun).toBeGreaterThanOrEqual(5000);
  expect(phases.slice(0, 2)).toEqual(['default announced', 'mcu announced']);
  expect(await untilReported(first)).toMatchObject(Array(2).fill({ phase: 'confirmed' }));
});

test('a module for which nothing is offered stays as it is', async () => {
  other.task.state = 'failed';
  const first = task();
  const agent = await start(first);
  await life.power.cut;
  expect(agent.entry('mcu')).toBeUndefined();
  expect(agent.entry()).toMatchObject({ phase: 'activated' });
});

describe('one of them comes to nothing: neither is activated, and the platform hears of both', () => {
  async function expectBothFail(agent: UpdateAgent): Promise<void> {
    expect(await bothReported(agent)).toMatchObject(Array(2).fill({ phase: 'failed' }));
    expect(life.power.steps.filter((it) => /activate|reboot/.test(it))).toEqual([]);
    const states = await Promise.all(
      [machine, other.machine].map(({ installer }) => installer.status()),
    );
    for (const { next, slots } of states) {
      expect(next).toBe('A');
      expect(slots).toContainEqual({ name: 'B', state: 'bad' });
    }
  }

  test('a user refuses the second', async () => {
    const first = task();
    const agent = await start(first, { policy: { consent: 'install' } });
    agent.on('consent', ({ module, accept, refuse }) =>
      module === 'mcu' ? refuse('not this one') : accept(),
    );
    await expectBothFail(agent);
    expect(first.reason).toMatch(/^module mcu: ERR_ABORTED: .*not this one$/);
    expect(other.task.reason).toMatch(/^ERR_ABORTED: .*not this one$/);
  });

  test('a hook refuses the restart', async () => {
    const first = task();
    const beforeRestart = ({ module }: { readonly module: string }): void => {
      if (module === 'mcu') throw new Error('the motor turns');
    };
    await expectBothFail(await start(first, { hooks: { beforeRestart } }));
    expect(first.reason).toBe('module mcu: the motor turns');
  });

  test('the download of the second fails', async () => {
    const first = task();
    await life?.close();
    life = new Life(machine, first);
    life.platform.announce({
      version: '7.0.0',
      module: 'mcu',
      data: Buffer.from(imageOf('7.0.0')),
      failures: ['ERR_DIGEST_MISMATCH'],
    });
    const agent = await open({});
    expect(await bothReported(agent)).toMatchObject(Array(2).fill({ phase: 'failed' }));
    expect(life.platform.steps.filter(({ step }) => step < 0)).toMatchObject([
      { step: -3, module: 'mcu' },
      { step: -1, module: undefined, desc: expect.stringMatching(/^module mcu: ERR_DIGEST/) },
    ]);
    expect(life.power.steps.filter((it) => /install/.test(it))).toEqual([]);
  });
});

test('an upgrade that is announced while another waits takes its place, before either is activated', async () => {
  const first = task();
  const agent = await start(first, { policy: { consent: 'install' } });
  agent.on('consent', ({ module, version, accept }) => {
    if (module !== 'mcu' || version === '7.1.0') return accept();
    expect(agent.entry()).toMatchObject({ phase: 'installed' });
    life.platform.announce({
      version: '7.1.0',
      module: 'mcu',
      data: Buffer.from(imageOf('7.1.0')),
    });
  });
  await life.power.cut;
  expect(agent.entry()).toMatchObject({ version: '2.0.0', phase: 'activated' });
  expect(agent.entry('mcu')).toMatchObject({ version: '7.1.0', phase: 'activated' });
  expect(life.platform.steps.filter(({ step }) => step < 0)).toEqual([]);
});

test('a version that is not allowed for one is refused for both', async () => {
  const first = task();
  let agent = await start({ ...task(), state: 'failed' });
  await agent.pin('6.0.0', { module: 'mcu' });
  agent = await start(first);
  await new Promise<void>((resolve) => agent.on('error', () => resolve()));
  while (life.platform.steps.length < 2) await new Promise((resolve) => setImmediate(resolve));
  expect(life.platform.steps).toMatchObject([
    { step: -1, desc: expect.stringMatching(/^module mcu: .*pinned to 6\.0\.0/) },
    { step: -1, module: 'mcu', desc: 'the module is pinned to 6.0.0' },
  ]);
  expect([agent.entry(), agent.entry('mcu')]).toEqual([undefined, undefined]);
});

test('one that is no longer offered after a restart: the other is given up', async () => {
  const first = task();
  const consent = { policy: { consent: 'download' } } as const;
  let agent = await start(first, consent);
  await new Promise<void>((resolve) => agent.on('consent', () => resolve()));
  life.power.off();
  other.task.state = 'failed'; // the operator has cancelled it
  agent = await start(first, consent);
  expect(await bothReported(agent)).toMatchObject([
    { phase: 'failed', reason: 'module mcu: the upgrade to 7.0.0 is no longer offered' },
    { phase: 'failed', reason: 'the upgrade to 7.0.0 is no longer offered' },
  ]);
  expect(life.platform.steps.map(({ module, step }) => [module, step])).toContainEqual([
    undefined,
    -1,
  ]);
});

test('a newer one takes the place of one of them before anything is activated', async () => {
  const first = task();
  const beforeInstall = ({ module }: { readonly module: string }): boolean => module !== 'mcu';
  let agent = await start(first, { hooks: { beforeInstall } });
  await new Promise<void>((resolve) =>
    agent.on('state', ({ phase }) => phase === 'installed' && resolve()),
  );
  life.power.off();
  const { machine: otherMachine } = other;
  other = { module: 'mcu', machine: otherMachine, task: task('7.1.0') };
  agent = await start(first);
  const phases = phasesOf(agent);
  await Promise.race([life.power.cut, bothReported(agent)]);
  expect(phases.length).toBeGreaterThan(0);
  expect(await untilReported(first)).toMatchObject(Array(2).fill({ phase: 'confirmed' }));
  expect([machine.running, otherMachine.running]).toContain('2.0.0');
});

test('unhealthy() rolls both back, with the reason', async () => {
  const first = task();
  await start(first);
  await life.power.cut;
  const agent = await start(first, { health: { checks: ['called'] } });
  agent.unhealthy('the motor does not turn');
  await life.power.cut;
  expect(await untilReported(first)).toMatchObject(
    Array(2).fill({ phase: 'rolledBack', step: -1 }),
  );
  expect([first.reason, other.task.reason]).toEqual(Array(2).fill('the motor does not turn'));
  expect([machine.running, other.machine.running]).toEqual(['1.0.0', '1.0.0']);
});

test('one lock and one window hold both off', async () => {
  const path = join(machine.folder, 'update.lock');
  const held = await tryLock(path);
  const first = task();
  const begun = Date.UTC(2026, 0, 1);
  let asked = 0;
  await life?.close();
  life = new Life(machine, first, 0, [other]);
  life.clock.onSleep = async () => {
    if (life.clock.time < begun + 3 * 3_600_000) return;
    asked += 1;
    expect(life.power.steps.filter((it) => /install/.test(it))).toEqual([]);
    if (asked === 3) await (held as FileLock).release();
  };
  await open({ policy: { lock: { path }, window: { from: at(3), to: at(4) } } });
  await life.power.cut;
  expect(asked).toBeGreaterThanOrEqual(3);
  expect(life.clock.time).toBeLessThan(begun + 4 * 3_600_000);
});

test('an installer that activates what it installs is refused', async () => {
  life = new Life(machine, { ...task(), state: 'failed' });
  const activating = changed(other.machine.installer, { activates: true });
  await expect(
    open({ modules: [{ installer: machine.installer }, { module: 'mcu', installer: activating }] }),
  ).rejects.toMatchObject({
    code: 'ERR_INVALID_ARGUMENT',
    message: expect.stringContaining('together needs installers that do not activate'),
  });
});
