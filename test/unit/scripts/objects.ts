/** Object files with hardly anything in them, for machines whose compilers are not here. */

const names = ['napi_register_module_v1', 'node_api_module_get_api_version_v1'];

/** Sections behind one another, and where each begins. */
function joined(parts: readonly Buffer[], first: number): { offsets: number[]; bytes: Buffer } {
  let at = first;
  const offsets = parts.map((part) => {
    at += part.length;
    return at - part.length;
  });
  return { offsets, bytes: Buffer.concat(parts) };
}

function words(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  values.forEach((value, n) => {
    bytes.writeUInt32LE(value, 4 * n);
  });
  return bytes;
}

/** A shared object of ARM with 32 bits, with both entries; `neon`: the value of Tag_Advanced_SIMD_arch. */
export function armObject({ neon }: { readonly neon: number }): Buffer {
  const texts = Buffer.from(`\0${names.join('\0')}\0`);
  const symbol = (name: number) => [words(name, 0, 0), Buffer.from([0x12, 0, 1, 0])];
  const second = 2 + (names[0]?.length ?? 0);
  const symbols = Buffer.concat([words(0, 0, 0, 0), ...symbol(1), ...symbol(second)]);
  const dynamic = words(0x6ffffffb, 0x9, 0, 0);
  const tags = [6, 10, 12, neon]; // Tag_CPU_arch: v7, Tag_Advanced_SIMD_arch
  const aeabi = Buffer.from([1, 4 + 1 + tags.length, 0, 0, 0, ...tags]);
  const attributes = Buffer.concat([
    Buffer.from('A'),
    words(4 + 6 + aeabi.length),
    Buffer.from('aeabi\0'),
    aeabi,
  ]);
  const parts = [texts, symbols, dynamic, attributes];
  const { offsets, bytes } = joined(parts, 52);
  const header = Buffer.alloc(52);
  header.write('\x7fELF\x01\x01\x01', 'latin1');
  header.writeUInt16LE(40, 18);
  header.writeUInt32LE(52 + bytes.length, 0x20);
  header.writeUInt16LE(40, 0x2e);
  header.writeUInt16LE(parts.length, 0x30);
  const types = [3, 11, 6, 0x70000003];
  const sections = types.map((type, n) =>
    words(0, type, 0, 0, offsets[n] ?? 0, parts[n]?.length ?? 0, 0, 0, 0, 0),
  );
  return Buffer.concat([header, bytes, ...sections]);
}

/** A library of macOS on ARM that exports both entries and `exported`, and takes `wanted` from whoever has it. */
export function macObject({
  exported = [],
  wanted = [],
}: {
  readonly exported?: readonly string[];
  readonly wanted?: readonly string[];
}): Buffer {
  const all = [...names, ...exported, ...wanted].map((name) => `_${name}\0`);
  const { offsets } = joined(
    all.map((name) => Buffer.from(name)),
    1,
  );
  const texts = Buffer.from(`\0${all.join('')}`);
  const symbols = offsets.map((offset, n) =>
    n < names.length + exported.length
      ? Buffer.concat([words(offset), Buffer.from([0x0f, 1, 0, 0]), words(0, 0)])
      : Buffer.concat([words(offset), Buffer.from([0x01, 0, 0, 0xfe]), words(0, 0)]),
  );
  const first = 32 + 24;
  const table = words(2, 24, first, symbols.length, first + 16 * symbols.length, texts.length);
  const header = words(0xfeedfacf, 0x0100000c, 0, 8, 1, 24, 0, 0);
  return Buffer.concat([header, table, ...symbols, texts]);
}
