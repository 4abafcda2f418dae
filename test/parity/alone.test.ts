// Scenarios about every handle that this process has: NULL means the only one that is open. So one after another, and
// in a process in which no other scenario has handles.
import { scenarios } from './scenarios';
import { buildDriver } from './support/build';
import { CLibrary } from './support/c-library';
import { runBoth } from './support/run';
import { Sdk } from './support/sdk';

test.each(scenarios.filter(({ alone }) => alone))('$name', async (scenario) => {
  const [c, sdk] = await runBoth(scenario, new CLibrary(await buildDriver()), new Sdk());
  expect(sdk).toEqual(c);
});
