// sources.json lists every C and C++ source, each under its room, and nothing else. `--write` makes it so.
import fs from 'node:fs';
import { at } from '../lib/paths.mjs';
import { read, report } from '../lib/tree.mjs';
import { filesOfHouses, readTable, TABLE } from './rooms.mjs';

const table = readTable();
const sources = filesOfHouses(table).filter(({ file }) => /\.cc?$/.test(file));
const expected = {};
for (const house of table.houses.filter(({ sources: group }) => group)) {
  const { group, byRoom } = house.sources;
  if (byRoom)
    for (const room of house.rooms)
      list([group, ...room.name.split('/')], (it) => it.room === room);
  else list([group], (it) => it.house === house && it.room);
}

// Puts the sources that fit into a group of a group …; one of none is left out.
function list(groups, fits) {
  const files = sources.filter(fits).map(({ file }) => file);
  if (files.length === 0) return;
  const last = groups.pop();
  let place = expected;
  for (const group of groups) {
    place[group] ??= {};
    place = place[group];
  }
  place[last] = files;
}

if (process.argv.includes('--write'))
  fs.writeFileSync(at('sources.json'), `${JSON.stringify(expected, null, 2)}\n`);

const listed = JSON.parse(read('sources.json'));
const problems = [];
compare(expected, listed, 'sources.json');
for (const { file, room } of sources)
  if (!room) problems.push(`${file}: stands in no room of ${TABLE}`);
report('sources', problems, sources.length);

function compare(want, have, where) {
  if (Array.isArray(want)) {
    const list = Array.isArray(have) ? have : [];
    for (const file of want)
      if (!list.includes(file)) problems.push(`${where}: ${file} is not listed`);
    for (const file of list)
      if (!want.includes(file))
        problems.push(`${where}: ${file} is listed but does not stand there`);
    if (new Set(list).size !== list.length) problems.push(`${where}: a file is listed twice`);
    return;
  }
  for (const key of Object.keys({ ...want, ...have })) {
    if (!(key in want)) problems.push(`${where}: unknown group ${key}`);
    else compare(want[key], have?.[key], `${where}: ${key}`);
  }
}
