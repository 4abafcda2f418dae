// What `npm start` runs: one firmware update on this machine, platform and device, over real
// sockets.
import { codeOf, describe, exitCodes, Failure } from './failure';
import { runJob, STEPS } from './job';
import { help, parseOptions } from './options';
import { Screen } from './screen';

async function main(): Promise<number> {
  const screen = new Screen(process.stdout, STEPS);
  try {
    const options = parseOptions(process.argv.slice(2));
    if (options === undefined) {
      screen.line(help);
      return 0;
    }
    screen.line('One firmware update, from the platform to the device and back:\n');
    await withInterrupt((signal) => runJob(options, screen, signal));
    return 0;
  } catch (error) {
    return fail(error, screen);
  }
}

function fail(error: unknown, screen: Screen): number {
  if (!(error instanceof Failure)) {
    process.stderr.write(`\nUnexpected: ${error instanceof Error ? error.stack : error}\n`);
    return 1;
  }
  if (error.kind === 'interrupted') {
    process.stderr.write(`\n${error.message}\n`);
    return error.exitCode;
  }
  const where = error.kind === 'usage' ? '' : ` at step ${screen.nextStep}/${STEPS}`;
  process.stderr.write(`\nFailed${where} (${error.kind}): ${error.message}\n${error.advice}\n`);
  return error.exitCode;
}

/** Runs an action that Ctrl-C ends in order; a second Ctrl-C ends the process at once. */
async function withInterrupt(action: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const abort = new AbortController();
  const onSignal = (): void => {
    abort.abort(new Failure('interrupted', 'Interrupted; temporary files are removed.', ''));
  };
  process.once('SIGINT', onSignal);
  process.once('SIGTERM', onSignal);
  try {
    await action(abort.signal);
  } finally {
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
  }
}

// A reader that goes away (npm start | head) is no reason to stop in the middle.
process.stdout.on('error', (error) => {
  if (codeOf(error) !== 'EPIPE') throw error;
});

main().then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    process.stderr.write(`${describe(error)}\n`);
    process.exitCode = exitCodes.platform;
  },
);
