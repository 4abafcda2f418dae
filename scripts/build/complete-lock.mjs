// Adds to package-lock.json the builds for other systems that optional dependencies name: a registry
// that mirrors only this machine's leaves them out of what `npm install` writes, and `npm ci` then
// refuses the lock. Run it after `npm install`.
import fs from 'node:fs';
import { at } from '../lib/paths.mjs';

const file = at('package-lock.json');
const lock = JSON.parse(fs.readFileSync(file, 'utf8'));
const systems = ['android', 'darwin', 'freebsd', 'linux', 'openharmony', 'win32'];
const processors = ['arm64', 'arm', 'x64', 'ia32', 'loong64', 'ppc64', 'riscv64', 's390x'];

let added = 0;
for (const [at, { optionalDependencies = {}, dev }] of Object.entries(lock.packages)) {
  for (const [name, version] of Object.entries(optionalDependencies)) {
    const place = `node_modules/${name}`;
    if (lock.packages[place] || lock.packages[`${at}/${place}`]) continue;
    const words = name.split(/[/-]/);
    const os = words.filter((word) => systems.includes(word));
    const cpu = words.filter((word) => processors.includes(word));
    // What runs anywhere is really missing, and has to come from the registry.
    if (os.length !== 1 || cpu.length !== 1) throw new Error(`${name} of ${at} is not in the lock`);
    lock.packages[place] = { version, cpu, ...(dev && { dev }), optional: true, os };
    added += 1;
  }
}
const packages = Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : 1));
lock.packages = Object.fromEntries(packages);
fs.writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`);
console.log(`${added} entries added`);
