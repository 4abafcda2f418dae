/**
 * What may happen in each phase of an update: a newer upgrade, the end of the agent or of run(), a power cut, an
 * upgrade that the operator cancels. Whatever comes when: no version is reported that does not run confirmed, an agent
 * that was closed does nothing more, its record can be read, and the next starts come to the right end.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { IotkitError } from '../../../lib/base/errors';
import type { UpdateAgent } from '../../../lib/install/agent';
import type { UpdateAgentOptions } from '../../../lib/install/agent-options';
import { lookAtRecord } from '../../../lib/install/record';
import { begin, life, machine, task, useMachine } from '../../support/running-agent';
import { Hold, type UpdatePhase, updatePhases } from '../../support/update-phases';
import type { Task } from '../../support/updated-device';

useMachine();

const phases = updatePhases(new IotkitError('ERR_INSTALL_BUSY', 'by another program'));
const cases = phases.map((phase) => [phase.name, phase] as const);
const LIVES_MAX = 12;

const healthy = (): boolean => {
  if (machine.running?.endsWith('sick')) throw new Error('it is sick');
  return true;
};
const health = { checks: ['connected', healthy], holdMs: 10_000, withinMs: 60_000 } as const;

const turns = async (): Promise<void> => {
  for (let i = 0; i < 10; i += 1) await new Promise((resolve) => setImmediate(resolve));
};

/** Every version of which the platform has heard ran when it was reported, and was confirmed. */
function expectTruth(): void {
  for (const { version, runs, state } of life.heard) {
    expect({ version, state }).toEqual({ version: runs, state: 'good' });
  }
}

/** What has run since the machine was new. */
let ran: (string | undefined)[];
beforeEach(() => {
  ran = [];
});

/** Opens an agent on a machine that has just started. */
async function startOf(offered: Task, options: Partial<UpdateAgentOptions> = {}) {
  await begin(offered);
  ran.push(machine.running);
  return life.open({ health, ...options });
}

/** Lives on until the update has come to the phase. */
async function hold(phase: UpdatePhase, offered: Task, signal?: AbortSignal) {
  machine.takes = phase.takes ?? 'file';
  for (let starts = 0; starts < (phase.starts ?? 0); starts += 1) {
    const before = await startOf(offered);
    void before.run();
    await life.power.cut;
    expectTruth();
  }
  const held = new Hold();
  await begin(offered);
  if (phase.isInstalled) await install();
  const agent = await life.open({ health, ...phase.options?.(held) });
  phase.prepare?.(agent, held);
  const running = agent.run(signal && { signal });
  await held.reached;
  return { agent, held, running };
}

/** The agent ends when the image is in its slot, and the machine goes on. */
async function install(): Promise<void> {
  const agent = await life.open({ health, hooks: { beforeRestart: () => false } });
  const installed = new Promise<void>((resolve) => {
    agent.on('state', (entry) => entry.phase === 'installed' && resolve());
  });
  void agent.run();
  await installed;
  await agent.close();
}

/** Starts the machine until the operator's upgrade has come to its end. */
async function untilEnd(offered: Task): Promise<void> {
  for (let lives = 0; lives < LIVES_MAX; lives += 1) {
    const agent = await startOf(offered);
    const ended = untilSettled(agent, offered);
    void agent.run();
    const hasEnded = await Promise.race([ended, life.power.cut.then(() => false)]);
    expectTruth();
    if (hasEnded) return;
  }
  throw new Error(`no end after ${LIVES_MAX} starts: ${JSON.stringify(offered)}`);
}

/** The platform knows the end of its upgrade, and the agent that it does. */
function untilSettled(agent: UpdateAgent, offered: Task): Promise<boolean> {
  return new Promise((resolve) => {
    const look = (): void => {
      if (offered.state !== 'open' && agent.entry()?.reported === true) resolve(true);
    };
    agent.on('state', look);
    look();
  });
}

const ofRecord = (): string => join(machine.folder, 'update.record');

async function expectEnd(phase: UpdatePhase, offered: Task): Promise<void> {
  const isSick = phase.version?.endsWith('sick') === true;
  expect({ state: offered.state, runs: machine.running }).toEqual(
    isSick ? { state: 'failed', runs: '1.0.0' } : { state: 'succeeded', runs: offered.version },
  );
  if (isSick) expect(offered.reason).toMatch(/sick|was not healthy|ended before/);
}

describe.each(cases)('%s', (_, phase) => {
  const olderOf = (): Task => task(phase.version ?? '2.0.0');

  test('goes on to its end where nothing happens', async () => {
    const older = olderOf();
    const { agent, held } = await hold(phase, older);
    const ended = untilSettled(agent, older);
    held.open();
    if ((await Promise.race([ended, life.power.cut.then(() => false)])) !== true)
      await untilEnd(older);
    await expectEnd(phase, older);
  });

  test.each(['close()', 'the signal of run()'])('%s', async (how) => {
    const older = olderOf();
    const ending = new AbortController();
    const { agent, held, running } = await hold(phase, older, ending.signal);
    if (how !== 'close()') ending.abort();
    const closed = how === 'close()' ? agent.close() : running;
    if (!phase.isEnded) held.open();
    await Promise.race([closed, life.power.cut]);
    // What is asked of a machine that is about to restart may not come back.
    if (phase.isEnded || life.power.steps.at(-1) !== 'reboot') await agent.close();
    const [steps, record] = [[...life.power.steps], readFileOrNone()];
    const { time } = life.clock;
    held.open();
    life.platform.connect();
    await turns();
    expect(life.power.steps).toEqual(steps);
    expect(readFileOrNone()).toBe(record);
    expect(life.clock.time).toBe(time);
    expectTruth();
    expect((await lookAtRecord(ofRecord())).damage).toBeUndefined();
    if (older.state === 'open') await untilEnd(older);
    await expectEnd(phase, older);
  });

  test('a power cut', async () => {
    const older = olderOf();
    await hold(phase, older);
    life.power.off();
    expect((await lookAtRecord(ofRecord())).damage).toBeUndefined();
    if (older.state === 'open') await untilEnd(older);
    await expectEnd(phase, older);
  });

  test.each(['goes on', 'is cut off'])('a newer upgrade; then the machine %s', async (then) => {
    const older = olderOf();
    const newer = task('3.0.0');
    const { held } = await hold(phase, older);
    life.offer(newer);
    if (then === 'goes on') {
      await turns();
      held.open();
      await life.power.cut;
    } else {
      life.power.off();
    }
    expectTruth();
    await untilEnd(newer);
    // What has been activated comes to its end, anything else never starts.
    if (!phase.isActivated) expect(ran).not.toContain(older.version);
    expect(newer).toMatchObject({ state: 'succeeded', reason: '' });
    expect(machine.running).toBe('3.0.0');
  });

  test('an upgrade that is cancelled goes on, or is forgotten, but never comes to a wrong end', async () => {
    const older = olderOf();
    const { held } = await hold(phase, older);
    older.state = 'failed'; // for the operator; the device hears nothing of it
    life.power.off();
    held.open();
    for (let starts = 0; starts < 6; starts += 1) {
      const agent = await startOf(older);
      const isIdle = agent.resume().then(() => true);
      if (!(await Promise.race([isIdle, life.power.cut]))) continue;
      await turns();
      expectTruth();
      await agent.close();
    }
    const { entries } = (await lookAtRecord(ofRecord())).content;
    const { phase: last = 'none', version } = entries[''] ?? {};
    if (last === 'confirmed') expect(machine.running).toBe(version);
    else expect(machine.running).toBe('1.0.0');
    expect((await machine.installer.status()).next).toBe(machine.booted);
    // And the next upgrade is taken as any other.
    const newer = task('3.0.0');
    await untilEnd(newer);
    expect(machine.running).toBe('3.0.0');
  });
});

describe('a restart, after which the notice of a newer upgrade comes late', () => {
  /** The agent has been started again, with what it had begun. */
  async function restart(
    phase: 'downloaded' | 'installing' | 'installed',
    offered: Task,
  ): Promise<UpdateAgent> {
    const hook = phase === 'installed' ? 'beforeRestart' : 'beforeInstall';
    const first = await startOf(task(), { hooks: { [hook]: () => false } });
    const waits = new Promise<void>((resolve) => {
      first.on('state', (entry) => entry.phase === phase && resolve());
    });
    void first.run();
    await waits;
    await first.close();
    const again = await startOf(offered);
    const { ota } = life.platform.device;
    const { upgrades } = ota;
    jest.spyOn(ota, 'upgrades').mockImplementationOnce(({ signal } = {}) => {
      return upgrades.call(ota, { module: 'another', signal });
    });
    return again;
  }

  test.each(['downloaded', 'installed'] as const)('the platform is asked: %s', async (phase) => {
    const newer = task('3.0.0');
    void (await restart(phase, newer)).run();
    await life.power.cut;
    await untilEnd(newer);
    expect(ran).not.toContain('2.0.0');
    expect(newer).toMatchObject({ state: 'succeeded', reason: '' });
  });

  test('the answer is what a stream comes from', async () => {
    machine.takes = 'stream';
    const agent = await restart('installing', task());
    void agent.run();
    await life.power.cut;
    expect(agent.entry()).toMatchObject({ version: '2.0.0', phase: 'activated' });
  });

  test.each(['has the same', 'has nothing', 'does not answer', 'is not to be reached'])(
    'it goes on where the platform %s',
    async (what) => {
      const offered = { ...task(), state: what === 'has nothing' ? 'failed' : 'open' } as Task;
      const agent = await restart('installed', offered);
      const { ota } = life.platform.device;
      if (what === 'does not answer') {
        jest.spyOn(ota, 'check').mockRejectedValue(new IotkitError('ERR_TIMEOUT'));
      }
      if (what === 'is not to be reached') life.platform.disconnect();
      void agent.run();
      await life.power.cut;
      expect(life.power.steps).toContain('activate');
      expect(agent.entry()).toMatchObject({ version: '2.0.0', phase: 'activated' });
    },
  );
});

function readFileOrNone(): string {
  try {
    return readFileSync(ofRecord(), 'utf8');
  } catch {
    return '';
  }
}
