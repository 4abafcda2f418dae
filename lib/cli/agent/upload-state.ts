// Tested by test/unit/cli/agent/uploads.test.ts
/**
 * What the platform has of the log: a small file beside it, because an update that is rolled back restarts
 * the machine. Where there can be no file it is known in memory alone.
 */
import { createHash } from 'node:crypto';
import { renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import { flushFolder } from '../../base/durable';
import type { LogEntry } from '../../logs/device-logs';
import { readOurs, writeNew } from './own-file';

interface Content {
  /** Whether it has still to get the log. */
  readonly owed: boolean;
  /** Of the last entry that it has taken, the digest; `''`: none. */
  readonly taken: string;
}

const SIZE_MAX = 1024;

export class UploadState {
  readonly #file: string;
  #content: Content;

  constructor(file: string) {
    this.#file = file;
    this.#content = contentOf(file);
  }

  get isOwed(): boolean {
    return this.#content.owed;
  }

  owe(): void {
    if (!this.#content.owed) this.#change({ owed: true });
  }

  settle(): void {
    this.#change({ owed: false });
  }

  /** The platform has taken all up to this one. */
  take(entry: LogEntry): void {
    this.#change({ taken: digestOf(entry) });
  }

  /** Those after the last one that the platform has taken; all where that one is no longer there. */
  untaken(entries: readonly LogEntry[]): readonly LogEntry[] {
    const { taken } = this.#content;
    if (taken === '') return entries;
    return entries.slice(entries.findLastIndex((entry) => digestOf(entry) === taken) + 1);
  }

  #change(more: Partial<Content>): void {
    this.#content = { ...this.#content, ...more };
    const file = `${this.#file}.new`;
    try {
      rmSync(file, { force: true }); // of a change that was cut off
      writeNew(file, JSON.stringify(this.#content));
      renameSync(file, this.#file);
      // What a power cut leaves of it counts as owed.
      flushFolder(path.dirname(file)).catch(() => {});
    } catch {
      // The log says so itself where nothing can be kept.
    }
  }
}

/** What is damaged was owed, as far as anybody can say: once more is better than never. */
function contentOf(file: string): Content {
  const text = readOurs(file, SIZE_MAX);
  if (text === undefined) return { owed: false, taken: '' };
  try {
    const { owed, taken } = JSON.parse(text) as Partial<Content>;
    if (typeof owed === 'boolean' && typeof taken === 'string') return { owed, taken };
  } catch {
    // It is no JSON, or no object.
  }
  return { owed: true, taken: '' };
}

function digestOf({ time, level, content }: LogEntry): string {
  const text = JSON.stringify([time, level, content]);
  return createHash('sha256').update(text).digest('hex');
}
