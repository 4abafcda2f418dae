// Tested by platform/test/cli.test.ts
//
// cli/: the command line: a file for each noun, with its commands and what they do. It uses the
// package as a user would: index.ts and the operator API, nothing else. `serve` alone loads the
// platform itself.

import { Command, CommanderError } from 'commander';
import { addAuthority } from './authority';
import { addConfig } from './config';
import { addDevice } from './device';
import { CliError, codeOf, EXIT, messageOf } from './errors';
import { addFirmware } from './firmware';
import { port, wholeNumber, withStateDir } from './flags';
import { addFsck } from './fsck';
import { addGateway } from './gateway';
import { printable } from './printable';
import { addProduct } from './product';
import { addStatus } from './status';
import { addUpgrade } from './upgrade';

const EXIT_TEXT = `
Environment:
  IOTKIT_PLATFORM_STATE_DIR        default of --state-dir
  IOTKIT_PLATFORM_TOKEN            operator token, instead of the one in the state directory
  IOTKIT_PLATFORM_BROKER_PASSWORD  password at the external broker (serve)

Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 no platform reached, 4 upgrade not succeeded,
  configuration not accepted or message received by nobody, 5 the platform is degraded (status)`;

/** Runs the command of the process's arguments; its end is the exit code. */
export async function main(): Promise<void> {
  guardOutput();
  try {
    await build().parseAsync();
  } catch (error) {
    report(error);
    process.exitCode = exitCodeOf(error);
  }
}

function build(): Command {
  const program = new Command('iotkit-ota-platform')
    .description('The cloud side of Alibaba Cloud IoT Platform firmware OTA, on one machine')
    .showHelpAfterError('(--help shows the usage)')
    .addHelpText('after', EXIT_TEXT)
    .exitOverride();
  addServe(program);
  addProduct(program);
  addDevice(program);
  addAuthority(program);
  addGateway(program);
  addFirmware(program);
  addUpgrade(program);
  addConfig(program);
  addStatus(program);
  addFsck(program);
  return program;
}

function addServe(program: Command): void {
  withStateDir(program.command('serve').description('run a platform until SIGINT or SIGTERM'))
    .option('--host <address>', 'address to listen on', '127.0.0.1')
    .option('--public-host <name>', 'host name in the addresses given out (default: --host)')
    .option('--mqtt-port <port>', 'plain MQTT; 0 = any, off = none', port, 1883)
    .option('--mqtts-port <port>', 'MQTT over TLS', port, 8883)
    .option(
      '--mqtt-rules <rules>',
      'strict refuses wills and retained messages, lenient (default) ignores what they ask for',
    )
    .option('--http-port <port>', 'firmware over HTTP', port, 8080)
    .option('--https-port <port>', 'firmware over HTTPS', port, 8443)
    .option('--api-host <address>', 'where the operator API listens', '127.0.0.1')
    .option('--api-port <port>', 'operator API over HTTP', port, 8081)
    .option('--api-tls-port <port>', 'operator API over HTTPS', port, false)
    .option('--broker <url>', 'join this MQTT broker instead of embedding one')
    .option('--broker-username <name>', 'user name at the broker')
    .option('--broker-ca <file>', 'PEM of the CA to trust for the broker')
    .option('--broker-client-id <id>', 'client id at the broker; makes the session persistent')
    .option('--firmware-base-url <url>', 'firmware is served there as {id}.bin, unsigned')
    .option('--firmware-scheme <scheme>', 'http or https in firmware URLs')
    .option('--url-lifetime <seconds>', 'how long firmware URLs are valid', wholeNumber)
    .option('--min-keep-alive <seconds>', 'shortest keep-alive accepted (default: 30)', wholeNumber)
    .option(
      '--max-keep-alive <seconds>',
      'longest keep-alive accepted (default: 1200)',
      wholeNumber,
    )
    .option('--tls-cert <file>', 'PEM certificate instead of an own CA')
    .option('--tls-key <file>', 'PEM key of --tls-cert')
    .option('--tls-ca <file>', 'PEM of what clients have to trust (default: --tls-cert)')
    .option('--signing-key <file>', 'PEM RSA-2048 key that signs the digests in notices')
    .option('--quiet', 'print only what is wrong with the platform itself')
    .option('--log <form>', 'text, or json: a line of JSON for each event and request', 'text')
    .action(async (options) => {
      // What only a platform needs is not loaded for the commands that ask one.
      const { serve } = await import('./serve.js');
      await serve(options);
    });
}

/** Whoever reads the output may stop reading; that it cannot be written is a failure. */
function guardOutput(): void {
  process.stderr.on('error', () => undefined);
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') return;
    process.stderr.write(`error: cannot write the output: ${messageOf(error)}\n`);
    process.exitCode = EXIT.failed;
  });
}

function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT.usage;
  return error instanceof CliError ? error.exitCode : EXIT.failed;
}

function report(error: unknown): void {
  // Commander has printed its own.
  if (error instanceof CommanderError) return;
  const code = codeOf(error);
  const end = code === undefined ? '' : ` (${printable(code)})`;
  process.stderr.write(`error: ${printable(messageOf(error))}${end}\n`);
}
