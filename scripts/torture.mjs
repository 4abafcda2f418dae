// `npm run torture`: the long runs, one after another; each runs even if one before it failed.
//
//   node scripts/torture.mjs [faults] [fuzz] [download] [delta] [--seconds 120] [--runs 300]
//
// faults: every system call and allocation fails in turn, with every error; fuzz: every harness, so many seconds each;
// download: so many random schedules of broken servers, killed programs and spoilt files; delta: deltas that were
// damaged or made up, a hundred for each run.
import { parseArgs } from 'node:util';
import { run, StepError } from './lib/run.mjs';
import { command } from './prepare.mjs';

await command(async () => {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      seconds: { type: 'string', default: '120' },
      runs: { type: 'string', default: '300' },
    },
  });
  const parts = {
    faults: ['scripts/torture/faults.sh'],
    fuzz: ['scripts/torture/fuzz.sh', values.seconds],
    download: [process.execPath, 'scripts/torture-download.mjs', '--runs', values.runs],
    delta: [process.execPath, 'scripts/torture/delta.mjs', '--runs', `${values.runs}00`],
  };
  const chosen = positionals.length > 0 ? positionals : Object.keys(parts);
  const unknown = chosen.find((name) => !(name in parts));
  if (unknown !== undefined)
    throw new StepError(`${unknown}: there are ${Object.keys(parts).join(', ')}`);
  const failed = [];
  for (const name of chosen) {
    console.log(`===== ${name} =====`);
    const [program, ...args] = parts[name];
    await run(program, args).catch((error) => {
      if (!(error instanceof StepError)) throw error;
      console.log(error.message);
      failed.push(name);
    });
  }
  if (failed.length > 0) throw new StepError(`failed: ${failed.join(', ')}`);
  console.log(`${chosen.join(', ')}: well`);
});
