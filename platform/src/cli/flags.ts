import { type Command, InvalidArgumentError } from 'commander';
import type { ServerOptions } from './find-server';

/** Flags of every command that asks a running platform. */
export interface CommonOptions extends ServerOptions {
  /** Prints the answer as JSON instead of a table. */
  readonly json?: boolean;
}

/** Adds the flags of a command that asks a running platform. */
export function withServer(command: Command): Command {
  return withStateDir(command)
    .option('--url <url>', 'address of the operator API (default: that of the state directory)')
    .option('--token-file <file>', 'file with the operator token')
    .option('--ca <file>', 'PEM of the CA to trust with an https --url')
    .option('--json', 'print JSON');
}

export function withStateDir(command: Command): Command {
  const preset = process.env.IOTKIT_PLATFORM_STATE_DIR ?? '.iotkit-ota-platform';
  return command.option('--state-dir <directory>', 'where the platform keeps everything', preset);
}

/** `false` leaves a listener out. */
export function port(text: string): number | false {
  if (text === 'off') return false;
  const number = wholeNumber(text);
  if (number <= 65_535) return number;
  throw new InvalidArgumentError('a port is at most 65535.');
}

export function wholeNumber(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('it must be a whole number.');
}

/** A time with its unit, `500ms` or `8s`; without one, seconds. */
export function milliseconds(text: string): number {
  const [, digits, unit] = /^(\d{1,6})(ms|s)?$/.exec(text) ?? [];
  if (digits !== undefined) return Number(digits) * (unit === 'ms' ? 1 : 1000);
  throw new InvalidArgumentError('it must be a time, as 500ms or 8s.');
}
