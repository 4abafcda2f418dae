// `npm run torture:download`: random schedules of broken servers, killed programs and spoilt files. Each download has
// to end with the right image under its final name, or with a clear error; and hardly a byte is to be fetched twice.
// What a seed repeats is the plan; when a kill strikes between two bytes is a matter of the machine.
//
//   node scripts/torture-download.mjs [--runs 300] [--seed S] [--only K] [--jobs J] [--verbose]
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { loadTypeScript } from './lib/load-typescript.mjs';
import { StepError } from './lib/run.mjs';
import { command, prepare } from './prepare.mjs';
import { isExcused, planOf } from './torture/plan.mjs';
import { Run, RunFailed } from './torture/run.mjs';

const PRODUCT_KEY = 'a1Torture';
/**
 * Bytes sent again for each request that was broken off, on average. What a dead program had not read yet lies in
 * the sockets' buffers, and on a machine with other work that is more: 20 KiB when idle, 80 at a load of 15.
 */
const MOST_AGAIN = 128 * 1024;

await command(async () => {
  const { values } = parseArgs({
    options: {
      runs: { type: 'string', default: '300' },
      seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
      only: { type: 'string' },
      jobs: { type: 'string', default: String(availableParallelism() + 1) },
      verbose: { type: 'boolean', default: false },
    },
  });
  const [runs, seed, jobs] = [values.runs, values.seed, values.jobs].map(whole);
  await prepare();
  const numbers =
    values.only === undefined ? Array.from({ length: runs }, (_, i) => i) : [whole(values.only)];
  console.log(`${numbers.length} runs, seed ${seed}`);
  const results = await withCommon((common) =>
    runAll(common, { numbers, seed, jobs, verbose: values.verbose }),
  );
  if (!summarize(results, seed)) process.exitCode = 1;
});
// Node.js never answers some writes of a TLS socket whose connection is broken beneath it, and spins for ever when
// it waits for them on its way out (Environment::CleanupHandles). All that was started has ended by now.
process.exit();

function whole(text) {
  if (/^\d{1,10}$/.test(text)) return Number(text);
  throw new StepError(`${text} is not a whole number`);
}

/** Opens what all runs share, and closes it. */
async function withCommon(use) {
  const { Platform, localIdentity } = await import('iotkit-ota-platform');
  const support = {
    ...loadTypeScript('test/support/fault-server.ts'),
    ...loadTypeScript('test/support/fault-replies.ts'),
  };
  const { imageOf } = loadTypeScript('test/support/image.ts');
  const directory = await mkdtemp(path.join(tmpdir(), 'iotkit-ota-torture-'));
  let platform;
  try {
    const identity = await localIdentity(directory, ['127.0.0.1', 'localhost']);
    platform = await Platform.start({ tls: identity });
    const data = Buffer.from('replaced in every notice');
    const firmware = { productKey: PRODUCT_KEY, version: '2.0.0', signMethod: 'SHA256', data };
    const { id: firmwareId } = await platform.firmware.add(firmware);
    return await use({ platform, firmwareId, support, imageOf, identity, directory });
  } finally {
    await platform?.close();
    await rm(directory, { recursive: true, force: true });
  }
}

async function runAll(common, { numbers, seed, jobs, verbose }) {
  const results = [];
  const waiting = [...numbers];
  const work = async () => {
    for (let number = waiting.shift(); number !== undefined; number = waiting.shift()) {
      const plan = planOf(seed, number);
      const result = await new Run(common, plan).run().catch((error) => {
        if (error instanceof RunFailed) return { failure: error.message };
        throw error;
      });
      results.push({ plan, ...result });
      tell({ plan, ...result }, seed, verbose);
      if (results.length % 25 === 0) console.log(`  ${results.length} of ${numbers.length}`);
    }
  };
  await Promise.all(Array.from({ length: jobs }, work));
  return results;
}

function tell({ plan, failure, ends, again, log }, seed, verbose) {
  if (failure !== undefined) {
    const alone = `npm run torture:download -- --seed ${seed} --only ${plan.number}`;
    console.log(
      `FAIL run ${plan.number}: ${failure}\n  plan ${JSON.stringify(plan)}\n  alone: ${alone}`,
    );
  } else if (verbose) {
    const share = ((100 * again) / plan.size).toFixed(1);
    console.log(
      `run ${plan.number}: ${ends}, ${share} % again${isExcused(plan) ? ' (excused)' : ''}`,
    );
    console.log(`  plan ${JSON.stringify(plan)}\n${log.join('\n')}`);
  }
}

/** Prints what came of it; whether all is well. */
function summarize(results, seed) {
  const failed = results.filter(({ failure }) => failure !== undefined);
  const ended = results.filter(({ failure }) => failure === undefined);
  const sum = (of) => ended.reduce((total, each) => total + of(each), 0);
  const counts = new Map();
  for (const { ends } of ended) counts.set(ends, (counts.get(ends) ?? 0) + 1);
  console.log([...counts].map(([ends, count]) => `${ends}: ${count}`).join(', '));
  console.log(
    `${sum(({ kills }) => kills)} programs killed, ${sum(({ requests }) => requests)} requests answered, ` +
      `${sum(({ plan }) => plan.kills.filter(({ damage }) => damage.length > 0).length)} times files spoilt`,
  );
  const judged = ended.filter(({ plan, hasDoubted }) => !hasDoubted && !isExcused(plan));
  const again = againOf(judged);
  console.log(
    `fetched again for each request that was broken off, over the ${judged.length} runs without damage, forced ` +
      `restarts, refused ranges and several connections: ${kib(again)} (at most ${kib(MOST_AGAIN)})`,
  );
  if (failed.length > 0) {
    console.log(
      `${failed.length} FAILED of seed ${seed}: ${failed.map(({ plan }) => plan.number).join(', ')}`,
    );
  }
  if (again > MOST_AGAIN) console.log('FAILED: too much was fetched again');
  return failed.length === 0 && again <= MOST_AGAIN;
}

/** Bytes, for each request but the first of a run. */
function againOf(results) {
  const sum = (of) => results.reduce((total, each) => total + of(each), 0);
  return (
    sum(({ again }) => again) /
    Math.max(
      1,
      sum(({ requests }) => requests - 1),
    )
  );
}

function kib(bytes) {
  return `${(bytes / 1024).toFixed(1)} KiB`;
}
