// Each source has its test where a reader looks for it: `tests` of a house (rooms.json) says in which folder the tests
// mirror its sources and what a test is called. A source that another test covers names it in line 1, or in the first
// line of its first comment: "Tested by <path in the repository>". Headers, types and re-exports need no test.
import fs from 'node:fs';
import path from 'node:path';
import { at } from '../lib/paths.mjs';
import { read, report, withoutComments } from '../lib/tree.mjs';
import { filesOfHouses, readTable, TABLE } from './rooms.mjs';

const table = readTable();
const sources = filesOfHouses(table).filter(({ file }) => /\.(c|cc|ts)$/.test(file));
const problems = table.houses.flatMap((house) => {
  const own = sources.filter((it) => it.house === house).map(({ file }) => file);
  if (!house.tests) return [`${TABLE}: ${house.name} does not say where its tests stand`];
  if (house.tests.by) return house.tests.by.flatMap((folder) => missingFolder(house, folder));
  return own.map((file) => problemOf(file, house, own)).filter(Boolean);
});
report('tests', problems, sources.length);

// The tests of a whole house stand in folders of another order.
function missingFolder({ name }, folder) {
  return fs.existsSync(at(folder)) ? [] : [`${TABLE}: the tests of ${name} are not in ${folder}`];
}

function problemOf(file, house, siblings) {
  const named = namedTest(file);
  if (named !== undefined)
    return isFile(named)
      ? undefined
      : `${file}: is tested by ${named}, which is no file: name one test by its path`;
  if (hasOwnTest(file, house, siblings) || (file.endsWith('.ts') && hasNoCode(file)))
    return undefined;
  return (
    `${file}: has no test of its own. Help: write ${testOf(file, house)}, ` +
    'or name the test that covers it in line 1: "Tested by <path>"'
  );
}

function isFile(file) {
  return fs.statSync(at(file), { throwIfNoEntry: false })?.isFile() ?? false;
}

function namedTest(file) {
  const text = read(file).replace(/^#!.*\n/, ''); // of a program, how the system starts it
  const comment = /^\s*(?:\/\*+([\s\S]*?)\*\/|\/\/([^\n]*))/.exec(text);
  const first = (comment?.[1] ?? comment?.[2] ?? '').split('\n').find((line) => /\w/.test(line));
  const mention = [text.split('\n')[0], first ?? ''].map((line) => /Tested by (\S+)/.exec(line));
  return mention.find(Boolean)?.[1].replace(/[.,;:)]+$/, '');
}

function stemOf(file) {
  return path.posix.basename(file).replace(/\.\w+$/, '');
}

function testOf(file, { folder, tests }) {
  const room = path.posix.relative(folder, path.posix.dirname(file));
  return path.posix.join(tests.in, room, tests.name.replace('*', stemOf(file)));
}

// test_a.c, or test_a_<aspect>.c unless there is a source a_<aspect>, whose test that is.
function hasOwnTest(file, house, siblings) {
  const wanted = testOf(file, house);
  if (isFile(wanted)) return true;
  if (!house.tests.aspects || !fs.existsSync(at(path.posix.dirname(wanted)))) return false;
  const [before, after] = house.tests.name.split('*');
  const others = siblings
    .filter((it) => it !== file && path.posix.dirname(it) === path.posix.dirname(file))
    .map(stemOf)
    .filter((stem) => stem.startsWith(`${stemOf(file)}_`));
  return fs
    .readdirSync(at(path.posix.dirname(wanted)))
    .filter((name) => name.startsWith(before) && name.endsWith(after))
    .map((name) => name.slice(before.length, -after.length))
    .filter((tested) => tested.startsWith(`${stemOf(file)}_`))
    .some((tested) => !others.some((it) => tested === it || tested.startsWith(`${it}_`)));
}

// Only types and re-exports: the formatter begins every statement at the start of a line.
function hasNoCode(file) {
  const harmless =
    /^(?:import\b|(?:export\s+)?(?:declare\b|type\b|interface\b)|export\s*[*{]|[^\w$([`'"])/;
  return withoutComments(read(file), { strings: true })
    .split('\n')
    .filter((line) => /^\S/.test(line))
    .every((line) => harmless.test(line));
}
