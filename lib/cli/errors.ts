// Tested by test/unit/cli/exit-codes.test.ts
/** What commands throw, besides the errors of the package. */
import { isInvalidArgument } from '../base/arguments';

/** What is wrong with a file, for whoever wrote it. */
export class ConfigError extends Error {
  readonly code: string = 'ERR_CONFIG';
  /** The path of the option that it is about, such as `modules[1].installer`. */
  readonly at: string | undefined;

  constructor(message: string, at?: string) {
    super(message);
    this.at = at;
  }
}

/** What is wrong with a command line, for whoever typed it. */
export class UsageError extends ConfigError {
  override readonly code = 'ERR_USAGE';
}

/** What a command says of itself, where no error of the package does. Its exit code is that of its code. */
export class CommandError extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/**
 * A refused argument in the words of the command line, whose user knows nothing of the library's options.
 *
 * @param words what the command calls an option of the library
 * @returns any other error as it is
 */
export function inWordsOf(words: Readonly<Record<string, string>>, error: unknown): unknown {
  if (!isInvalidArgument(error)) return error;
  const wordOf = (name: string): string =>
    (Object.hasOwn(words, name) ? words[name] : name) ?? name;
  // A message about one option begins with its name, and may go on with the same word in another meaning.
  const [, name = '', more = ''] = /^([\w.]*\w)( must .*)$/s.exec(error.message) ?? [];
  if (name !== '') return new UsageError(`${wordOf(name)}${more}`);
  // What stands in quotation marks was given by the user.
  const message = error.message.replace(/"(?:[^"\\]|\\.)*"|[\w.]*\w/g, wordOf);
  return new UsageError(message);
}
