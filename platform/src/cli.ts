#!/usr/bin/env node
import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { RequestError, UnreachableError } from './cli/client';
import {
  configList,
  configPush,
  configRemove,
  configSet,
  deviceAdd,
  deviceList,
  deviceRemove,
  firmwareAdd,
  firmwareList,
  firmwareRemove,
  PushFailed,
  status,
  UpgradeFailed,
  upgradeAct,
  upgradeStart,
  upgradeStatus,
} from './cli/commands';
import { messageOf, PlatformError } from './errors';

const EXIT = { failed: 1, usage: 2, unreachable: 3, upgradeFailed: 4 } as const;

const EXIT_TEXT = `
Environment:
  IOTKIT_PLATFORM_STATE_DIR        default of --state-dir
  IOTKIT_PLATFORM_TOKEN            operator token, instead of the one in the state directory
  IOTKIT_PLATFORM_BROKER_PASSWORD  password at the external broker (serve)

Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 no platform reached, 4 upgrade not succeeded
  or configuration not accepted`;

function build(): Command {
  const program = new Command('iotkit-ota-platform')
    .description('The cloud side of Alibaba Cloud IoT Platform firmware OTA, on one machine')
    .showHelpAfterError('(--help shows the usage)')
    .addHelpText('after', EXIT_TEXT)
    .exitOverride();
  addServe(program);
  addDevice(program.command('device').description('registered devices'));
  addFirmware(program.command('firmware').description('firmware packages'));
  addUpgrade(program.command('upgrade').description('upgrade jobs'));
  addConfig(program.command('config').description('remote configuration of products'));
  client(program.command('status').description('what the platform has')).action(status);
  return program;
}

function addServe(program: Command): void {
  withStateDir(program.command('serve').description('run a platform until SIGINT or SIGTERM'))
    .option('--host <address>', 'address to listen on', '127.0.0.1')
    .option('--public-host <name>', 'host name in the addresses given out (default: --host)')
    .option('--mqtt-port <port>', 'plain MQTT; 0 = any, off = none', port, 1883)
    .option('--mqtts-port <port>', 'MQTT over TLS', port, 8883)
    .option('--http-port <port>', 'firmware and operator API over HTTP', port, 8080)
    .option('--https-port <port>', 'firmware and operator API over HTTPS', port, 8443)
    .option('--broker <url>', 'join this MQTT broker instead of embedding one')
    .option('--broker-username <name>', 'user name at the broker')
    .option('--broker-ca <file>', 'PEM of the CA to trust for the broker')
    .option('--broker-client-id <id>', 'client id at the broker; makes the session persistent')
    .option('--firmware-base-url <url>', 'firmware is served there as {id}.bin, unsigned')
    .option('--firmware-scheme <scheme>', 'http or https in firmware URLs')
    .option('--url-lifetime <seconds>', 'how long firmware URLs are valid', whole)
    .option('--min-keep-alive <seconds>', 'shortest keep-alive accepted (default: 30)', whole)
    .option('--max-keep-alive <seconds>', 'longest keep-alive accepted (default: 1200)', whole)
    .option('--tls-cert <file>', 'PEM certificate instead of an own CA')
    .option('--tls-key <file>', 'PEM key of --tls-cert')
    .option('--tls-ca <file>', 'PEM of what clients have to trust (default: --tls-cert)')
    .option('--signing-key <file>', 'PEM RSA-2048 key that signs the digests in notices')
    .option('--quiet', 'do not print events')
    .action(async (options) => {
      // What only a platform needs is not loaded for the commands that ask one.
      const { serve } = await import('./cli/serve.js');
      await serve(options);
    });
}

function addDevice(command: Command): void {
  client(command.command('add <productKey> <deviceName>').description('register a device'))
    .option('--secret <secret>', 'device secret (default: a random one)')
    .action(deviceAdd);
  client(command.command('list').description('list the devices')).action(deviceList);
  client(command.command('remove <productKey> <deviceName>').description('forget a device')).action(
    deviceRemove,
  );
}

function addFirmware(command: Command): void {
  const add = command.command('add <productKey> <version> <file...>');
  client(add.description('upload a firmware: an image, or several files'))
    .option('--module <name>', 'module (default: the default module)')
    .option('--sign-method <method>', 'MD5 or SHA256 (default: SHA256)')
    .option('--source-version <version...>', 'versions it may be installed over')
    .option('--diff', 'it is a delta package')
    .option('--ext-data <json>', 'JSON object of strings for the device')
    .option('--files', 'one file is a list of one, and no image')
    .action(firmwareAdd);
  client(command.command('list').description('list the firmware')).action(firmwareList);
  client(command.command('remove <id>').description('remove a firmware')).action(firmwareRemove);
}

function addUpgrade(command: Command): void {
  const start = command.command('start <firmwareId> <deviceName...>');
  client(start.description('upgrade devices to a firmware'))
    .option('--timeout <minutes>', 'time-out from the first progress report, 1-1440', whole)
    .option('--confirm', 'wait for confirmation first')
    .option('--pull', 'never push, the devices ask')
    .option('--protocol <protocol>', 'https, or mqtt: in blocks, up to 16 MiB (default: https)')
    .option('--retry-attempts <number>', 'retries after a failure: 1, 2 or 5', whole)
    .option('--retry-delay <minutes>', 'before a retry: 0, 10, 30, 60 or 1440', whole, 0)
    .option('--wait', 'wait until it has ended on every device')
    .action(upgradeStart);
  client(command.command('status [id]').description('one upgrade, or all')).action(upgradeStatus);
  for (const action of ['cancel', 'confirm'] as const) {
    client(
      command.command(`${action} <id> [deviceName...]`).description(`${action} an upgrade`),
    ).action((id, devices, options) => upgradeAct(action, id, devices, options));
  }
}

function addConfig(command: Command): void {
  client(command.command('set <productKey> <file>').description('set the configuration'))
    .option('--sign-method <method>', 'MD5 or SHA256 (default: SHA256)')
    .action(configSet);
  client(command.command('list').description('list the configurations')).action(configList);
  client(command.command('remove <productKey>').description('remove the configuration')).action(
    configRemove,
  );
  const push = command.command('push <productKey> [deviceName...]');
  client(push.description('push it to devices (default: all) and await their answers'))
    .option('--timeout <seconds>', 'how long answers are awaited, 1-3600 (default: 30)', whole)
    .action(configPush);
}

/** A command that talks to a running platform. */
function client(command: Command): Command {
  return withStateDir(command)
    .option('--url <url>', 'address of the operator API (default: that of the state directory)')
    .option('--token-file <file>', 'file with the operator token')
    .option('--ca <file>', 'PEM of the CA to trust with an https --url')
    .option('--json', 'print JSON');
}

function withStateDir(command: Command): Command {
  const preset = process.env.IOTKIT_PLATFORM_STATE_DIR ?? '.iotkit-ota-platform';
  return command.option('--state-dir <directory>', 'where the platform keeps everything', preset);
}

function port(text: string): number | false {
  return text === 'off' ? false : whole(text);
}

function whole(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('it must be a whole number.');
}

function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT.usage;
  if (error instanceof UnreachableError) return EXIT.unreachable;
  if (error instanceof UpgradeFailed || error instanceof PushFailed) return EXIT.upgradeFailed;
  return EXIT.failed;
}

function report(error: unknown): void {
  // Commander has printed its own.
  if (error instanceof CommanderError) return;
  const code =
    error instanceof PlatformError || error instanceof RequestError ? ` (${error.code})` : '';
  process.stderr.write(`error: ${messageOf(error)}${code}\n`);
}

build()
  .parseAsync()
  .catch((error: unknown) => {
    report(error);
    process.exitCode = exitCodeOf(error);
  });
