// Tested by test/unit/install/backends/directories.test.ts
/** Which option `tar` needs for an archive. */
const compressions: readonly [string, readonly number[]][] = [
  ['--gzip', [0x1f, 0x8b]],
  ['--bzip2', [0x42, 0x5a, 0x68]],
  ['--xz', [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0]],
  ['--zstd', [0x28, 0xb5, 0x2f, 0xfd]],
];
const MAGIC_MAX = 6;

/** @internal How an archive is compressed, by its first bytes: tar cannot look at a pipe twice. */
export async function compressionOf(
  bytes: AsyncIterable<Uint8Array>,
): Promise<{ readonly how: readonly string[]; readonly all: AsyncIterable<Uint8Array> }> {
  const rest = bytes[Symbol.asyncIterator]();
  let head = Buffer.alloc(0);
  while (head.length < MAGIC_MAX) {
    const next = await rest.next();
    if (next.done) break;
    head = Buffer.concat([head, next.value]);
  }
  async function* all(): AsyncGenerator<Uint8Array> {
    try {
      yield head;
      for (let next = await rest.next(); !next.done; next = await rest.next()) yield next.value;
    } finally {
      await rest.return?.();
    }
  }
  const found = compressions.find(([, magic]) => magic.every((byte, i) => head[i] === byte));
  return { how: found === undefined ? [] : [found[0]], all: all() };
}
