/**
 * The agent on a simulated machine, its power cut before every write there is, one after the other:
 * whatever is cut, the machine starts, runs the right version, and the platform hears the right end.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { UpdateAgentOptions } from '../../../lib/install/agent-options';
import type { Installer } from '../../../lib/install/installer';
import { SimulatedMachine } from '../../support/simulated-machine';
import { Life, type Task } from '../../support/updated-device';

interface Scenario {
  readonly name: string;
  readonly version: string;
  readonly takes: Installer['takes'];
  readonly ends: 'succeeded' | 'failed';
  readonly runs: string;
  readonly reason: RegExp;
}

const scenarios: readonly Scenario[] = [
  { name: 'good, by a file', version: '2.0.0', takes: 'file' },
  { name: 'good, by a stream', version: '2.0.0', takes: 'stream' },
].map((it) => ({ ...it, ends: 'succeeded', runs: '2.0.0', reason: /^$/ }) as Scenario);

const bad: readonly Scenario[] = [
  {
    name: 'never comes up',
    version: '2.0.0-hangs',
    takes: 'file',
    reason: /B (did not come up|did not start|ended before)/,
  },
  {
    name: 'is not healthy',
    version: '2.0.0-sick',
    takes: 'file',
    reason: /sick|B (was not healthy|ended before)/,
  },
  {
    name: 'is not healthy, by a stream',
    version: '2.0.0-sick',
    takes: 'stream',
    reason: /sick|B (was not healthy|ended before)/,
  },
].map((it) => ({ ...it, ends: 'failed', runs: '1.0.0' }) as Scenario);

const LIVES_MAX = 16;

/** Every life of one device, until the update has ended; in life `i` the power is cut at `cuts[i]`. */
async function live(
  scenario: Scenario,
  cuts: readonly number[],
  loses: boolean,
  damagedBefore?: number,
): Promise<string[]> {
  const machine = new SimulatedMachine(scenario.takes);
  const task: Task = { version: scenario.version, state: 'open', reason: '' };
  const steps: string[] = [];
  try {
    for (let i = 0; ; i += 1) {
      if (i === LIVES_MAX) throw new Error(`no end after ${i} lives: ${JSON.stringify(task)}`);
      if (i === damagedBefore) writeFileSync(join(machine.folder, 'update.record'), '');
      const life = new Life(machine, task, cuts[i] ?? 0);
      const hasEnded = await untilEnd(life, machine, loses);
      if (damagedBefore === undefined ? i === 0 : i === damagedBefore)
        steps.push(...life.power.steps);
      await life.close();
      if (hasEnded) break;
    }
    expect({ state: task.state, runs: machine.running }).toEqual({
      state: scenario.ends,
      runs: scenario.runs,
    });
    expect(task.reason).toMatch(scenario.reason);
    await expectLasting(machine, task, loses);
    expect(machine.running).toBe(scenario.runs);
    return steps;
  } finally {
    await machine.close();
  }
}

function optionsOf(machine: SimulatedMachine): Partial<UpdateAgentOptions> {
  const healthy = (): boolean => {
    if (machine.running?.endsWith('sick')) throw new Error('it is sick');
    return true;
  };
  return { health: { checks: ['connected', healthy], holdMs: 10_000, withinMs: 60_000 } };
}

/** Whether the update has ended; else the power has. */
async function untilEnd(life: Life, machine: SimulatedMachine, loses: boolean): Promise<boolean> {
  const ended = (async () => {
    const agent = await life.open(optionsOf(machine), loses);
    // What was on trial without a record may end, and the upgrade be announced again.
    const isOver = (): boolean => agent.entry()?.reported === true && life.task.state !== 'open';
    const reported = new Promise<void>((resolve) => {
      agent.on('state', () => isOver() && resolve());
      if (isOver()) resolve();
    });
    void agent.run();
    await Promise.all([reported, life.power.reached('markGood')]);
    return true;
  })();
  return Promise.race([ended, life.power.cut.then(() => false)]);
}

/** What the boot loader counts is reset on each start: the machine stays with what it runs. */
async function expectLasting(machine: SimulatedMachine, task: Task, loses: boolean): Promise<void> {
  for (let start = 0; start < 4; start += 1) {
    const life = new Life(machine, task);
    const agent = await life.open(optionsOf(machine), loses);
    void agent.run();
    await life.power.reached('markGood');
    // One more write, so that the step before it is done.
    await agent.pin(undefined);
    await life.close();
  }
}

describe.each([...scenarios, ...bad])('$name', (scenario) => {
  test('without a cut', async () => {
    const steps = await live(scenario, [], false);
    expect(steps).toContain('activate');
    expect(steps).toContain('reboot');
  });

  test.each([false, true])(
    'cut at every step of the first life (unflushed is lost: %s)',
    async (loses) => {
      const steps = await live(scenario, [], loses);
      for (const [i, step] of steps.entries()) {
        await live(scenario, [i + 1], loses).catch((error: Error) => {
          error.message = `cut at step ${i + 1}, ${step}: ${error.message}`;
          throw error;
        });
      }
    },
  );

  test('the record damaged before the second life, which is cut at every step', async () => {
    const steps = await live(scenario, [], true, 1);
    for (const [i, step] of steps.entries()) {
      await live(scenario, [0, i + 1], true, 1).catch((error: Error) => {
        error.message = `cut at step ${i + 1}, ${step}: ${error.message}`;
        throw error;
      });
    }
  });

  test('cut at every step of the second life', async () => {
    // As many as there can be: a life that ends earlier is not cut.
    for (let at = 1; at <= 40; at += 1) {
      await live(scenario, [0, at], true).catch((error: Error) => {
        error.message = `cut at step ${at} of the second life: ${error.message}`;
        throw error;
      });
    }
  });
});
