/** Archives as no `tar` makes them: each entry says in its header what the test wants. */

export interface TarEntry {
  /** Bytes are taken as they are, such as those of no UTF-8. */
  readonly name: string | Uint8Array;
  /** Default: a file. */
  readonly type?: keyof typeof types;
  readonly mode?: number;
  /** What a link leads to. */
  readonly target?: string;
  readonly bytes?: string;
  readonly owner?: number;
  /** Records of a PAX header before it, which say more than the header itself. */
  readonly pax?: Readonly<Record<string, string>>;
}

const types = {
  file: '0',
  hardLink: '1',
  link: '2',
  characterDevice: '3',
  blockDevice: '4',
  folder: '5',
  fifo: '6',
  pax: 'x',
  longName: 'L',
} as const;

const BLOCK = 512;
const NAME_MAX = 100;

/** An archive of these entries, in this order. */
export function archiveOf(...entries: readonly TarEntry[]): Buffer {
  return Buffer.concat([...entries.flatMap(blocksOf), Buffer.alloc(2 * BLOCK)]);
}

function blocksOf(entry: TarEntry): readonly Buffer[] {
  const name = Buffer.from(entry.name);
  const before: TarEntry[] = [];
  if (entry.pax !== undefined) {
    before.push({ name: 'pax', type: 'pax', bytes: recordsOf(entry.pax) });
  }
  if (name.length > NAME_MAX) {
    before.push({ name: '././@LongLink', type: 'longName', bytes: `${name.toString()}\0` });
  }
  const bytes = Buffer.from(entry.bytes ?? '');
  const padding = Buffer.alloc((BLOCK - (bytes.length % BLOCK)) % BLOCK);
  return [...before.flatMap(blocksOf), headerOf(entry, name, bytes.length), bytes, padding];
}

function headerOf(entry: TarEntry, name: Buffer, size: number): Buffer {
  const { type = 'file', mode = 0o644, target = '', owner = 1234 } = entry;
  const header = Buffer.alloc(BLOCK);
  const octal = (value: number, at: number, digits: number): void => {
    header.write(`${value.toString(8).padStart(digits, '0')}\0`, at, 'latin1');
  };
  name.copy(header, 0, 0, NAME_MAX);
  octal(mode, 100, 7);
  octal(owner, 108, 7);
  octal(owner, 116, 7);
  octal(size, 124, 11);
  octal(1_700_000_000, 136, 11);
  header.fill(' ', 148, 156);
  header.write(types[type], 156, 'latin1');
  header.write(target, 157, NAME_MAX);
  header.write('ustar  \0', 257, 'latin1');
  octal(1, 329, 7); // a device: 1:3 is /dev/null
  octal(3, 337, 7);
  octal(
    header.reduce((sum, byte) => sum + byte, 0),
    148,
    6,
  );
  return header;
}

/** Each says its own length, in which the digits of the length count. */
function recordsOf(records: Readonly<Record<string, string>>): string {
  return Object.entries(records)
    .map(([key, value]) => {
      const rest = ` ${key}=${value}\n`;
      let length = Buffer.byteLength(rest);
      while (`${length}`.length + Buffer.byteLength(rest) !== length) {
        length = `${length}`.length + Buffer.byteLength(rest);
      }
      return `${length}${rest}`;
    })
    .join('');
}
