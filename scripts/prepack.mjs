// What npm runs before it packs or publishes: compiles lib/, and refuses to go on without the addons of every
// machine, since a package without them would install, and load nowhere. With --publish their sums are compared with
// the list too.
import { StepError } from './lib/run.mjs';
import { releaseProblems, sumProblems } from './prebuild/release.mjs';
import { command, prepare } from './prepare.mjs';

await command(async () => {
  const wanted = process.argv.includes('--publish')
    ? [releaseProblems, sumProblems]
    : [releaseProblems];
  for (const problemsOf of wanted) {
    const problems = problemsOf();
    if (problems.length === 0) continue;
    throw new StepError(
      `cannot pack:\n  ${problems.join('\n  ')}\n\`npm run prebuild\` builds the addons, on Linux x64.`,
    );
  }
  await prepare(['install', 'generate', 'ts']);
});
