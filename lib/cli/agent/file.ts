// Tested by test/unit/cli/agent/config.test.ts
/** The text of a configuration file: JSON or, where the name ends in `.toml`, TOML; and where in it a value stands. */
import { existsSync, readFileSync } from 'node:fs';
import type { TomlError } from 'smol-toml';
import { ConfigError } from '../errors';

export type Json = Readonly<Record<string, unknown>>;

/** Where the configuration is that no command line names: the first of them that is there, else the first. */
export function defaultConfig(exists: (file: string) => boolean = existsSync): string {
  const files = ['/etc/iotkit-ota/agent.toml', '/etc/iotkit-ota/agent.json'] as const;
  return files.find(exists) ?? files[0];
}

/** @throws ConfigError */
export function readText(file: string): string {
  try {
    return textOf(readFileSync(file));
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    throw new ConfigError(`cannot be read: ${(error as NodeJS.ErrnoException).code}`);
  }
}

/**
 * Without the mark of the byte order that editors of Windows begin a file with.
 *
 * @throws ConfigError
 */
export function textOf(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new ConfigError('is not text of UTF-8: save it in that encoding');
  }
}

export function isToml(file: string): boolean {
  return file.endsWith('.toml');
}

/** @throws ConfigError, which shows nothing of the text: it may hold a secret */
export function parseText(file: string, text: string): unknown {
  return isToml(file) ? parseToml(text) : parseJson(text);
}

/**
 * What JSON says, in which no name of an object is given twice: JSON.parse() would take the last.
 *
 * @throws ConfigError
 */
export function parseJson(text: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    // The words of JSON.parse() may show a part of the file.
    throw new ConfigError(`is not JSON${placeOf(error, text)}`);
  }
  expectPlain(value, '', 0); // before the scan, which keeps a path for each level
  const { twice } = scanJson(text);
  if (twice !== undefined) throw new ConfigError(`${twice} is given more than once`, twice);
  return value;
}

/** Nothing that is read here is nested deeper, and nobody who walks through it may run out of stack. */
const DEPTH_MAX = 32;

function expectPlain(value: unknown, path: string, depth: number): void {
  if (typeof value !== 'object' || value === null) return;
  if (depth > DEPTH_MAX) throw new ConfigError(`is nested more than ${DEPTH_MAX} deep`);
  for (const [key, inner] of Object.entries(value)) {
    const name = path === '' ? key : `${path}.${key}`;
    if (key === '__proto__')
      throw new ConfigError(`${path || 'the file'} has no option ${key}`, name);
    expectPlain(inner, Array.isArray(value) ? `${path}[${key}]` : name, depth + 1);
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
    const value = parse(text);
    expectPlain(value, '', 0);
    return value;
  } catch (error) {
    if (error instanceof ConfigError) throw error;
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
  return isToml(file) ? linesOfToml(text) : scanJson(text).lines;
}

/**
 * The line of an option, or of the file that it is in, or of the first that is in it (`a.b = 1` of TOML names no `a`);
 * or else of what it is in.
 */
export function lineOf(lines: Lines, path: string): number | undefined {
  const [, inner] = [...lines].find(([it]) => it.startsWith(`${path}.`)) ?? [];
  const found = lines.get(path) ?? lines.get(`${path}File`) ?? inner;
  if (found !== undefined) return found;
  const parent = path.replace(/(?:^|\.)[^.[\]]+$|\[\d+\]$/, '');
  return parent === '' || parent === path ? undefined : lineOf(lines, parent);
}

const jsonToken = /"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\],:]|\n/g;

interface JsonScan {
  readonly lines: Lines;
  /** The path of a name that an object has twice; its line is that of the last one. */
  readonly twice: string | undefined;
}

function scanJson(text: string): JsonScan {
  const lines = new Map<string, number>();
  const open: { path: string; index: number | undefined; names: Set<string> }[] = [];
  let twice: string | undefined;
  let line = 1;
  let value = ''; // the path of what comes next
  let name: string | undefined;
  const enter = (index: number | undefined): void => {
    open.push({ path: value, index, names: new Set() });
    if (index === undefined && value.endsWith(']')) lines.set(value, line);
    if (index !== undefined) value = `${value}[${index}]`;
  };
  for (const [token] of text.matchAll(jsonToken)) {
    const inside = open.at(-1);
    if (token === '\n') {
      line += 1;
      continue; // a name and its colon may stand on two lines
    }
    if (token === '{') enter(undefined);
    else if (token === '[') enter(0);
    else if (token === '}' || token === ']') open.pop();
    else if (token === ',' && inside?.index !== undefined) {
      inside.index += 1;
      value = `${inside.path}[${inside.index}]`;
    } else if (token === ':' && name !== undefined && inside?.index === undefined) {
      value = inside === undefined || inside.path === '' ? name : `${inside.path}.${name}`;
      if (inside?.names.has(name)) twice ??= value;
      inside?.names.add(name);
      if (twice === undefined || twice === value) lines.set(value, line);
    }
    name = token.startsWith('"') ? nameIn(token) : undefined;
  }
  return { lines, twice };
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
      if (array === '[[' && !lines.has(unquoted(header))) lines.set(unquoted(header), i + 1);
      table = withIndexes(unquoted(header), counts);
      if (array === '[[') {
        const index = counts.get(table) ?? 0;
        counts.set(table, index + 1);
        table = `${table}[${index}]`;
      }
      lines.set(table, i + 1);
    } else if (key !== undefined) {
      const path = table === '' ? unquoted(key) : `${table}.${unquoted(key)}`;
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

function unquoted(key: string): string {
  return key.replace(/["']/g, '').replace(/\s*\.\s*/g, '.');
}
