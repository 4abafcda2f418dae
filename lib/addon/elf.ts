/** What the first bytes of an executable or a library of Linux tell about it. */
import { closeSync, openSync, readSync } from 'node:fs';

export interface Elf {
  /** `e_machine` and the width: what has to be the same in a program and in what it loads. */
  readonly machine: string;
  /** The loader it asks for, such as `/lib64/ld-linux-x86-64.so.2`; none: static, or a library. */
  readonly interpreter: string | undefined;
}

const machines: Readonly<Record<number, string>> = { 3: 'x86', 40: 'arm', 62: 'x64', 183: 'arm64' };
const PT_INTERP = 3;
const HEADER = 64;
/** A program has about ten program headers; what claims to have more than this is damaged. */
const MOST_HEADERS = 100;

/** Reads it; undefined: the file cannot be read, or is something else. */
export function readElf(file: string): Elf | undefined {
  let fd: number | undefined;
  try {
    fd = openSync(file, 'r');
    return parse(fd);
  } catch {
    return undefined;
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

function parse(fd: number): Elf | undefined {
  const head = bytesAt(fd, 0, HEADER);
  if (head.toString('latin1', 0, 4) !== '\x7fELF') return undefined;
  const wide = head[4] === 2;
  const little = head[5] === 1;
  const number = (from: Buffer, at: number, size: number): number =>
    little ? from.readUIntLE(at, size) : from.readUIntBE(at, size);
  const machine = number(head, 18, 2);
  const name = machines[machine] ?? `machine ${machine}, ${wide ? 64 : 32} bits`;
  // The offset of the program headers, their size and their number.
  const at = wide ? number(head, 32, 6) : number(head, 28, 4);
  const size = number(head, wide ? 54 : 42, 2);
  const count = Math.min(number(head, wide ? 56 : 44, 2), MOST_HEADERS);
  const table = bytesAt(fd, at, size * count);
  for (let entry = 0; entry + size <= table.length && size > 0; entry += size) {
    if (number(table, entry, 4) !== PT_INTERP) continue;
    const offset = wide ? number(table, entry + 8, 6) : number(table, entry + 4, 4);
    const [interpreter] = bytesAt(fd, offset, 256).toString('latin1').split('\0');
    return { machine: name, interpreter };
  }
  return { machine: name, interpreter: undefined };
}

function bytesAt(fd: number, at: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  return bytes.subarray(0, readSync(fd, bytes, 0, length, at));
}
