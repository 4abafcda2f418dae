// Whether node_modules holds what package-lock.json asks for: by names and versions, since times
// mean nothing after a clone or a checkout. npm writes what it installed into
// node_modules/.package-lock.json.
import fs from 'node:fs';
import { at } from './paths.mjs';

/**
 * Packages of the lock that are absent or of another version; empty when the installation is
 * current.
 */
export function missingPackages() {
  const wanted = read('package-lock.json');
  const present = read('node_modules', '.package-lock.json');
  if (!present) return ['node_modules'];
  return Object.entries(wanted.packages)
    .filter(
      ([folder, entry]) => folder.includes('node_modules/') && !entry.link && !isSkippable(entry),
    )
    .filter(
      ([folder, entry]) =>
        present.packages[folder]?.version !== entry.version || !fs.existsSync(at(folder)),
    )
    .map(([folder]) => folder);
}

// Optional packages are left out on other systems and processors; peers of optional packages with
// them.
const isSkippable = (entry) => entry.optional || entry.devOptional || entry.peer;

function read(...parts) {
  try {
    return JSON.parse(fs.readFileSync(at(...parts), 'utf8'));
  } catch {
    return undefined;
  }
}
