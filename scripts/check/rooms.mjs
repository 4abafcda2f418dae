// The table of rooms (rooms.json), read: which room a file stands in, which unit it belongs to.
//
// A house is a folder of sources in one language; a room is a part of it: a folder without the folders in it, several,
// or single files (`at`, relative to the house; without it the folder of the room's name). A room uses the rooms it
// names, all on lower floors, and itself.
// A unit is a header with the sources of its stem in the same folder; a source or a header alone is one too.
import path from 'node:path';
import { read, repositoryFiles } from '../lib/tree.mjs';

export const TABLE = 'scripts/check/rooms.json';
const SOURCE = /\.(c|cc|h|ts)$/;

export function readTable() {
  const { headers, houses } = JSON.parse(read(TABLE));
  return {
    headers,
    houses: Object.entries(houses).map(([name, it]) => readHouse(name, it)),
  };
}

function readHouse(name, { rooms, units = [], sees = [], ...house }) {
  return {
    ...house,
    name,
    sees,
    joined: units,
    rooms: Object.entries(rooms).map(([room, it]) => ({
      uses: [],
      ...it,
      name: room,
      house: name,
      at: (it.at ?? [room]).map((place) => path.posix.join(house.folder, place)),
    })),
  };
}

/**
 * Every source of every house, sorted: { file, house, room, unit }; `room` is undefined where none
 * fits, and { name: 'public' } for a public header.
 */
export function filesOfHouses(table) {
  return repositoryFiles(SOURCE).flatMap((file) => {
    const house = table.houses.find(({ folder, public: open }) =>
      [folder, open].some((place) => place && file.startsWith(`${place}/`)),
    );
    if (!house) return [];
    const isPublic = house.public && file.startsWith(`${house.public}/`);
    const room = isPublic ? publicRoom(house) : roomOf(house, file);
    return [{ file, house, room, unit: unitOf(house, file) }];
  });
}

const publicRoom = (house) => ({
  name: 'public',
  house: house.name,
  floor: 0,
  uses: [],
  headers: house.publicHeaders,
});

const roomOf = (house, file) =>
  house.rooms.find(({ at }) => at.includes(file)) ??
  house.rooms.find(({ at }) => at.includes(path.posix.dirname(file)));

/** The name of a file's unit: its path in the house without the ending. */
function unitOf(house, file) {
  const stem = path.posix.relative(house.folder, file).replace(/\.\w+$/, '');
  return house.joined.find(({ of }) => of.includes(stem))?.of[0] ?? stem;
}

/** What is wrong with the table itself. */
export function tableProblems({ headers, houses }, files) {
  return houses.flatMap((house) => [
    ...house.rooms.flatMap((room) => roomProblems(room, house, headers)),
    ...house.rooms
      .filter((room) => !files.some((it) => it.room === room))
      .map((room) => `room ${room.name} of ${house.name} is listed, but no file stands in it`),
    ...house.joined
      .filter(({ why }) => !why)
      .map(({ of }) => `unit ${of[0]} of ${house.name} joins files and does not say why`),
    ...house.joined.flatMap(({ of }) =>
      of
        .filter((stem) => !files.some((it) => it.house === house && isOf(it.file, house, stem)))
        .map((stem) => `unit ${of[0]} of ${house.name} has no file ${stem}`),
    ),
  ]);
}

const isOf = (file, house, stem) =>
  file.replace(/\.\w+$/, '') === path.posix.join(house.folder, stem);

function roomProblems(room, house, headers) {
  const problems = [];
  const say = (what) => problems.push(`room ${room.name} of ${house.name} ${what}`);
  if (!room.holds) say('has no sentence that says what it holds');
  if (room.headers && room.headers !== 'any' && !headers[room.headers])
    say(`keeps to the headers "${room.headers}", which the table does not list`);
  for (const name of [...room.uses, ...(room.implements ? [room.implements] : [])]) {
    const used = house.rooms.find((it) => it.name === name);
    if (!used) say(`uses ${name}, which is not in the table`);
    else if (used.floor >= room.floor)
      say(
        `(floor ${room.floor}) uses ${name} (floor ${used.floor}): a room uses lower floors only`,
      );
  }
  return problems;
}
