/** docs/rooms has a page for each room of the C library, and names what the code has. */
import fs from 'node:fs';
import path from 'node:path';
import { codeOf, pages, read, root } from './pages';

interface Room {
  readonly floor: number;
}

const { houses } = JSON.parse(read('scripts/check/rooms.json')) as {
  houses: { sdk: { rooms: Record<string, Room> } };
};
// The implementations of the port have no page of their own: they are on the port's.
const rooms = Object.entries(houses.sdk.rooms).filter(([name]) => !name.startsWith('port/'));

test('the index has each room once, on its floor', () => {
  const rows = [...read('docs/rooms/README.md').matchAll(/^\| (\d+) \| \[(\w+)\]\((\w+)\.md\) /gm)];
  const shown = rows.map(([, floor, name, page]) => [name, Number(floor), page]);
  const expected = rooms.map(([name, { floor }]) => [name, floor, name]);
  expect(shown.toSorted()).toEqual(expected.toSorted());
});

test.each(rooms)('the page of %s is called so and says its floor', (name, { floor }) => {
  const page = read(`docs/rooms/${name}.md`);
  expect(page).toMatch(new RegExp(`^# ${name}\n`));
  expect(page).toMatch(new RegExp(`\\bfloor\\s+${floor}\\b`));
});

/** Names of C that stand in backticks. */
function namesOf(page: string): string[] {
  return codeOf(read(page)).flatMap(
    (code) => code.match(/\b(?:ik|iotkit|IK|IOT|IOTKIT)_\w+/g) ?? [],
  );
}

function textsIn(folder: string): string {
  const files = fs.readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' });
  return files
    .filter((file) => /\.([ch]|txt)$/.test(file))
    .map((file) => read(`${folder}/${file}`))
    .join('\n');
}

const ofC = pages.filter((page) => /^(docs\/(rooms\/|glossary)|deps\/iotkit\/)/.test(page));

test('names of C on these pages are those of the code', () => {
  const text = ['deps/iotkit/src', 'deps/iotkit/include'].map(textsIn).join('\n');
  const words = new Set(`${text}\n${read('deps/iotkit/CMakeLists.txt')}`.match(/\w+/g));
  // `iotkit_job_*` stands for many.
  const unknown = (page: string) =>
    namesOf(page).filter((name) => !name.endsWith('_') && !words.has(name));
  expect(ofC.map((page) => [page, unknown(page)])).toEqual(ofC.map((page) => [page, []]));
});
