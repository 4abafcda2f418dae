// The arrows that C and C++ draw between units: includes, names that another source defines, and methods that stand in
// another unit than their class.
import path from 'node:path';
import { lineOf, read } from '../../lib/tree.mjs';
import { namesOf } from './c-names.mjs';
import { includesOf } from './c-tokens.mjs';

/**
 * Arrows { from, to, how, name, place, fromFile, toFile } of the C and C++ files; `to` is undefined
 * for the include of a header that is not of this repository. fromFile and toFile are entries of
 * `files`, toFile also the contract { room, unit } that a name belongs to.
 */
export function arrowsOfC(files, houses) {
  const sources = files.filter(({ file }) => /\.(c|cc|h)$/.test(file)).map((it) => readSource(it));
  const definitions = definitionsOf(sources, houses);
  const included = new Map(sources.map((it) => [it, includeArrows(it, sources, houses)]));
  return sources.flatMap((source) => [
    ...included.get(source),
    ...nameArrows(source, definitions),
    ...classArrows(source, included),
    ...methodArrows(source, sources),
  ]);
}

function readSource(it) {
  const text = read(it.file);
  const cpp = it.house.language === 'c++';
  return { ...it, text, cpp, ...namesOf(text, { cpp }), includes: includesOf(text) };
}

const arrow = (source, target, how, name, index) => ({
  from: id(source),
  to: target && id(target),
  how,
  name,
  place: `${source.file}:${lineOf(source.text, index)}`,
  fromFile: source,
  toFile: target,
});

/** A unit's name across houses. */
export const id = ({ house, unit }) => `${house.name}:${unit}`;

// --- includes ---

function includeArrows(source, sources, houses) {
  const { house, file } = source;
  const open = houses
    .filter((it) => it === house || house.sees.includes(it.name))
    .flatMap((it) => it.public ?? []);
  return source.includes.map(({ name, quoted, index }) => {
    const places = [...(quoted ? [path.posix.dirname(file)] : []), house.folder, ...open];
    const found = places
      .map((place) => path.posix.join(place, name))
      .map((wanted) => sources.find((it) => it.file === wanted))
      .find(Boolean);
    return arrow(source, found, 'includes', name, index);
  });
}

// --- names ---

// name → { definers, isPublic, contract } of what has external linkage.
function definitionsOf(sources, houses) {
  const all = new Map();
  for (const source of sources) {
    if (source.file.endsWith('.h')) continue;
    for (const { name, owner, isStatic } of source.defined) {
      if (isStatic || owner) continue;
      if (!all.has(name)) all.set(name, { definers: [] });
      all.get(name).definers.push(source);
    }
  }
  for (const source of sources.filter(({ file }) => file.endsWith('.h')))
    for (const name of source.declared) {
      const definition = all.get(name);
      if (!definition) continue;
      if (source.room?.name === 'public') definition.isPublic = true;
      if (source.room?.contract) definition.contract = source;
    }
  for (const definition of all.values()) definition.contract = contractOf(definition, houses);
  return all;
}

// What a contract or a public header declares and a room that implements the contract defines belongs to the contract.
function contractOf({ definers, isPublic, contract }, houses) {
  const implemented = definers[0].room?.implements;
  if (!implemented || definers.some(({ room }) => room?.implements !== implemented))
    return undefined;
  if (contract?.room.name === implemented) return contract;
  const { house } = definers[0];
  const room = houses
    .find(({ name }) => name === house.name)
    .rooms.find(({ name }) => name === implemented);
  return isPublic && room ? { house, room, unit: implemented, file: implemented } : undefined;
}

function nameArrows(source, definitions) {
  if (source.room?.name === 'public') return [];
  const own = new Set(source.defined.map(({ name }) => name));
  const seen = new Set();
  return source.uses.flatMap(({ name, index }) => {
    const definition = definitions.get(name);
    if (!definition || own.has(name) || seen.has(name)) return [];
    seen.add(name);
    return targetsOf(source, definition).map((target) => ({
      ...arrow(source, target, 'uses', name, index),
      isPublic: definition.isPublic,
    }));
  });
}

// Of several that define a name (one per system), those of the same unit or room come first.
function targetsOf(source, { definers, contract }) {
  if (contract) return [contract];
  if (definers.some((it) => id(it) === id(source))) return [];
  const near = definers.filter(({ room }) => room === source.room);
  return near.length > 0 ? near : definers;
}

// --- classes ---

// A class that a body names, through whichever header it is seen.
function classArrows(source, included) {
  if (!source.cpp) return [];
  const own = new Set([...source.classes.keys(), ...source.defined.map(({ name }) => name)]);
  const headers = seenBy(source, included);
  const seen = new Set();
  return source.uses.flatMap(({ name, index }) => {
    if (own.has(name) || seen.has(name)) return [];
    seen.add(name);
    const homes = headers.filter(({ classes }) => classes.get(name) === false);
    return homes.length === 1 ? [arrow(source, homes[0], 'uses', name, index)] : [];
  });
}

// The headers of the same house that a source includes, also through others.
function seenBy(source, included) {
  const seen = new Set([source]);
  for (const place of seen)
    for (const { toFile } of included.get(place)) if (toFile) seen.add(toFile);
  return [...seen].filter(({ house }) => house === source.house);
}

// A class needs its methods: one that another unit defines is an arrow from the class to that unit.
function methodArrows(source, sources) {
  if (!source.cpp) return [];
  return source.defined.flatMap(({ name, owner, index }) => {
    if (!owner || source.classes.has(owner)) return [];
    const homes = sources.filter(
      ({ house, file, classes }) =>
        house === source.house && file.endsWith('.h') && classes.has(owner),
    );
    if (homes.some((home) => id(home) === id(source))) return [];
    return homes.map((home) => ({
      ...arrow(home, source, 'has its method', `${owner}::${name}`, 0),
      place: `${source.file}:${lineOf(source.text, index)}`,
    }));
  });
}
