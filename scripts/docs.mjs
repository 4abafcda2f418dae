// `npm run docs`: writes what is made of the sources on the pages of docs/. With --check it only says what is stale, as
// `npm run check` does.
import fs from 'node:fs';
import path from 'node:path';
import { apiPages, presentPages } from './docs/api.mjs';
import { pagesWithCode } from './docs/code-blocks.mjs';
import { at } from './lib/paths.mjs';
import { filesUnder, hashOf, isCurrent, setCurrent } from './lib/stamp.mjs';
import { report } from './lib/tree.mjs';
import { command, prepare } from './prepare.mjs';

// Everything that is read or written: TypeDoc takes seconds, and most changes are none to the docs.
const hash = () =>
  hashOf([
    ...filesUnder(['lib', 'docs', 'examples/ts', 'scripts/docs', 'scripts/api-docs'], /./),
    ...['scripts/docs.mjs', 'package-lock.json', 'tsconfig.json', 'tsconfig.base.json'],
  ]);

await command(async () => {
  await prepare(['install', 'generate']);
  if (isCurrent('docs', hash(), [])) return console.log('docs: nothing has changed');
  const pages = new Map([...pagesWithCode(), ...apiPages()]);
  const stale = [...pages].filter(([file, text]) => textOf(file) !== text).map(([file]) => file);
  const gone = presentPages().filter((file) => !pages.has(file));
  if (process.argv.includes('--check')) check(pages, [...stale, ...gone]);
  else write(pages, stale, gone);
  if (process.exitCode === undefined) setCurrent('docs', hash());
});

function check(pages, wrong) {
  const problems = wrong.map((file) => `${file}: is not what the sources say; npm run docs`);
  report('docs', problems, pages.size);
}

function write(pages, stale, gone) {
  for (const file of gone) fs.rmSync(at(file));
  for (const file of stale) {
    fs.mkdirSync(path.dirname(at(file)), { recursive: true });
    fs.writeFileSync(at(file), pages.get(file));
  }
  console.log(`${pages.size} pages, ${stale.length} written, ${gone.length} removed`);
}

function textOf(file) {
  return fs.existsSync(at(file)) ? fs.readFileSync(at(file), 'utf8') : undefined;
}
