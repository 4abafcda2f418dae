import { scenarios } from './scenarios';
import { buildDriver } from './support/build';
import { CLibrary } from './support/c-library';
import { type Backend, countValues, type Outcome, runScenario } from './support/run';
import type { Scenario } from './support/scenario';
import { Sdk } from './support/sdk';

const totals = { scenarios: 0, steps: 0, values: 0 };
// Built before the first test, because tests run side by side from the start.
const driver = buildDriver();

afterAll(() => {
  const { scenarios, steps, values } = totals;
  process.stdout.write(
    `parity of C and TypeScript: ${scenarios} scenarios, ${steps} calls, ${values} values compared\n`,
  );
});

async function outcomeOf(scenario: Scenario, backend: Backend): Promise<Outcome> {
  try {
    return await runScenario(scenario, backend);
  } finally {
    await backend.close();
  }
}

test.concurrent.each(scenarios.filter(({ only }) => only === undefined))(
  '$name',
  async (scenario) => {
    const [c, sdk] = await Promise.all([
      outcomeOf(scenario, new CLibrary(await driver)),
      outcomeOf(scenario, new Sdk()),
    ]);
    expect(sdk).toEqual(c);
    totals.scenarios++;
    totals.steps += c.replies.length;
    totals.values += countValues(c);
  },
);

test.concurrent.each(scenarios.filter(({ only }) => only === 'c'))(
  '$name, in C',
  async (scenario) => {
    const { replies } = await outcomeOf(scenario, new CLibrary(await driver));
    totals.scenarios++;
    totals.steps += replies.length;
  },
);
