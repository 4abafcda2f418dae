/**
 * Two modules that are updated together, the power cut before every write there is: whatever is cut,
 * both run the new version and the platform hears so, or both run the old one and it hears why.
 */
import { TogetherDevice, type TogetherScenario } from '../../support/together-device';

interface Scenario extends TogetherScenario {
  readonly name: string;
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

/** Every life of one device, until both have ended; in life `i` the power is cut at `cuts[i]`. */
async function live(
  scenario: Scenario,
  cuts: readonly number[],
  loses = true,
): Promise<{ readonly steps: string[]; readonly lives: number }> {
  const device = new TogetherDevice(scenario, loses);
  const steps: string[] = [];
  try {
    let lives = 0;
    for (let hasEnded = false; !hasEnded; lives += 1) {
      if (lives === LIVES_MAX) throw new Error(`no end: ${JSON.stringify(device.tasks)}`);
      const life = device.start(cuts[lives] ?? 0);
      hasEnded = await device.untilEnd(life);
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

function expectOutcome({ versions, reason }: Scenario, { tasks, running }: TogetherDevice): void {
  const states = tasks.map(({ state }) => state);
  if (reason === undefined) {
    expect({ states, running }).toEqual({ states: ['succeeded', 'succeeded'], running: versions });
    return;
  }
  expect({ states, running }).toEqual({
    states: ['failed', 'failed'],
    running: ['1.0.0', '1.0.0'],
  });
  expect(tasks.map((task) => task.reason)).toEqual(Array(2).fill(expect.stringMatching(reason)));
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
