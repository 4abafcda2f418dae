// Tested by test/unit/delta/result-file.test.ts
/**
 * The parts of files that are being made: `<file>.<writer>.delta.part`. Node.js knows no locks of files, so
 * the name says which process writes: by its number, and on Linux by what tells it from an earlier
 * process of that number, also after a restart of the machine or where the clock was set. A process that
 * is gone goes on with nothing: its part is removed by whoever comes next.
 *
 * Without promises: what is looked at are names, and a download begins in the call that asks for it.
 */
import { lstatSync, readdirSync, readFileSync, unlinkSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { isOurs } from './own';

/** Not the addon's `.part`, whose bytes a later download may go on with. */
const SUFFIX = '.delta.part';
const DEAD = 'dead';
const writerPattern = /^([1-9]\d*)(?:-([\da-f]{8}))?$/;

/** The part that a process, this one by default, makes of `file`. */
export function partOf(file: string, pid = process.pid): string {
  const birth = birthOf(pid);
  return `${file}.${pid}${birth === undefined ? '' : `-${birth}`}${SUFFIX}`;
}

/**
 * Removes what processes that are gone have left beside `file`, of the `names` of parts in its directory.
 * Returns the part of another one that writes now.
 */
export function clearParts(file: string, names = partsIn(dirname(file))): string | undefined {
  const [directory, start] = [dirname(file), `${basename(file)}.`];
  let found: string | undefined;
  for (const name of names) {
    if (!name.startsWith(start)) continue;
    const writer = writerPattern.exec(name.slice(start.length, -SUFFIX.length));
    if (writer === null) continue;
    const part = `${directory}/${name}`;
    if (!isAlive(Number(writer[1]), writer[2])) remove(part);
    else if (Number(writer[1]) !== process.pid && isOwnFile(part)) found = part;
  }
  return found;
}

/** Whether it is one that a process of our user may have made: others could put such a name there as well. */
export function isOwnFile(part: string): boolean {
  const found = lstatSync(part, { throwIfNoEntry: false });
  return found?.isFile() === true && isOurs(found);
}

/** The names of parts of whatever file. */
export function partsIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory).filter((name) => name.endsWith(SUFFIX));
  } catch {
    return []; // one that may be written to and not read, or is not there
  }
}

function remove(part: string): void {
  try {
    unlinkSync(part);
  } catch {}
}

function isAlive(pid: number, birth: string | undefined): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  const now = birthOf(pid);
  if (now === DEAD) return false;
  return birth === undefined || now === undefined || now === birth;
}

/** Tells a process from all others that have had its number; undefined: the system does not say it. */
function birthOf(pid: number): string | undefined {
  const { createHash }: typeof import('node:crypto') = require('node:crypto'); // few need it
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8');
    const status = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // After the name, which may have anything in it: the third field and so on; the 22nd is the start.
    const fields = status.slice(status.lastIndexOf(')') + 2).split(' ');
    const [state, start] = [fields[0], fields[19]];
    // What is dead and not yet waited for has the number still.
    if (state === 'Z' || state === 'X') return DEAD;
    return createHash('sha256').update(`${boot}${start}`).digest('hex').slice(0, 8);
  } catch {
    return undefined;
  }
}
