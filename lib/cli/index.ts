#!/usr/bin/env node
/** `iotkit-ota <command> [options]`: each command is a file of this folder, loaded when it is asked for. */

interface Command {
  /** Runs the command; resolves to the exit code. */
  main(args: string[]): Promise<number>;
}

const commands: Readonly<Record<string, () => Command>> = {
  agent: () => require('./agent'),
  build: () => require('./build'),
  confirm: () => ({ main: slots().commandOf('confirm') }),
  consent: () => require('./consent'),
  delta: () => require('./delta'),
  doctor: () => require('./doctor'),
  download: () => require('./download'),
  install: () => require('./install'),
  rollback: () => ({ main: slots().commandOf('rollback') }),
  status: () => ({ main: slots().commandOf('status') }),
};

const usage = `Usage: iotkit-ota <command> [options]

  agent     keep this machine up to date, from a configuration file alone
  build     compile the addon for this machine from the packed sources
  confirm   confirm what runs
  consent   show what waits for a user's consent, and answer
  delta     make, show and apply the difference between two images
  doctor    check whether updates can work on this machine
  download  an image from a URL, resumed and verified
  install   an image from a file or a URL, as the agent would
  rollback  let the next start take the other slot
  status    what runs, what starts next, how far the last update has come

iotkit-ota <command> --help says more, iotkit-ota --version which release it is.
`;

function slots(): typeof import('./slots') {
  return require('./slots');
}

/** undefined: there is none of that name. */
function commandOf(name: string | undefined): (() => Command) | undefined {
  return name !== undefined && Object.hasOwn(commands, name) ? commands[name] : undefined;
}

async function main([name = '--help', ...args]: string[]): Promise<number> {
  const load = commandOf(name);
  if (load !== undefined) return load().main(args);
  const topic = name === 'help' ? commandOf(args[0]) : undefined;
  if (topic !== undefined) return topic().main(['--help']);
  if (name === '--version') {
    const { packageVersion }: typeof import('./doctor/addon') = require('./doctor/addon');
    process.stdout.write(`${packageVersion()}\n`);
    return 0;
  }
  if (name === '--help' || name === '-h' || name === 'help') {
    process.stdout.write(usage);
    return 0;
  }
  if (wantsJson()) {
    const { UsageError }: typeof import('./errors') = require('./errors');
    throw new UsageError(`there is no command ${name}`);
  }
  const { printable }: typeof import('./printable') = require('./printable');
  process.stderr.write(printable(`${name}?\n\n${usage}`));
  return 2;
}

const wantsJson = (): boolean => process.argv.includes('--json');

/** Of a command whose results could not be written. */
const UNWRITTEN = 73;
let isUnwritten = false;

// Whoever reads no further, as `| head` does, has had enough: that is no failure.
process.stdout.on('error', ({ code }: NodeJS.ErrnoException) => {
  if (code === 'EPIPE' || isUnwritten) return;
  isUnwritten = true;
  process.stderr.write(`iotkit-ota: the standard output cannot be written: ${code}\n`);
  if (!process.exitCode) process.exitCode = UNWRITTEN;
});
process.stderr.on('error', () => {});
// It may have the name of a file in it.
if (process.listenerCount('warning') > 0) {
  const { complain, onWarning }: typeof import('./output') = require('./output');
  onWarning((message) => complain(`iotkit-ota: ${message}`));
}

main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code === 0 && isUnwritten ? UNWRITTEN : code;
  },
  (error: Error) => {
    const { failureJson, exitCodeOf }: typeof import('./exit-codes') = require('./exit-codes');
    if (wantsJson()) {
      console.log(failureJson(error));
    } else {
      const { printable }: typeof import('./printable') = require('./printable');
      const name = commandOf(process.argv[2]) === undefined ? '' : ` ${process.argv[2]}`;
      process.stderr.write(printable(`iotkit-ota${name}: ${error.message}\n`));
    }
    process.exitCode = exitCodeOf(error);
  },
);
