// The table of rooms as ARCHITECTURE.md shows it, between two marks.
import fs from 'node:fs';
import { at } from '../../lib/paths.mjs';
import { read } from '../../lib/tree.mjs';

export const PAGE = 'ARCHITECTURE.md';
const BEGIN = '<!-- rooms: written by `node scripts/check/layers.mjs --write` -->';
const END = '<!-- end of rooms -->';

function render({ houses }) {
  const parts = houses.map(({ folder, says, rooms, tests }) => {
    const rows = [...rooms]
      .sort((a, b) => a.floor - b.floor)
      .map((room) => `| ${room.floor} | \`${room.name}\` | ${holdings(room)} | ${uses(room)} |`);
    return [
      `**\`${folder}/\`**: ${says}${whereTestsStand(tests)}`,
      '',
      '| floor | room | holds | may use |',
      '|---|---|---|---|',
      ...rows,
    ].join('\n');
  });
  return `${BEGIN}\n\n${parts.join('\n\n')}\n\n${END}`;
}

function whereTestsStand(tests) {
  if (!tests) return '';
  if (tests.by) return ` Its tests: ${tests.by.map((folder) => `\`${folder}\``).join(', ')}.`;
  return ` Its tests mirror it: \`${tests.in}/<folder>/${tests.name.replace('*', '<file>')}\`.`;
}

const holdings = ({ holds, pure }) => (pure ? `${holds}; no I/O, no clock` : holds);

const uses = ({ uses: used, only = {} }) =>
  used
    .map((name) => {
      const names = only[name]?.map((prefix) => `\`${prefix}…\``).join(', ');
      return names ? `\`${name}\` (${names})` : `\`${name}\``;
    })
    .join(', ') || '–';

/** Undefined where the page shows the table; else what is wrong. */
export function pageProblem(table) {
  const shown = shownIn(read(PAGE));
  if (shown === undefined) return `${PAGE}: has no place for the rooms, which begins with ${BEGIN}`;
  return shown === render(table)
    ? undefined
    : `${PAGE}: shows another table of rooms. Run node scripts/check/layers.mjs --write`;
}

export function writePage(table) {
  const text = read(PAGE);
  const shown = shownIn(text);
  if (shown !== undefined)
    fs.writeFileSync(
      at(PAGE),
      text.replace(shown, () => render(table)),
    );
}

function shownIn(text) {
  const from = text.indexOf(BEGIN);
  const to = text.indexOf(END);
  return from >= 0 && to > from ? text.slice(from, to + END.length) : undefined;
}
