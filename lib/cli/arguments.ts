// Tested by test/unit/cli/arguments.test.ts
/** The words of a command line, as all commands take them. */
import { parseArgs } from 'node:util';
import { UsageError } from './errors';
import { nearest } from './nearest';

/** The options of a command: of a text, or a flag. */
export type OptionTable = Readonly<
  Record<string, { readonly type: 'boolean' | 'string'; readonly short?: string }>
>;

/** What was given of a table of options. */
export type Given<T extends OptionTable> = {
  readonly [K in keyof T]?: T[K]['type'] extends 'boolean' ? boolean : string;
};

export interface Arguments<T extends OptionTable> {
  readonly values: Given<T>;
  /** What stands there without an option's name. */
  readonly words: readonly string[];
}

/**
 * Each option once, with a value that is not empty: of two that contradict each other nobody can say which was meant,
 * and an empty one is a variable of a script that was not set.
 *
 * @throws UsageError
 */
export function readArguments<const T extends OptionTable>(
  args: readonly string[],
  options: T,
): Arguments<T> {
  const values: Record<string, string | boolean> = {};
  const words: string[] = [];
  for (const token of parse(args, options)) {
    if (token.kind === 'positional') words.push(token.value);
    if (token.kind !== 'option') continue;
    const { name, rawName, value, inlineValue } = token;
    const option = Object.hasOwn(options, name) ? options[name] : undefined;
    if (option === undefined) throw unknown(rawName, Object.keys(options));
    if (Object.hasOwn(values, name)) throw new UsageError(`--${name} is given more than once`);
    if (option.type === 'string') values[name] = textOf(name, value, inlineValue);
    else values[name] = flagOf(name, value);
  }
  return { values: values as Given<T>, words };
}

/** @throws UsageError: the command takes other words than these, which `expected` lists */
export function expectWords(words: readonly string[], expected: readonly string[]): void {
  const [missing] = expected.slice(words.length);
  if (missing !== undefined) throw new UsageError(`${missing} is missing; see --help`);
  const [more] = words.slice(expected.length);
  // What follows the scheme of a URL may hold a password, or a signature.
  const shown = more?.replace(/:\/\/.*/s, '://…');
  if (shown !== undefined) throw new UsageError(`${shown} is one too many; see --help`);
}

function parse(args: readonly string[], options: OptionTable) {
  const rules = { args: [...args], options, strict: false, tokens: true } as const;
  return parseArgs({ ...rules, allowPositionals: true }).tokens;
}

function flagOf(name: string, value: string | undefined): boolean {
  if (value === undefined) return true;
  throw new UsageError(`--${name} takes no value`);
}

function textOf(name: string, value: string | undefined, isInline: boolean | undefined): string {
  if (value === undefined) throw new UsageError(`--${name} needs a value`);
  if (value === '') throw new UsageError(`--${name} must not be empty`);
  // It is more likely the next option.
  if (value.startsWith('-') && isInline !== true) {
    throw new UsageError(`--${name} needs a value; if it is ${value}, write --${name}=${value}`);
  }
  return value;
}

function unknown(name: string, known: readonly string[]): UsageError {
  const meant = nearest(name.replace(/^-+/, ''), known);
  const help = meant === undefined ? 'see --help' : `did you mean --${meant}?`;
  return new UsageError(`there is no option ${name}; ${help}`);
}
