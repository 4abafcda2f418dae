#!/usr/bin/env node
/** `iotkit-ota <command> [options]`: each command is a file of this folder, loaded when it is asked for. */

interface Command {
  /** Runs the command; resolves to the exit code. */
  main(args: string[]): Promise<number>;
}

const commands: Readonly<Record<string, () => Command>> = {
  build: () => require('./build'),
  doctor: () => require('./doctor'),
};

const usage = `Usage: iotkit-ota <command> [options]

  build    compile the addon for this machine from the packed sources
  doctor   check whether updates can work on this machine

iotkit-ota <command> --help says more.
`;

async function main([name = '--help', ...args]: string[]): Promise<number> {
  const load = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (load !== undefined) return load().main(args);
  const asked = name === '--help' || name === '-h' || name === 'help';
  (asked ? process.stdout : process.stderr).write(asked ? usage : `${name}?\n\n${usage}`);
  return asked ? 0 : 2;
}

main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code;
  },
  (error: Error & { code?: unknown }) => {
    process.stderr.write(`iotkit-ota: ${error.message}\n`);
    process.exitCode = String(error.code).startsWith('ERR_PARSE_ARGS') ? 2 : 1;
  },
);
