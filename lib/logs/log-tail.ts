/** The last entries of a log, for when somebody wants them. */
import { integer, orElse } from '../base/arguments';
import { checkEntry, type LogEntry } from './device-logs';

const DEFAULT_MAX_BYTES = 64 * 1024;
const ENTRY_BYTES = 64;
const MIN_ENTRIES = 1000;

/**
 * Keeps the last entries of a log in bounded memory: what led to a failure can be uploaded after it.
 *
 * @example
 * const tail = new LogTail();
 * tail.add({ level: 'info', module: 'agent', content: 'installing 2.0.0' });
 * …
 * await device.logs.post(tail.entries());
 */
export class LogTail {
  readonly #maxBytes: number;
  readonly #maxEntries: number;
  readonly #kept: Array<{ readonly entry: LogEntry; readonly bytes: number }> = [];
  #bytes = 0;

  /**
   * `maxBytes`: of text (content, module, code and trace), 1-16,777,216; default 65,536. The last entry
   * always stays, its content cut to it. Of short entries one for each 64 of these bytes is kept, or
   * 1,000 where that is more.
   */
  constructor(maxBytes?: number) {
    this.#maxBytes = integer('maxBytes', orElse(maxBytes, DEFAULT_MAX_BYTES), {
      min: 1,
      max: 16_777_216,
    });
    // An entry needs memory without any content, too.
    this.#maxEntries = Math.max(MIN_ENTRIES, Math.floor(this.#maxBytes / ENTRY_BYTES));
  }

  /**
   * Adds an entry with the time of now, unless it has one, and drops the oldest ones that no longer
   * have room.
   *
   * @throws {@link InvalidArgument}
   */
  add(entry: LogEntry): void {
    const { level, content, time } = checkEntry('entry', entry);
    const { module, code, trace } = entry;
    const end = lastBytes(content, this.#maxBytes);
    const bytes = bytesOf(end) + bytesOf(module) + bytesOf(code) + bytesOf(trace);
    this.#kept.push({ entry: { level, content: end, module, code, trace, time }, bytes });
    this.#bytes += bytes;
    while (this.#isOver() && this.#kept.length > 1) this.#bytes -= this.#kept.shift()?.bytes ?? 0;
  }

  #isOver(): boolean {
    return this.#bytes > this.#maxBytes || this.#kept.length > this.#maxEntries;
  }

  /** The oldest first. */
  entries(): LogEntry[] {
    return this.#kept.map(({ entry }) => entry);
  }

  /** Forgets all of them. */
  clear(): void {
    this.#kept.length = 0;
    this.#bytes = 0;
  }
}

function bytesOf(text: string | number | undefined): number {
  return text === undefined ? 0 : Buffer.byteLength(String(text));
}

/** The end of a text that has at most so many bytes, cut between characters. */
function lastBytes(content: string, max: number): string {
  const bytes = Buffer.from(content);
  if (bytes.length <= max) return content;
  let start = bytes.length - max;
  // The second and later bytes of a character are 10xxxxxx.
  while (start < bytes.length && ((bytes[start] ?? 0) & 0xc0) === 0x80) start += 1;
  return bytes.toString('utf8', start);
}
