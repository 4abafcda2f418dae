// Tested by test/unit/cli/index.test.ts
/** How each command begins and ends. */
import { expectWords, type Given, type OptionTable, readArguments } from './arguments';
import { ConfigError } from './errors';
import { errorJson, exitCodeOf, failureJson } from './exit-codes';
import { complain, print } from './output';
import { Stopped } from './signals';

/** What a command was given. */
export interface CommandLine<T extends OptionTable> {
  readonly json: boolean;
  readonly values: Given<T>;
  /** What stands there without an option's name. */
  readonly words: readonly string[];
}

export interface CommandRules {
  /** What `--help` prints. */
  readonly usage: string;
  /** What stands there without an option's name, such as `<url>`; undefined: the command itself looks. */
  readonly words?: readonly string[] | undefined;
}

/** What every command has. */
const shared = { json: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } } as const;

/**
 * @returns the exit code where there is nothing to do: help was asked for
 * @throws UsageError
 */
export function readCommandLine<const T extends OptionTable>(
  args: readonly string[],
  own: T,
  { usage, words: expected }: CommandRules,
): CommandLine<T> | number {
  const { values, words } = readArguments(args, { ...shared, ...own });
  const { json, help } = values as Given<typeof shared>;
  if (help === true) {
    print(usage);
    return 0;
  }
  if (expected !== undefined) expectWords(words, expected);
  return { json: json === true, values: values as Given<T>, words };
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
    complainOf(name, json, error);
    return exitCodeOf(error);
  }
}

function complainOf(name: string, json: boolean, error: unknown): void {
  if (json) {
    print(failureJson(error));
    return;
  }
  const { code, message } = errorJson(error);
  // Of what is wrong there the message says all.
  const isPlain = code === 'ERR' || error instanceof ConfigError || error instanceof Stopped;
  complain(`iotkit-ota ${name}: ${message}${isPlain ? '' : ` (${code})`}`);
}
