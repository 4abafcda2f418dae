// Tested by test/integration/agent-command.test.ts
/** The options that the commands about updates share. */
import { type ParseArgsConfig, parseArgs } from 'node:util';
import { errorJson, exitCodeOf, failureJson } from '../exit-codes';
import { printable } from '../printable';
import { ConfigError, defaultConfig, UsageError } from './file';

export interface CommandOptions {
  readonly config: string;
  readonly json: boolean;
  /** What a command has besides: a text, or whether a flag was given. */
  readonly more: Readonly<Record<string, string | boolean | undefined>>;
  /** What stands there without an option's name. */
  readonly given: readonly string[];
}

/** An option of one command alone. */
export type MoreOptions = Readonly<
  Record<string, { readonly type: 'boolean' | 'string'; readonly short?: string }>
>;

const shared = {
  config: { type: 'string' },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false, short: 'h' },
} as const;

/**
 * @param takes how many words it takes that are no options
 * @returns the exit code where there is nothing to do: help was asked for
 * @throws the errors of parseArgs() and UsageError, which the command line knows as wrong usage
 */
export function readOptions(
  args: readonly string[],
  more: MoreOptions,
  usage: string,
  takes = 0,
): CommandOptions | number {
  const options: NonNullable<ParseArgsConfig['options']> = { ...shared, ...more };
  const allowPositionals = takes > 0;
  const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals });
  const { config = defaultConfig(), json, help, ...others } = values;
  if (help === true) {
    console.log(usage);
    return 0;
  }
  if (positionals.length !== takes) throw new UsageError(`takes ${takes} file or URL; see --help`);
  const own = others as CommandOptions['more'];
  return { config: String(config), json: json === true, more: own, given: positionals };
}

/**
 * Runs a command, and says what went wrong: on stderr, or with `--json` as an object on stdout.
 *
 * @returns the exit code
 */
export async function ending(
  name: string,
  json: boolean,
  work: () => Promise<number>,
): Promise<number> {
  try {
    return await work();
  } catch (error) {
    const { code, message } = errorJson(error);
    if (json) console.log(failureJson(error));
    else {
      // Of what is wrong there the message says all.
      const isPlain = code === 'ERR' || error instanceof ConfigError;
      console.error(printable(`iotkit-ota ${name}: ${message}${isPlain ? '' : ` (${code})`}`));
    }
    return exitCodeOf(error);
  }
}
