// The rules of rooms, arrow by arrow: what is wrong, and what would help.
import { TABLE } from '../rooms.mjs';
import { besidesReExports } from './ts-arrows.mjs';

const LOWER = 'move what both need to a lower room, or let the upper room hand it in';

/** What an arrow does against the table, as { arrow, what, help }; undefined: nothing. */
export function offenceOf(arrow, table) {
  const { fromFile } = arrow;
  if (!fromFile.room) return undefined; // complained of once, for its file
  const found = arrow.how === 'imports' ? importOffence(arrow) : undefined;
  if (found) return { arrow, ...found };
  const rest = arrow.toFile ? roomOffence(arrow) : outsideOffence(arrow, table);
  return rest && { arrow, ...rest };
}

// --- arrows within the repository ---

function roomOffence({ fromFile, toFile, name, how, isPublic }) {
  const { room, house } = fromFile;
  const target = toFile.room;
  if (!target || target === room) return undefined;
  if (toFile.house !== house) return houseOffence(fromFile, toFile, { how, isPublic });
  if (target.name === 'public') return undefined;
  if (room.name === 'public')
    return {
      what: 'a public header includes public headers only',
      help: 'forward-declare the type',
    };
  if (!room.uses.includes(target.name))
    return { what: `${room.name} must not use ${target.name}: ${mayUse(room)}`, help: LOWER };
  const only = room.only?.[target.name];
  if (how === 'uses' && only && !only.some((prefix) => name.startsWith(prefix)))
    return {
      what: `of ${target.name}, ${room.name} uses only ${only.map((it) => `${it}…`).join(', ')}`,
      help: 'take it as an argument',
    };
  return undefined;
}

const mayUse = ({ uses, name }) =>
  `${name} may use ${uses.length > 0 ? uses.join(', ') : 'no other room'}`;

function houseOffence({ house }, target, { how, isPublic }) {
  const what = `${house.name} must not use ${target.house.name}`;
  if (how === 'imports')
    return house.mayImport?.includes(target.file)
      ? undefined
      : { what, help: 'it is another house: use what its package exports' };
  const seen = house.sees.includes(target.house.name);
  if (seen && (target.room.name === 'public' || isPublic)) return undefined;
  return {
    what: seen ? `${what} but for its public headers` : what,
    help: 'use a public function, or make one with its contract and test',
  };
}

// --- includes of the system, imports of packages ---

function outsideOffence({ fromFile, name, how }, { headers }) {
  if (how !== 'includes') return undefined;
  const { room } = fromFile;
  if (!room.headers || room.headers === 'any' || allows(headers, room.headers, name))
    return undefined;
  return {
    what: `${room.name} must not include <${name}>: its headers are "${room.headers}" of ${TABLE}`,
    help: 'take bytes, time or a function as an argument, or ask the port for it',
  };
}

function allows(headers, kind, name) {
  const { names = [], pattern, and } = headers[kind];
  return (
    names.includes(name) ||
    (pattern !== undefined && new RegExp(pattern).test(name)) ||
    (and !== undefined && allows(headers, and, name))
  );
}

function importOffence({ fromFile: { house, file }, toFile, name, wanted }) {
  const { loads, entries = [], forbids = [], mayImport = [], stays = house.folder } = house;
  if (loads && (loads.modules.includes(name) || name.endsWith('.node')) && !isIn(file, loads.in))
    return {
      what: `only ${loads.in.join(', ') || 'another house'} loads the addon`,
      help: 'import from there',
    };
  if (toFile?.house === house && entries.includes(toFile.file))
    return {
      what: `nothing inside ${house.name} imports ${toFile.file}`,
      help: 'import from the file that it re-exports',
    };
  if (forbids.some((it) => name === it || name.startsWith(`${it}/`)))
    return {
      what: `${house.name} must not import ${name}`,
      help: 'it is the other side of the wire',
    };
  const allowed = [toFile?.file, `${wanted}.js`].some((it) => mayImport.includes(it));
  if (wanted && !wanted.startsWith(`${stays}/`) && !allowed)
    return {
      what: `${house.name} must not reach outside its folder (${name})`,
      help: 'use what the other package exports',
    };
  return undefined;
}

const isIn = (file, places) =>
  places.some((place) => file === place || file.startsWith(`${place}/`));

// --- files ---

/** What is wrong with single files: no room, or an entry that does more than re-export. */
export function fileProblems(files, { houses }) {
  const homeless = files
    .filter(({ room }) => !room)
    .map(
      ({ file, house }) =>
        `${file}: stands in no room of ${house.name}. ` +
        `Move it to the room whose sentence fits, or list a room in ${TABLE}`,
    );
  const entries = houses
    .flatMap(({ entries = [] }) => entries)
    .filter((file) => files.some((it) => it.file === file))
    .map((file) => [file, besidesReExports(file)])
    .filter(([, rest]) => rest !== '')
    .map(([file, rest]) => `${file}: only re-exports, found: ${rest.split('\n')[0]}`);
  return [...homeless, ...entries];
}
