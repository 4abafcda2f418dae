// Writes the address of the repository that releases into package.json: where it is hosted is known only there.
// npm resolves the relative links of the README by it, and provenance is refused where it is another.
//
//   node scripts/release/address.mjs https://host/owner/name
import fs from 'node:fs';
import { at } from '../lib/paths.mjs';

const [url = ''] = process.argv.slice(2);
if (!/^https:\/\/[\w.-]+(?:\/[\w.-]+){2,}$/.test(url) || url.endsWith('.git')) {
  console.error('usage: node scripts/release/address.mjs https://host/owner/name');
  process.exit(2);
}

const manifest = JSON.parse(fs.readFileSync(at('package.json'), 'utf8'));
const address = {
  repository: { type: 'git', url: `git+${url}.git` },
  homepage: `${url}#readme`,
  bugs: { url: `${url}/issues` },
};
fs.writeFileSync(at('package.json'), `${JSON.stringify({ ...manifest, ...address }, null, 2)}\n`);
