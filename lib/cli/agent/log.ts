// Tested by test/unit/cli/agent/log.test.ts
/**
 * The log of the agent: lines for people or for programs, and a file with the last of them, which
 * outlives the restart that an update ends in, so that the platform gets it when the update failed.
 */
import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import type { LogEntry, LogLevel } from '../../logs/device-logs';
import { LogTail } from '../../logs/log-tail';
import { jsonOf } from '../output';
import { printable } from '../printable';

const MODULE = 'agent';
const KEPT_BYTES = 64 * 1024;
/** The file is cut when it has grown to so much. */
const FILE_BYTES = 4 * KEPT_BYTES;
const PRIVATE = 0o600;
/** An entry of the platform's log has at most so many characters. */
const CONTENT_MAX = 1_000_000;
// Who may write into the directory could put a link, or a pipe, where the log is to be.
const { O_APPEND, O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY } = constants;
const OURS = O_NOFOLLOW | O_NONBLOCK;

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
  #bytes = 0;
  /** What the file begins the next line with: a power cut may have left half of one. */
  #separator = '';
  #isBroken = false;

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
    if (file === undefined || this.#isBroken) return;
    const line = `${this.#separator}${jsonOf(entry)}\n`;
    try {
      if (this.#bytes + line.length > FILE_BYTES) this.#cut(file);
      else writeInto(file, O_WRONLY | O_CREAT | O_APPEND, line);
      this.#bytes += line.length;
      this.#separator = '';
    } catch (error) {
      this.#isBroken = true;
      write(`the log is not kept: ${(error as Error).message}`);
    }
  }

  /** Replaces the file by one with what is kept, the newest line included. */
  #cut(file: string): void {
    const text = this.#tail
      .entries()
      .map((entry) => `${jsonOf(entry)}\n`)
      .join('');
    rmSync(`${file}.new`, { force: true }); // of a cut that was cut off
    writeInto(`${file}.new`, O_WRONLY | O_CREAT | O_EXCL, text);
    renameSync(`${file}.new`, file);
    this.#bytes = text.length;
  }

  #load(): void {
    const { file } = this.#options;
    if (file === undefined) return;
    let text: string;
    try {
      text = inFile(file, O_RDONLY, (opened) => readFileSync(opened, 'utf8'));
    } catch {
      return; // There was none, or it cannot be read: then it cannot be written either.
    }
    for (const line of text.split('\n')) {
      try {
        if (line !== '') this.#tail.add(JSON.parse(line));
      } catch {
        // Whoever wrote it, it is no entry.
      }
    }
    this.#bytes = text.length;
    if (text !== '' && !text.endsWith('\n')) this.#separator = '\n';
  }
}

function writeInto(path: string, flags: number, text: string): void {
  inFile(path, flags, (opened) => writeFileSync(opened, text));
}

function inFile<T>(path: string, flags: number, work: (opened: number) => T): T {
  const opened = openSync(path, flags | OURS, PRIVATE);
  try {
    if (!fstatSync(opened).isFile()) throw new Error(`${path} is no file`);
    return work(opened);
  } finally {
    closeSync(opened);
  }
}

function lineOf({ time = 0, level, content }: LogEntry): string {
  const shown = printable(content).replaceAll('\n', '\n    ');
  return `${new Date(time).toISOString()} ${level.padEnd(5)} ${shown}`;
}
