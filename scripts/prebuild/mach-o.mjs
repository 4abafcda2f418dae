// What a dynamic library of macOS says of itself, as elf.mjs does for Linux: its processor, the names it exports, and
// those that it takes from whatever program loads it.
const LC_SYMTAB = 0x2;
const N_STAB = 0xe0;
const N_PEXT = 0x10;
const N_TYPE = 0x0e;
const N_EXT = 0x01;
const DYNAMIC_LOOKUP = 0xfe; // in place of the library that has the name

export function readMachO(bytes) {
  if (bytes.readUInt32LE(0) !== 0xfeedfacf) throw new Error('not a Mach-O file of 64 bits');
  const symbols = symbolsOf(bytes).filter(({ type }) => (type & N_STAB) === 0 && type & N_EXT);
  const isDefined = ({ type }) => (type & N_TYPE) !== 0;
  return {
    machine: bytes.readUInt32LE(4),
    exported: symbols.filter((it) => isDefined(it) && !(it.type & N_PEXT)).map(({ name }) => name),
    undefined: symbols
      .filter((it) => !isDefined(it))
      .map(({ name, from }) => ({ name, anywhere: from === DYNAMIC_LOOKUP })),
  };
}

function symbolsOf(bytes) {
  const table = loadCommands(bytes).find(({ command }) => command === LC_SYMTAB)?.at;
  if (!table) return [];
  const [offset, count, texts] = [8, 12, 16].map((field) => bytes.readUInt32LE(table + field));
  return Array.from({ length: count }, (_, n) => {
    const at = offset + 16 * n;
    const start = texts + bytes.readUInt32LE(at);
    return {
      name: bytes.toString('latin1', start, bytes.indexOf(0, start)).replace(/^_/, ''),
      type: bytes[at + 4],
      from: bytes.readUInt16LE(at + 6) >> 8,
    };
  });
}

function loadCommands(bytes) {
  let at = 32;
  return Array.from({ length: bytes.readUInt32LE(16) }, () => {
    const found = { command: bytes.readUInt32LE(at), at };
    at += bytes.readUInt32LE(at + 4);
    return found;
  });
}
