// What a shared object of Linux says of itself: which names it exports, which it needs and in which version of glibc,
// for which processor. Reads any class, in the little-endian order that all our processors have; no binutils needed.
const SHN_UNDEF = 0;
const STB_LOCAL = 0;
const STB_WEAK = 2;
const sectionTypes = {
  dynsym: 11,
  versym: 0x6fffffff,
  verneed: 0x6ffffffe,
  dynamic: 6,
  armAttributes: 0x70000003,
};

/**
 * {machine, exported, undefined: [{name, weak, version?}], needed, flags1, neon}; `version` as "GLIBC_2.17", `neon`
 * whether an ARM object says that it needs it.
 */
export function readElf(bytes) {
  if (bytes.toString('latin1', 0, 4) !== '\x7fELF') throw new Error('not an ELF file');
  const elf = layoutOf(bytes);
  const section = (type) => elf.sections.find((it) => it.type === type);
  const symbols = symbolsOf(elf, section(sectionTypes.dynsym));
  const versions = versionsOf(elf, section(sectionTypes.verneed));
  const versym = section(sectionTypes.versym);
  const versionOf = (index) =>
    versions.get(versym && bytes.readUInt16LE(versym.offset + 2 * index));
  const dynamic = dynamicOf(elf, section(sectionTypes.dynamic));
  return {
    machine: bytes.readUInt16LE(18),
    exported: symbols.filter(({ defined }) => defined).map(({ name }) => name),
    undefined: symbols
      .filter(({ defined }) => !defined)
      .map(({ name, index, binding }) => ({
        name,
        weak: binding === STB_WEAK,
        version: versionOf(index),
      })),
    needed: dynamic.needed,
    flags1: dynamic.flags1,
    neon: needsNeon(bytes, section(sectionTypes.armAttributes)),
  };
}

function layoutOf(bytes) {
  const wide = bytes[4] === 2;
  const word = (offset) =>
    wide ? Number(bytes.readBigUInt64LE(offset)) : bytes.readUInt32LE(offset);
  const [shoff, entry, count] = wide ? [0x28, 0x3a, 0x3c] : [0x20, 0x2e, 0x30];
  const size = bytes.readUInt16LE(entry);
  const sections = Array.from({ length: bytes.readUInt16LE(count) }, (_, n) => {
    const at = word(shoff) + n * size;
    const field = (narrow, broad) => word(at + (wide ? broad : narrow));
    return {
      type: bytes.readUInt32LE(at + 4),
      offset: field(0x10, 0x18),
      size: field(0x14, 0x20),
      link: bytes.readUInt32LE(at + (wide ? 0x28 : 0x18)),
    };
  });
  return { bytes, wide, word, sections };
}

function textAt({ bytes, sections }, table, offset) {
  const start = sections[table].offset + offset;
  return bytes.toString('latin1', start, bytes.indexOf(0, start));
}

function symbolsOf(elf, section) {
  if (!section) return [];
  const size = elf.wide ? 24 : 16;
  return Array.from({ length: section.size / size }, (_, index) => {
    const at = section.offset + index * size;
    return {
      index,
      name: textAt(elf, section.link, elf.bytes.readUInt32LE(at)),
      binding: elf.bytes[at + (elf.wide ? 4 : 12)] >> 4,
      defined: elf.bytes.readUInt16LE(at + (elf.wide ? 6 : 14)) !== SHN_UNDEF,
    };
  }).filter(({ name, binding }) => name !== '' && binding !== STB_LOCAL);
}

// Index of a version → its name. Both lists are linked by distances, which end with 0.
function versionsOf(elf, section) {
  const found = new Map();
  if (!section) return found;
  for (const file of chain(elf.bytes, section.offset, 12)) {
    const first = file + elf.bytes.readUInt32LE(file + 8);
    for (const entry of chain(elf.bytes, first, 12)) {
      const name = textAt(elf, section.link, elf.bytes.readUInt32LE(entry + 8));
      found.set(elf.bytes.readUInt16LE(entry + 6), name);
    }
  }
  return found;
}

function* chain(bytes, first, nextField) {
  for (let at = first, step = 1; step !== 0; at += step) {
    yield at;
    step = bytes.readUInt32LE(at + nextField);
  }
}

function dynamicOf(elf, section) {
  const needed = [];
  let flags1 = 0;
  const size = elf.wide ? 16 : 8;
  for (let at = section?.offset; section && at < section.offset + section.size; at += size) {
    const value = elf.word(at + size / 2);
    const tag = elf.word(at);
    if (tag === 1) needed.push(textAt(elf, section.link, value));
    if (tag === 0x6ffffffb) flags1 = value;
  }
  return { needed, flags1 };
}

// Tag_Advanced_SIMD_arch is 12. Tags and values of this section are small numbers of one byte each, but for the texts
// of tags 4, 5 and 67.
function needsNeon(bytes, section) {
  if (!section) return false;
  const name = bytes.indexOf(0, section.offset + 5); // after the format and the length: "aeabi"
  let at = name + 1 + 5; // after Tag_File and its length
  while (at < section.offset + section.size) {
    const tag = bytes[at++];
    if (tag === 4 || tag === 5 || tag === 67) at = bytes.indexOf(0, at) + 1;
    else if (bytes[at++] > 0 && tag === 12) return true;
  }
  return false;
}
