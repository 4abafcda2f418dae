// The declarations that are packed: those of the entries and all that they import. Nobody outside can name what tsc
// declares of the other modules of lib/.
import fs from 'node:fs';
import path from 'node:path';

/**
 * `from`: the folder with the declarations of lib/; `to`: dist; `entries`: names of modules, such as
 * `sdk/index`. Of an earlier build nothing is left.
 */
export function copyDeclarations({ from, to, entries }) {
  const found = new Map();
  for (const name of entries) collect(name, from, found);
  fs.mkdirSync(to, { recursive: true });
  for (const file of fs.readdirSync(to, { recursive: true })) {
    if (file.endsWith('.d.ts')) fs.rmSync(path.join(to, file));
  }
  for (const [name, text] of found) {
    const file = path.join(to, `${name}.d.ts`);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, text);
  }
}

const importPattern = /\b(?:from|import|import\() ?(["'])(\.[^"']*)\1/g;

function collect(name, from, found) {
  if (found.has(name)) return;
  const text = fs.readFileSync(path.join(from, `${name}.d.ts`), 'utf8');
  found.set(name, text);
  for (const [, , wanted] of text.matchAll(importPattern)) {
    const target = path.posix.join(path.posix.dirname(name), wanted);
    const places = [target, `${target}/index`];
    const module = places.find((it) => fs.existsSync(path.join(from, `${it}.d.ts`)));
    if (module === undefined) throw new Error(`${name}.d.ts imports ${wanted}, which is not there`);
    collect(module, from, found);
  }
}
