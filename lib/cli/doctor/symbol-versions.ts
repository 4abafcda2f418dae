/** The versions of symbols that an ELF file (an addon of Linux) needs, and what they say of the C library. */

const LOAD = 1;
const DYNAMIC = 2;
const STRINGS = 5;
const NEEDED_VERSIONS = 0x6ffffffe;
const NEEDED_VERSIONS_COUNT = 0x6fffffff;

/** Of a list of versions: a damaged file may say anything. */
const MAX_ENTRIES = 256;
const atMost = (max: number, count = 0): number => Math.min(count, max);

interface Segment {
  readonly type: number;
  readonly offset: number;
  readonly address: number;
  readonly size: number;
}

/**
 * The versions of symbols that a file needs, such as `GLIBC_2.17`; none: it needs none, is no
 * little-endian ELF file, or a damaged one.
 */
export function versionsNeeded(bytes: Buffer): string[] {
  if (bytes.length < 64 || bytes.toString('latin1', 0, 4) !== '\x7fELF' || bytes[5] !== 1)
    return [];
  try {
    return readVersions(bytes, readSegments(bytes));
  } catch (error) {
    if ((error as Error).name === 'RangeError') return []; // an offset beyond the file
    throw error;
  }
}

const isWide = (bytes: Buffer): boolean => bytes[4] === 2;

/** A number as wide as an address of the file. */
const word = (bytes: Buffer, at: number): number =>
  isWide(bytes) ? Number(bytes.readBigUInt64LE(at)) : bytes.readUInt32LE(at);

function readSegments(bytes: Buffer): Segment[] {
  const wide = isWide(bytes);
  const table = wide ? word(bytes, 32) : word(bytes, 28);
  const each = bytes.readUInt16LE(wide ? 54 : 42);
  const count = bytes.readUInt16LE(wide ? 56 : 44);
  const [offset, address, size] = wide ? [8, 16, 32] : [4, 8, 16];
  return Array.from({ length: count }, (_, index) => table + index * each).map((at) => ({
    type: bytes.readUInt32LE(at),
    offset: word(bytes, at + offset),
    address: word(bytes, at + address),
    size: word(bytes, at + size),
  }));
}

function readVersions(bytes: Buffer, segments: readonly Segment[]): string[] {
  const dynamic = segments.find(({ type }) => type === DYNAMIC);
  if (dynamic === undefined) return [];
  const tags = readTags(bytes, dynamic);
  const [strings, first] = [tags.get(STRINGS), tags.get(NEEDED_VERSIONS)];
  if (strings === undefined || first === undefined) return [];
  const names = fileOffset(segments, strings);
  const versions: string[] = [];
  let need = fileOffset(segments, first);
  for (let left = atMost(MAX_ENTRIES, tags.get(NEEDED_VERSIONS_COUNT)); left > 0; left -= 1) {
    versions.push(...readNeed(bytes, need).map((name) => textAt(bytes, names + name)));
    need += bytes.readUInt32LE(need + 12);
  }
  return versions;
}

function readTags(bytes: Buffer, { offset, size }: Segment): Map<number, number> {
  const width = isWide(bytes) ? 8 : 4;
  const tags = new Map<number, number>();
  for (let at = offset; at + 2 * width <= offset + size; at += 2 * width) {
    tags.set(word(bytes, at), word(bytes, at + width));
  }
  return tags;
}

/** The names (as offsets) of the versions that are needed of one library. */
function readNeed(bytes: Buffer, need: number): number[] {
  const names: number[] = [];
  let at = need + bytes.readUInt32LE(need + 8);
  for (let left = atMost(MAX_ENTRIES, bytes.readUInt16LE(need + 2)); left > 0; left -= 1) {
    names.push(bytes.readUInt32LE(at + 8));
    at += bytes.readUInt32LE(at + 12);
  }
  return names;
}

function fileOffset(segments: readonly Segment[], address: number): number {
  const holder = segments.find(
    (it) => it.type === LOAD && it.address <= address && address < it.address + it.size,
  );
  if (holder === undefined) throw new RangeError('an address that no segment holds');
  return address - holder.address + holder.offset;
}

function textAt(bytes: Buffer, at: number): string {
  const end = bytes.indexOf(0, at);
  if (at >= bytes.length || end < 0) throw new RangeError('a text beyond the end');
  return bytes.toString('latin1', at, end);
}

/** The newest version of glibc among versions of symbols: `2.34`; undefined: none. */
export function glibcFloor(versions: readonly string[]): string | undefined {
  return versions
    .flatMap((version) => /^GLIBC_(\d+(?:\.\d+)+)$/.exec(version)?.slice(1) ?? [])
    .reduce<string | undefined>(
      (newest, it) => (newest === undefined || isOlder(newest, it) ? it : newest),
      undefined,
    );
}

/** Whether the version `2.9` is older than `2.17`. */
export function isOlder(version: string, other: string): boolean {
  const [left, right] = [version, other].map((text) => text.split('.').map(Number));
  for (let part = 0; part < 3; part += 1) {
    const difference = (left?.[part] ?? 0) - (right?.[part] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}
