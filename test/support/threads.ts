import { readdirSync, readFileSync } from 'node:fs';

/** Names of this process's threads that the addon started: `iotkit-io`, `iotkit-recv`, `iotkit-sink`. */
export function addonThreads(): string[] {
  return readdirSync('/proc/self/task')
    .map(nameOf)
    .filter((name) => name.startsWith('iotkit-'))
    .sort();
}

/** Those of downloads. */
export function downloadThreads(): string[] {
  return addonThreads().filter((name) => name !== 'iotkit-io');
}

function nameOf(id: string): string {
  try {
    return readFileSync(`/proc/self/task/${id}/comm`, 'utf8').trim();
  } catch {
    return ''; // it has just ended
  }
}
