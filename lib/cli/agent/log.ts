// Tested by test/unit/cli/agent/log.test.ts
/**
 * The log of the agent: lines for people or for programs, and a file with the last of them, which
 * outlives the restart that an update ends in, so that the platform gets it when the update failed.
 */
import { renameSync, rmSync } from 'node:fs';
import type { LogEntry, LogLevel } from '../../logs/device-logs';
import { LogTail } from '../../logs/log-tail';
import { jsonOf } from '../output';
import { printable } from '../printable';
import { appendToOurs, flushOurs, readOurs, writeNew } from './own-file';

const MODULE = 'agent';
const KEPT_BYTES = 64 * 1024;
/** The file is cut when it has grown to so much. */
const FILE_BYTES = 4 * KEPT_BYTES;
/** An entry of the platform's log has at most so many characters. */
const CONTENT_MAX = 1_000_000;
/** Of the system, what may pass. */
const passing: ReadonlySet<unknown> = new Set([
  'ENOSPC',
  'EDQUOT',
  'EROFS',
  'EIO',
  'EMFILE',
  'ENFILE',
]);

export interface AgentLogOptions {
  /** Where the last lines are kept; undefined: nowhere. */
  readonly file: string | undefined;
  /** Whether lines are JSON. */
  readonly json: boolean;
  readonly write: (line: string) => void;
}

export class AgentLog {
  readonly #options: AgentLogOptions;
  readonly #tail = new LogTail(KEPT_BYTES);
  /** Of the file; infinite: it has to be written anew. */
  #bytes = 0;
  /** What the file begins the next line with: a power cut may have left half of one. */
  #separator = '';
  /** Why it is not kept: `for good`, or it may pass. */
  #trouble: 'none' | 'passing' | 'for good' = 'none';
  #flushing: Promise<void> | undefined;
  #isFlushed = true;

  constructor(options: AgentLogOptions) {
    this.#options = options;
    this.#load();
  }

  info(content: string): void {
    this.#add('info', content);
  }

  warn(content: string): void {
    this.#add('warn', content);
  }

  error(content: string): void {
    this.#add('error', content);
  }

  /** The last 64 KiB, of earlier runs too. */
  entries(): LogEntry[] {
    return this.#tail.entries();
  }

  #add(level: LogLevel, text: string): void {
    // What a program or a server has said is in it, whatever that was.
    const content = text.replaceAll('\0', '\ufffd').slice(-CONTENT_MAX);
    const entry: LogEntry = { level, module: MODULE, content, time: Date.now() };
    this.#tail.add(entry);
    // Kept first: whoever has read a line finds it in the file.
    this.#keep(entry);
    this.#options.write(this.#options.json ? jsonOf(entry) : lineOf(entry));
  }

  /** A log that cannot be kept is no reason to end: it is said once. */
  #keep(entry: LogEntry): void {
    const { file, write } = this.#options;
    if (file === undefined || this.#trouble === 'for good') return;
    const line = `${this.#separator}${jsonOf(entry)}\n`;
    const bytes = Buffer.byteLength(line);
    try {
      if (this.#bytes + bytes > FILE_BYTES) {
        this.#cut(file);
      } else {
        appendToOurs(file, line);
        this.#bytes += bytes;
      }
      this.#separator = '';
      this.#trouble = 'none';
      this.#flush(file);
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (this.#trouble === 'none') write(`the log is not kept: ${message}`);
      this.#trouble = passing.has(code) ? 'passing' : 'for good';
      // It may end with a part of the line, and lack others.
      this.#bytes = Infinity;
    }
  }

  /** Replaces the file by one with what is kept, the newest line included. */
  #cut(file: string): void {
    const lines = this.#tail.entries().map((entry) => `${jsonOf(entry)}\n`);
    const text = lines.join('');
    const next = `${file}.new`;
    rmSync(next, { force: true }); // of a cut that was cut off
    try {
      writeNew(next, text);
      renameSync(next, file);
    } catch (error) {
      rmSync(next, { force: true }); // a full disk has no room for it
      throw error;
    }
    this.#bytes = Buffer.byteLength(text);
  }

  /** To the disk, beside all else: a power cut costs the lines of moments. */
  #flush(file: string): void {
    this.#isFlushed = false;
    this.#flushing ??= this.#flushAll(file).finally(() => {
      this.#flushing = undefined;
    });
  }

  /** What was written meanwhile, too. */
  async #flushAll(file: string): Promise<void> {
    while (!this.#isFlushed) {
      this.#isFlushed = true;
      await flushOurs(file);
    }
  }

  #load(): void {
    const { file } = this.#options;
    // More of it is a file of somebody else's.
    const text = file === undefined ? undefined : readOurs(file, 2 * FILE_BYTES);
    if (text === undefined) return;
    for (const line of text.split('\n')) {
      try {
        if (line !== '') this.#tail.add(JSON.parse(line));
      } catch {
        // Whoever wrote it, it is no entry.
      }
    }
    this.#bytes = Buffer.byteLength(text);
    if (text !== '' && !text.endsWith('\n')) this.#separator = '\n';
  }
}

function lineOf({ time = 0, level, content }: LogEntry): string {
  const shown = printable(content).replaceAll('\n', '\n    ');
  return `${new Date(time).toISOString()} ${level.padEnd(5)} ${shown}`;
}
