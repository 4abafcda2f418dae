import { scenarios } from './scenarios';
import { buildDriver } from './support/build';
import { CLibrary } from './support/c-library';
import { countValues, runAndClose, runBoth } from './support/run';
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

test.concurrent.each(scenarios.filter(({ only, alone }) => only === undefined && !alone))(
  '$name',
  async (scenario) => {
    const [c, sdk] = await runBoth(scenario, new CLibrary(await driver), new Sdk());
    expect(sdk).toEqual(c);
    totals.scenarios++;
    totals.steps += c.replies.length;
    totals.values += countValues(c);
  },
);

test.concurrent.each(scenarios.filter(({ only }) => only === 'c'))(
  '$name, in C',
  async (scenario) => {
    const { replies } = await runAndClose(scenario, new CLibrary(await driver));
    totals.scenarios++;
    totals.steps += replies.length;
  },
);
