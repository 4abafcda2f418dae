// Tested by test/integration/install-command.test.ts
/** Who has the lock of a record, for whoever is refused because of it. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { printableLine } from '../printable';

/**
 * The other processes that have opened the lock of the record, as far as this user may look into them: `pid 812
 * (node …)`; undefined: nobody can be named. On Linux.
 */
export function holderOf(record: string): string | undefined {
  try {
    const { dev, ino } = statSync(`${record}.lock`);
    const isIt = (path: string): boolean => {
      const found = statSync(path, { throwIfNoEntry: false });
      return found?.dev === dev && found.ino === ino;
    };
    const pid = readdirSync('/proc').find((name) => {
      return /^\d+$/.test(name) && Number(name) !== process.pid && hasOpened(name, isIt);
    });
    if (pid === undefined) return undefined;
    const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    return `pid ${pid} (${printableLine(words.join(' ').trim()).slice(0, 200)})`;
  } catch {
    return undefined;
  }
}

function hasOpened(pid: string, isIt: (path: string) => boolean): boolean {
  const folder = `/proc/${pid}/fd`;
  try {
    return readdirSync(folder).some((file) => {
      try {
        return isIt(`${folder}/${file}`);
      } catch {
        return false; // closed meanwhile
      }
    });
  } catch {
    return false; // another user's, or it has ended
  }
}
