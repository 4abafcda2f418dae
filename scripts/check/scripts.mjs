// npm runs pre<name> and post<name> around `npm run <name>`, whatever they were meant for: with a `prebuild` that
// builds the addons of a release, `npm run build` would do that first. So no script has such a name beside its <name>.
import { read, report, repositoryFiles } from '../lib/tree.mjs';

const files = repositoryFiles(/(?:^|\/)package\.json$/);
report('scripts', files.flatMap(hooksIn), files.length);

function hooksIn(file) {
  const { scripts = {} } = JSON.parse(read(file));
  return Object.keys(scripts).flatMap((name) =>
    ['pre', 'post']
      .filter((when) => Object.hasOwn(scripts, `${when}${name}`))
      .map((when) => problem(file, name, when)),
  );
}

function problem(file, name, when) {
  const order = when === 'pre' ? 'before' : 'after';
  return `${file}: npm runs ${when}${name} ${order} \`npm run ${name}\`: rename one of the two, as ${name}:all`;
}
