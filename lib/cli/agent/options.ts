// Tested by test/integration/agent-command.test.ts
/** The options that the commands about updates share. */
import type { Given, OptionTable } from '../arguments';
import { type CommandLine, type CommandRules, readCommandLine } from '../command';
import { defaultConfig } from './file';

export interface UpdateCommand<T extends OptionTable> extends CommandLine<T> {
  /** The configuration of the agent, which may not be there. */
  readonly config: string;
}

const shared = { config: { type: 'string' } } as const;

/**
 * @returns the exit code where there is nothing to do: help was asked for
 * @throws UsageError
 */
export function readOptions<const T extends OptionTable>(
  args: readonly string[],
  own: T,
  { usage, words = [] }: CommandRules,
): UpdateCommand<T> | number {
  const given = readCommandLine(args, { ...shared, ...own }, { usage, words });
  if (typeof given === 'number') return given;
  const { config = defaultConfig() } = given.values as Given<typeof shared>;
  return { ...given, values: given.values as Given<T>, config };
}
