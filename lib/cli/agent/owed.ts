// Tested by test/unit/cli/agent/uploads.test.ts
/**
 * That the platform has still to get the log: an empty file beside the log, because an update that is rolled
 * back restarts the machine. Where there can be no file it is known in memory alone.
 */
import { closeSync, constants, fsyncSync, lstatSync, openSync, rmSync } from 'node:fs';
import path from 'node:path';

const { O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_RDONLY, O_WRONLY } = constants;
const PRIVATE = 0o600;

export class OwedMark {
  readonly #file: string;
  #isSet: boolean;

  constructor(file: string) {
    this.#file = file;
    this.#isSet = isFile(file);
  }

  get isSet(): boolean {
    return this.#isSet;
  }

  set(): void {
    if (this.#isSet) return;
    this.#isSet = true;
    try {
      flushed(this.#file, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW);
      flushed(path.dirname(this.#file), O_RDONLY | O_DIRECTORY);
    } catch {
      // The log says so itself where nothing can be kept.
    }
  }

  clear(): void {
    this.#isSet = false;
    try {
      rmSync(this.#file, { force: true });
    } catch {
      // The platform gets the log once more.
    }
  }
}

function isFile(file: string): boolean {
  try {
    return lstatSync(file).isFile();
  } catch {
    return false; // There is none, or nobody can say.
  }
}

function flushed(file: string, flags: number): void {
  const opened = openSync(file, flags, PRIVATE);
  try {
    fsyncSync(opened);
  } finally {
    closeSync(opened);
  }
}
