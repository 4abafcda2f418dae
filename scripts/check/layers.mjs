// The layer rules, for C, C++ and TypeScript: every source stands in a room of the table (rooms.json), every arrow
// between units goes where the table allows, and no unit reaches itself. See ARCHITECTURE.md, "Layers".
//   node scripts/check/layers.mjs              checks
//   node scripts/check/layers.mjs --write      writes the table into ARCHITECTURE.md first
//   node scripts/check/layers.mjs --arrows x   prints the arrows from and to the units whose name contains x
import { report } from '../lib/tree.mjs';
import { arrowsOfC } from './layers/c-arrows.mjs';
import { describeAll } from './layers/describe.mjs';
import { graphOf } from './layers/graph.mjs';
import { pageProblem, writePage } from './layers/page.mjs';
import { fileProblems, offenceOf } from './layers/rules.mjs';
import { arrowsOfTypeScript } from './layers/ts-arrows.mjs';
import { filesOfHouses, readTable, TABLE, tableProblems } from './rooms.mjs';

const [mode, part = ''] = process.argv.slice(2);
const table = readTable();
const files = filesOfHouses(table);
const arrows = [...arrowsOfC(files, table.houses), ...arrowsOfTypeScript(files)];
if (mode === '--write') writePage(table);
if (mode === '--arrows') print();
else check();

function check() {
  const offences = arrows.map((arrow) => offenceOf(arrow, table)).filter(Boolean);
  const graph = graphOf(arrows.filter(({ to }) => to));
  const all = [
    ...tableProblems(table, files).map((problem) => `${TABLE}: ${problem}`),
    ...fileProblems(files, table),
    ...describeAll(graph, offences),
    pageProblem(table),
  ];
  report('layers', all.filter(Boolean), files.length);
}

function print() {
  for (const { from, to, place, how, name } of arrows)
    if (to && from !== to && [from, to].some((unit) => unit.includes(part)))
      console.log(`${from} → ${to}  ${place} ${how} ${name}`);
}
