// Tested by test/unit/cli/agent/config.test.ts
/** Refusals of the library in the words of a configuration file, where options have whole paths. */
import { isInvalidArgument } from '../../base/arguments';
import { ConfigError } from '../errors';

/**
 * Runs a check of the library, which calls options without what they are in.
 *
 * @param scope the path of what is checked, such as `modules[1].installer`; `''`: the file
 * @throws ConfigError, which names the option by its whole path; other errors as they are
 */
export function within<T>(scope: string, check: () => T): T {
  try {
    return check();
  } catch (error) {
    throw isInvalidArgument(error) ? refusal(scope, error.message) : error;
  }
}

function refusal(scope: string, message: string): ConfigError {
  const [, group, option] = /^([\w.[\]]+) has no option ([^;]+);/.exec(message) ?? [];
  if (group !== undefined) {
    const inside = pathOf(scope, group);
    const more = message.slice(group.length);
    if (inside === '') return new ConfigError(`the file${more}`, option);
    return new ConfigError(`${inside}${more}`, `${inside}.${option}`);
  }
  const [name] = /^[\w.[\]]+(?= must )/.exec(message) ?? [];
  if (name === undefined && scope === '') return new ConfigError(message);
  if (name === undefined) return new ConfigError(`${scope}: ${message}`, scope);
  const path = pathOf(scope, name);
  return new ConfigError(`${path}${message.slice(name.length)}`, path);
}

/** The library calls all that it is given `options`. */
function pathOf(scope: string, name: string): string {
  if (name === 'options') return scope;
  const isWhole = scope === '' || name === scope || name.startsWith(`${scope}.`);
  return isWhole ? name : `${scope}.${name}`;
}
