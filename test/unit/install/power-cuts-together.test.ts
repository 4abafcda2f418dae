/**
 * Two modules that are updated together, the power cut before every write there is: whatever is cut,
 * both run the new version and the platform hears so, or both run the old one and it hears why.
 */
import type { UpdateAgentOptions } from '../../../lib/install/agent-options';
import { changed, restartedAlone } from '../../support/running-agent';
import { SimulatedMachine } from '../../support/simulated-machine';
import { Life, type OtherModule, type Task } from '../../support/updated-device';

interface Scenario {
  readonly name: string;
  /** The image for the machine, and for the other module. */
  readonly versions: readonly [string, string];
  readonly takes: SimulatedMachine['takes'];
  /** Whether the other module restarts by itself. */
  readonly alone: boolean;
  readonly isWrong?: boolean;
  readonly reason?: RegExp;
}

const good = ['2.0.0', '7.0.0'] as const;
const scenarios: readonly Scenario[] = [
  { name: 'good, one restart', versions: good, takes: 'stream', alone: false },
  { name: 'good, a service besides', versions: good, takes: 'file', alone: true },
  {
    name: 'the first is not healthy',
    versions: ['2.0.0-sick', '7.0.0'],
    takes: 'file',
    alone: true,
    reason: /sick|was not healthy|ended before/,
  },
  {
    name: 'the second never comes up',
    versions: ['2.0.0', '7.0.0-hangs'],
    takes: 'stream',
    alone: false,
    reason: /B (did not come up|did not start|ended before)/,
  },
  {
    name: 'the second is refused by its installer',
    versions: good,
    takes: 'file',
    alone: true,
    isWrong: true,
    reason: /no system of this machine|cut off 3 times/,
  },
];

const LIVES_MAX = 24;
const MODULE = 'mcu';

class Device {
  readonly machine: SimulatedMachine;
  readonly other: OtherModule;
  readonly task: Task;
  readonly #scenario: Scenario;
  readonly #loses: boolean;

  constructor(scenario: Scenario, loses: boolean) {
    const [first, second] = scenario.versions;
    this.#scenario = scenario;
    this.#loses = loses;
    this.machine = new SimulatedMachine(scenario.takes);
    const image = scenario.isWrong ? 'for another machine' : undefined;
    this.task = { version: first, state: 'open', reason: '' };
    this.other = {
      module: MODULE,
      machine: new SimulatedMachine(scenario.takes),
      task: { version: second, state: 'open', reason: '', ...(image && { image }) },
    };
  }

  start(cutAt = 0): Life {
    return new Life(this.machine, this.task, cutAt, [this.other]);
  }

  get running(): readonly (string | undefined)[] {
    return [this.machine.running, this.other.machine.running];
  }

  async open(life: Life) {
    const { machine, other } = this;
    const healthy = (): boolean => {
      if (this.running.some((version) => version?.endsWith('sick'))) throw new Error('it is sick');
      return true;
    };
    const options: Partial<UpdateAgentOptions> = {
      installer: undefined,
      modules: [
        { installer: machine.installer },
        {
          module: MODULE,
          installer: this.#scenario.alone
            ? restartedAlone(other)
            : changed(other.machine.installer, { reboot: () => machine.installer.reboot() }),
        },
      ],
      together: true,
      health: { checks: ['connected', healthy], holdMs: 10_000, withinMs: 60_000 },
    };
    return life.open(options, this.#loses);
  }

  async close(): Promise<void> {
    await this.machine.close();
    await this.other.machine.close();
  }
}

/** Every life of one device, until both have ended; in life `i` the power is cut at `cuts[i]`. */
async function live(
  scenario: Scenario,
  cuts: readonly number[],
  loses = true,
): Promise<{ readonly steps: string[]; readonly lives: number }> {
  const device = new Device(scenario, loses);
  const steps: string[] = [];
  try {
    let lives = 0;
    for (let hasEnded = false; !hasEnded; lives += 1) {
      if (lives === LIVES_MAX) throw new Error(`no end: ${JSON.stringify(device.task)}`);
      const life = device.start(cuts[lives] ?? 0);
      hasEnded = await untilEnd(life, device);
      if (lives === cuts.length - 1 || cuts.length === 0) steps.push(...life.power.steps);
      await life.close();
    }
    expectOutcome(scenario, device);
    // What a boot loader counts is reset on each start.
    for (let starts = 0; starts < 4; starts += 1) {
      const life = device.start();
      const agent = await device.open(life);
      await agent.resume();
      await agent.close();
      await life.close();
    }
    expectOutcome(scenario, device);
    return { steps, lives };
  } finally {
    await device.close();
  }
}

function expectOutcome({ versions, reason }: Scenario, { task, other, running }: Device): void {
  const states = [task.state, other.task.state];
  if (reason === undefined) {
    expect({ states, running }).toEqual({ states: ['succeeded', 'succeeded'], running: versions });
    return;
  }
  expect({ states, running }).toEqual({
    states: ['failed', 'failed'],
    running: ['1.0.0', '1.0.0'],
  });
  expect([task.reason, other.task.reason]).toEqual(Array(2).fill(expect.stringMatching(reason)));
}

/** Whether the update has ended; else the power has. */
async function untilEnd(life: Life, device: Device): Promise<boolean> {
  const ended = (async () => {
    const agent = await device.open(life);
    const isOver = (): boolean =>
      [undefined, MODULE].every((module) => agent.entry(module)?.reported === true) &&
      [device.task, device.other.task].every(({ state }) => state !== 'open');
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

async function cutAt(scenario: Scenario, cuts: readonly number[], loses = true): Promise<number> {
  const { steps } = await live(scenario, cuts, loses).catch((error: Error) => {
    error.message = `cut at ${JSON.stringify(cuts)}: ${error.message}`;
    throw error;
  });
  return steps.length;
}

describe.each(scenarios)('$name', (scenario) => {
  test('without a cut', async () => {
    const { steps } = await live(scenario, []);
    const lastInstalled = steps.lastIndexOf('install: write B');
    expect(lastInstalled).toBeGreaterThan(0);
    if (scenario.isWrong) expect(steps).not.toContain('activate');
    else expect(steps.indexOf('activate')).toBeGreaterThan(lastInstalled);
  });

  test.each([0, 1, 2])('cut at every step of life %i', async (life) => {
    const before = Array(life).fill(0);
    // As many as there are: a life that ends earlier is not cut.
    for (let at = 1; ; at += 1) {
      const reached = await cutAt(scenario, [...before, at], at % 2 === 0 || life > 0);
      if (reached < at) break;
    }
  });
});
