import { readdirSync, readFileSync } from 'node:fs';

/**
 * The kernel's mark of a thread that has left its program: a joined thread may still be listed,
 * with this.
 */
const PF_EXITING = 0x4;
/** Of the fields of /proc/…/stat after the name. */
const FLAGS_FIELD = 6;

/**
 * Names of this process's threads that the addon started: `iotkit-io`, and those of downloads,
 * `iotkit-recv` first.
 */
export function addonThreads(): string[] {
  return readdirSync('/proc/self/task')
    .map(runningName)
    .filter((name) => name.startsWith('iotkit-'))
    .sort();
}

/** Those of downloads. */
export function downloadThreads(): string[] {
  return addonThreads().filter((name) => name !== 'iotkit-io');
}

/** `''` for a thread that has ended. */
function runningName(id: string): string {
  let line: string;
  try {
    line = readFileSync(`/proc/self/task/${id}/stat`, 'utf8');
  } catch {
    return '';
  }
  const name = line.slice(line.indexOf('(') + 1, line.lastIndexOf(')'));
  const flags = Number(line.slice(line.lastIndexOf(')') + 2).split(' ')[FLAGS_FIELD]);
  return (flags & PF_EXITING) === 0 ? name : '';
}
