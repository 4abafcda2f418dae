// What was built from what: a step is current while the hash of everything it reads equals the one
// kept at its last success, and what it makes is still there. Content, not times: a fresh clone or
// a git checkout changes times only.
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { at, root } from './paths.mjs';

/**
 * Files below `folders` (or single files) whose name matches, sorted, relative to the repository.
 */
export function filesUnder(folders, pattern) {
  const found = [];
  const walk = (relative) => {
    const stat = fs.statSync(at(relative), { throwIfNoEntry: false });
    if (!stat) return;
    if (stat.isFile()) {
      if (pattern.test(relative)) found.push(relative);
      return;
    }
    for (const name of fs.readdirSync(at(relative))) {
      if (name !== 'node_modules' && name !== 'dist' && !name.startsWith('.'))
        walk(path.posix.join(relative, name));
    }
  };
  for (const folder of folders) walk(folder);
  return found.sort();
}

/** Hash of the files' names and content and of the strings in `also`. */
export function hashOf(files, also = []) {
  const hash = createHash('sha256');
  for (const text of also) hash.update(`${text}\0`);
  for (const file of files) {
    hash.update(`${file}\0`);
    hash.update(fs.existsSync(at(file)) ? fs.readFileSync(at(file)) : 'absent');
  }
  return hash.digest('hex');
}

const stampFile = (step) => path.join(root, '.cache', 'stamps', step);

/** Whether `step` was last done with this hash and all its `products` are there. */
export function isCurrent(step, hash, products) {
  if (!products.every((product) => fs.existsSync(at(product)))) return false;
  try {
    return fs.readFileSync(stampFile(step), 'utf8') === hash;
  } catch {
    return false;
  }
}

export function setCurrent(step, hash) {
  fs.mkdirSync(path.dirname(stampFile(step)), { recursive: true });
  fs.writeFileSync(stampFile(step), hash);
}
