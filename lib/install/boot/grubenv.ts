/**
 * GRUB's environment block: 1,024 bytes in a file that GRUB reads by its file system, and writes by
 * the numbers of its blocks, without it. So this file must keep its size and its blocks: it is
 * written in place. `grub-editenv` empties it first, and a power cut then leaves no environment.
 */
import { type FileHandle, open } from 'node:fs/promises';
import { withEnd } from '../../base/cleanup';
import { IotkitError } from '../../base/errors';
import type { Changes, VariableStore, Variables } from './environment';

const SIZE = 1024;
const HEAD = '# GRUB Environment Block\n';
const help = `make it with "grub-editenv FILE create"`;

/** @internal The block in `file`. */
export function grubenvStore(file: string): VariableStore {
  return {
    place: file,
    check: async () => void (await readBlock(file)),
    read: async () => variablesOf(await readBlock(file)),
    assertWritable: async (_, changes) => {
      changed(await readBlock(file), changes, file);
      await withFile(file, 'r+', async () => {});
    },
    write: async (changes) => {
      const block = changed(await readBlock(file), changes, file);
      await withFile(file, 'r+', async (handle) => {
        await handle.write(block, 0, SIZE, 0);
        await handle.sync();
      });
    },
  };
}

async function readBlock(file: string): Promise<string> {
  const block = await withFile(file, 'r', async (handle) => {
    const { size } = await handle.stat();
    if (size !== SIZE) throw broken(file, `has ${size} bytes instead of ${SIZE}; ${help}`);
    const { bytesRead, buffer } = await handle.read(Buffer.alloc(SIZE), 0, SIZE, 0);
    return buffer.subarray(0, bytesRead).toString('latin1');
  });
  if (block.length === SIZE && block.startsWith(HEAD)) return block;
  throw broken(file, `is no environment block of GRUB; ${help}`);
}

function variablesOf(block: string): Variables {
  const variables = new Map<string, string>();
  for (const line of linesOf(block)) {
    const at = line.indexOf('=');
    if (line.startsWith('#') || at < 1) continue;
    variables.set(line.slice(0, at), unescaped(line.slice(at + 1)));
  }
  return variables;
}

// What is not changed stays as it is, comments included: others keep theirs in the same block.
function changed(block: string, changes: Changes, file: string): Buffer {
  const left = new Map(Object.entries(changes));
  const lines = linesOf(block).flatMap((line) => {
    const name = line.slice(0, Math.max(line.indexOf('='), 0));
    if (line.startsWith('#') || !Object.hasOwn(changes, name)) return [line];
    const value = left.get(name);
    left.delete(name);
    return value === undefined ? [] : [lineOf(name, value)];
  });
  for (const [name, value] of left) if (value !== undefined) lines.push(lineOf(name, value));
  const text = [HEAD, ...lines.map((line) => `${line}\n`)].join('');
  if (text.length > SIZE) throw broken(file, 'has no room for another variable');
  return Buffer.from(text.padEnd(SIZE, '#'), 'latin1');
}

/** The lines after the first, without the padding. A line may go on after a backslash. */
function linesOf(block: string): string[] {
  const body = block.slice(HEAD.length);
  const lines = body.match(/(?:\\[\s\S]|[^\\\n])*\n/g) ?? [];
  return lines.map((line) => line.slice(0, -1));
}

function lineOf(name: string, value: string): string {
  return `${name}=${value.replace(/[\\\n]/g, '\\$&')}`;
}

function unescaped(value: string): string {
  return value.replace(/\\([\s\S])/g, '$1');
}

async function withFile<T>(
  file: string,
  flags: 'r' | 'r+',
  use: (handle: FileHandle) => Promise<T>,
): Promise<T> {
  try {
    const handle = await open(file, flags);
    return await withEnd(
      () => use(handle),
      () => handle.close(),
    );
  } catch (cause) {
    if (IotkitError.is(cause)) throw cause;
    const { code, message } = cause as NodeJS.ErrnoException;
    throw broken(file, code === 'ENOENT' ? `: ${message}; ${help}` : `: ${message}`, cause);
  }
}

function broken(file: string, what: string, cause?: unknown): IotkitError {
  const detail = what.startsWith(':') ? `${file}${what}` : `${file} ${what}`;
  return new IotkitError('ERR_BOOT_STATE', detail, cause === undefined ? {} : { cause });
}
