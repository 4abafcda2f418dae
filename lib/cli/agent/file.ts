// Tested by test/unit/cli/agent/config.test.ts
/** The text of a configuration file: JSON or, where the name ends in `.toml`, TOML; and where in it a value stands. */
import { existsSync, readFileSync } from 'node:fs';
import type { TomlError } from 'smol-toml';

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

export type Json = Readonly<Record<string, unknown>>;

/** Where the configuration is that no command line names: the first of them that is there, else the last. */
export function defaultConfig(exists = existsSync): string {
  const [toml, json] = ['/etc/iotkit-ota/agent.toml', '/etc/iotkit-ota/agent.json'] as const;
  return exists(toml) ? toml : json;
}

/** @throws ConfigError */
export function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new ConfigError(`cannot be read: ${(error as NodeJS.ErrnoException).code}`);
  }
}

export function isToml(file: string): boolean {
  return file.endsWith('.toml');
}

/** @throws ConfigError, which shows nothing of the text: it may hold a secret */
export function parseText(file: string, text: string): unknown {
  return isToml(file) ? parseToml(text) : parseJson(text);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    // The words of JSON.parse() may show a part of the file.
    throw new ConfigError(`is not JSON${placeOf(error, text)}`);
  }
}

/** Where JSON.parse() stopped, if it says so. */
function placeOf(error: unknown, text: string): string {
  const [, position] = /position (\d+)/.exec((error as Error).message) ?? [];
  if (position === undefined) return '';
  const before = text.slice(0, Number(position)).split('\n');
  return `: see line ${before.length}, column ${(before.at(-1) ?? '').length + 1}`;
}

function parseToml(text: string): unknown {
  const { parse } = require('smol-toml') as typeof import('smol-toml');
  try {
    return parse(text);
  } catch (error) {
    const { line, column } = error as Partial<TomlError>;
    if (line === undefined) throw error;
    // Only the first line is about what is wrong; the others show the file.
    const [why = ''] = (error as Error).message.split('\n', 1);
    const reason = why.replace(/^Invalid TOML document: /, '');
    throw new ConfigError(`is not TOML: see line ${line}, column ${column}: ${reason}`);
  }
}

/** The line of each option, by its path as messages call it: `policy.window.from`, `modules[1].installer`. */
export type Lines = ReadonlyMap<string, number>;

/** @param text may be neither JSON nor TOML: then it finds fewer of them */
export function linesOf(file: string, text: string): Lines {
  return isToml(file) ? linesOfToml(text) : linesOfJson(text);
}

/**
 * The line of what a message is about: of the option itself, or else of what it is in. What checks the options
 * of an installer or a device calls them without what they are in.
 */
export function lineOf(lines: Lines, path: string): number | undefined {
  const exact = lines.get(path) ?? [...lines].find(([it]) => it.endsWith(`.${path}`))?.[1];
  if (exact !== undefined) return exact;
  const parent = path.replace(/(?:^|\.)[^.[\]]+$|\[\d+\]$/, '');
  return parent === '' || parent === path ? undefined : lineOf(lines, parent);
}

const jsonToken = /"(?:[^"\\]|\\.)*"|[{}[\],:]|\n/g;

function linesOfJson(text: string): Lines {
  const lines = new Map<string, number>();
  const open: { readonly path: string; index: number | undefined }[] = [];
  let line = 1;
  let value = ''; // the path of what comes next
  let name: string | undefined;
  const enter = (index: number | undefined): void => {
    open.push({ path: value, index });
    if (index === undefined && value.endsWith(']')) lines.set(value, line);
    if (index !== undefined) value = `${value}[${index}]`;
  };
  for (const [token] of text.matchAll(jsonToken)) {
    const inside = open.at(-1);
    if (token === '\n') line += 1;
    else if (token === '{') enter(undefined);
    else if (token === '[') enter(0);
    else if (token === '}' || token === ']') open.pop();
    else if (token === ',' && inside?.index !== undefined) {
      inside.index += 1;
      value = `${inside.path}[${inside.index}]`;
    } else if (token === ':' && name !== undefined && inside?.index === undefined) {
      value = inside === undefined || inside.path === '' ? name : `${inside.path}.${name}`;
      lines.set(value, line);
    }
    name = token.startsWith('"') ? nameIn(token) : undefined;
  }
  return lines;
}

/** undefined: it has an escape that is none. The words of JSON.parse() may show a part of the file. */
function nameIn(token: string): string | undefined {
  try {
    return JSON.parse(token);
  } catch {
    return undefined;
  }
}

/** Of inline tables and of arrays over several lines the line is that of their name. */
function linesOfToml(text: string): Lines {
  const lines = new Map<string, number>();
  const counts = new Map<string, number>();
  let table = '';
  for (const [i, written] of text.split('\n').entries()) {
    const [, array, header] = /^\s*(\[\[?)\s*([^[\]]+?)\s*\]/.exec(written) ?? [];
    const [, key] = /^\s*([\w."'-]+(?:\s*\.\s*[\w"'-]+)*)\s*=/.exec(written) ?? [];
    if (header !== undefined) {
      // That there are such tables at all is known by their name.
      if (array === '[[' && !lines.has(plain(header))) lines.set(plain(header), i + 1);
      table = withIndexes(plain(header), counts);
      if (array === '[[') {
        const index = counts.get(table) ?? 0;
        counts.set(table, index + 1);
        table = `${table}[${index}]`;
      }
      lines.set(table, i + 1);
    } else if (key !== undefined) {
      const path = table === '' ? plain(key) : `${table}.${plain(key)}`;
      if (!lines.has(path)) lines.set(path, i + 1);
    }
  }
  return lines;
}

/** `modules.installer` is of the module that was begun last. */
function withIndexes(header: string, counts: ReadonlyMap<string, number>): string {
  const parts = header.split('.');
  return parts.reduce((path, part, i) => {
    const here = path === '' ? part : `${path}.${part}`;
    const count = counts.get(here);
    return count === undefined || i === parts.length - 1 ? here : `${here}[${count - 1}]`;
  }, '');
}

function plain(key: string): string {
  return key.replace(/["']/g, '').replace(/\s*\.\s*/g, '.');
}
