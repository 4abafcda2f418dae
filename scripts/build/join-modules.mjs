// Joins the compiled modules of lib/ into three files: dist/modules.js has what the first entry of the package needs at
// once, dist/later.js what it needs when something is first used, dist/more.js what other entries need. Each file costs
// a third of a millisecond to load, which for fifty was more than all they do; and each line costs, for it is parsed.
// They stay modules: each is a function that runs when it is first required, and is the same one for every entry of the
// package. An entry is a file of a few lines at its old place.
import fs from 'node:fs';
import path from 'node:path';

const FIRST = 'modules.js';
const LATER = 'later.js';
const MORE = 'more.js';

/**
 * `from`: the folder with what tsc made of lib/; `to`: dist; `entries`: names of modules, such as
 * `sdk/index`, that get a file of their own; `later`: modules whose imports by those in dist/modules.js
 * run when what they bring is first used. An import is still written at the top of its source.
 */
export function joinModules({ from, to, entries, later = [] }) {
  const names = fs
    .readdirSync(from, { recursive: true })
    .filter((file) => file.endsWith('.js'))
    .map((file) => file.slice(0, -'.js'.length).replaceAll(path.sep, '/'))
    .sort();
  const sources = new Map(
    names.map((name) => [name, fs.readFileSync(path.join(from, `${name}.js`), 'utf8')]),
  );
  for (const name of later) if (!sources.has(name)) throw new Error(`no module ${name}`);
  const isNow = ({ module, isNested }) => !isNested && !later.includes(module);
  const first = neededBy(entries[0], sources, isNow);
  const all = neededBy(entries[0], sources);
  const fileOf = (name) => (first.has(name) ? FIRST : all.has(name) ? LATER : MORE);
  const part = (file) => {
    const own = names.filter((name) => fileOf(name) === file);
    const isLazy = (module) => file === FIRST && !first.has(module);
    return functionsOf(own, sources, isLazy);
  };
  const files = new Map([
    [FIRST, `${loader}${part(FIRST)}`],
    [LATER, `${beside}${part(LATER)}`],
    [MORE, `${beside}${part(MORE)}`],
    ...entries.map((name) => [`${name}.js`, entry(name, fileOf(name), sources)]),
  ]);
  removeOthers(to, files);
  for (const [name, text] of files) {
    fs.mkdirSync(path.join(to, path.dirname(name)), { recursive: true });
    fs.writeFileSync(path.join(to, name), text);
  }
}

/** A module and all that it requires, or those requires of which `counts` says so. */
function neededBy(name, sources, counts = () => true, found = new Set()) {
  if (found.has(name)) return found;
  found.add(name);
  for (const it of requiresOf(name, sources)) {
    if (it.module && counts(it)) neededBy(it.module, sources, counts, found);
  }
  return found;
}

// Those of an earlier build, which would still be found and packed.
function removeOthers(folder, files) {
  fs.mkdirSync(folder, { recursive: true });
  for (const file of fs.readdirSync(folder, { recursive: true })) {
    const name = file.replaceAll(path.sep, '/');
    if (/\.js(\.map)?$/.test(name) && !files.has(name)) fs.rmSync(path.join(folder, file));
  }
}

const loader = `'use strict';
// Written by scripts/build/join-modules.mjs from the modules of lib/.
const path = require('node:path');

const modules = Object.create(null);
const loaded = Object.create(null);

// As Node.js does it: of a module that is running already there is what it has exported so far.
function $load(name) {
  let module = loaded[name];
  if (module === undefined) {
    module = loaded[name] = { exports: {} };
    try {
      if (!(name in modules)) require('./${LATER}');
      modules[name](module.exports, module, path.join(__dirname, path.dirname(name)));
    } catch (error) {
      delete loaded[name];
      throw error;
    }
  }
  return module.exports;
}

exports.load = $load;
exports.modules = modules;

`;

const beside = `'use strict';
// Written by scripts/build/join-modules.mjs from the modules of lib/.
const { load: $load, modules } = require('./${FIRST}');

exports.load = $load;

`;

function functionsOf(names, sources, isLazy) {
  const texts = names.map(
    (name) =>
      `${JSON.stringify(name)}(exports, module, __dirname) {\n${bodyOf(name, sources, isLazy)}},\n`,
  );
  return `Object.assign(modules, {\n${texts.join('\n')}});\n`;
}

const requirePattern = /\brequire\((["'])(\.[^"']*)\1\)/g;
const importPattern = /^(?:const|var) (\w+) = \$load\("([^"]+)"\);\n/gm;

/**
 * The relative requires of a module, each with the module it means; undefined: another file. `isNested`:
 * it stands in a function, and runs with that.
 */
function requiresOf(name, sources) {
  const source = sources.get(name);
  return [...source.matchAll(requirePattern)].map(({ 2: wanted, index }) => {
    const target = path.posix.join(path.posix.dirname(name), wanted);
    const places = [target, `${target}/index`, target.replace(/\.js$/, '')];
    const isNested = /\s/.test(source[source.lastIndexOf('\n', index) + 1]);
    return { target, module: places.find((it) => sources.has(it)), isNested };
  });
}

function bodyOf(name, sources, isLazy) {
  const requires = requiresOf(name, sources).values();
  const body = sources
    .get(name)
    .replaceAll(requirePattern, () => {
      const { module, target } = requires.next().value;
      // What lies outside is as far from dist/ as the joined file is.
      return module ? `$load(${JSON.stringify(module)})` : `require("./${target}")`;
    })
    .replace(/^#!.*\n/, '')
    .replace(/^"use strict";\n/m, '')
    .replace(/^\/\/# sourceMappingURL=.*\n?/m, '');
  return importedWhenUsed(body, isLazy);
}

// tsc names a module only to take something of it, as in `new run_1.Run()`, and gives no two of a file the same name.
function importedWhenUsed(body, isLazy) {
  const lazy = [...body.matchAll(importPattern)].filter(({ 2: module }) => isLazy(module));
  return lazy.reduce((text, [statement, variable, module]) => {
    const used = new RegExp(`\\b${variable}\\.`, 'g');
    return text.replace(statement, '').replaceAll(used, `($load(${JSON.stringify(module)})).`);
  }, body);
}

function entry(name, file, sources) {
  const [shebang = ''] = /^#!.*\n/.exec(sources.get(name)) ?? [];
  const joined = path.posix.relative(path.posix.dirname(name), file);
  const from = joined.startsWith('.') ? joined : `./${joined}`;
  const names = [...new Set(exportsOf(name, sources))].sort();
  // For who reads the names of the exports without running it, as Node.js does for \`import\`.
  const hint = `0 && (module.exports = { ${names.join(', ')} });\n`;
  return `${shebang}'use strict';
module.exports = require('${from}').load('${name}');
${names.length > 0 ? hint : ''}`;
}

/** The names that tsc lets a module export. */
function exportsOf(name, sources) {
  const source = sources.get(name);
  const own = [
    ...source.matchAll(/\bexports\.(\w+) = /g),
    ...source.matchAll(/Object\.defineProperty\(exports, "(\w+)"/g),
  ].map(([, it]) => it);
  const others = [...source.matchAll(/__exportStar\(require\("([^"]+)"\), exports\)/g)];
  return [
    ...own.filter((it) => it !== '__esModule'),
    ...others.flatMap(([, it]) =>
      exportsOf(path.posix.join(path.posix.dirname(name), it), sources),
    ),
  ];
}
