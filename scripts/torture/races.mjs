// Which of ThreadSanitizer's reports are ours: `node scripts/torture/races.mjs FOLDER` reads all in a folder, prints
// ours and fails if there is one. Ours is what the addon's own code did: of at least one of a report's stacks that tell
// what happened, the first frame above the sanitizer and the libraries of C and C++ is the addon's. Node.js with its
// OpenSSL is not instrumented: of two of its accesses, whoever called it, the sanitizer does not see the order that
// atomics make, and reports of such say nothing.
import fs from 'node:fs';
import path from 'node:path';

const OURS = /\(iotkit_ota\.node\+/;
const BELOW = /\(lib(tsan|stdc\+\+|c)\.so[.\d]*\+/;
/** Headers of stacks that tell where something comes from, and not what happened. */
const ORIGIN = /^ {2}(Location|Thread|Hint)|^ {2}Mutex .* (created|destroyed)/;

/** The frames of each of a report's stacks that tells what happened. */
function stacks(report) {
  const found = [];
  let frames = [];
  for (const line of report.split('\n')) {
    if (/^ {4}#\d/.test(line)) frames.push(line);
    else if (line.trim()) {
      frames = [];
      if (!ORIGIN.test(line)) found.push(frames);
    }
  }
  return found;
}

const didIt = (frames) => OURS.test(frames.find((frame) => !BELOW.test(frame)) ?? '');

const [folder] = process.argv.slice(2);
const reports = fs
  .readdirSync(folder)
  .flatMap((name) => fs.readFileSync(path.join(folder, name), 'utf8').split(/^={18,}\n/m))
  .filter((text) => text.startsWith('WARNING: ThreadSanitizer'));
const ours = reports.filter((text) => stacks(text).some(didIt));
process.stdout.write(ours.join('\n'));
console.log(`ThreadSanitizer: ${reports.length} reports, ${ours.length} of them ours`);
process.exitCode = ours.length > 0 ? 1 : 0;
