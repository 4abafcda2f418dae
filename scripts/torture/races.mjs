// Which of ThreadSanitizer's reports are ours: `node scripts/torture/races.mjs FOLDER` reads all in a folder, prints ours
// and fails if there is one. Node.js and other addons are not instrumented, so that of the order of their own threads
// only a part is seen: what is reported of them alone says nothing. One side of ours is enough, a frame or a thread.
import fs from 'node:fs';
import path from 'node:path';

const OURS = /iotkit_ota\.node|'iotkit-/;

const [folder] = process.argv.slice(2);
const reports = fs
  .readdirSync(folder)
  .flatMap((name) => fs.readFileSync(path.join(folder, name), 'utf8').split(/^={18,}\n/m))
  .filter((text) => text.startsWith('WARNING: ThreadSanitizer'));
const ours = reports.filter((text) => OURS.test(text));
process.stdout.write(ours.join('\n'));
console.log(`ThreadSanitizer: ${reports.length} reports, ${ours.length} of them ours`);
process.exitCode = ours.length > 0 ? 1 : 0;
