// The API reference, docs/api: a page for each entry of the package, made by TypeDoc of the comments in lib/, and one
// of all errors. An export without a comment, and a link that leads nowhere, is an error.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { loadTypeScript } from '../lib/load-typescript.mjs';
import { at } from '../lib/paths.mjs';
import { StepError } from '../lib/run.mjs';

const FOLDER = 'docs/api';
const tool = 'scripts/api-docs';
const work = at('.cache', 'api-docs');

/** TypeDoc's name of an entry, and the user's. */
const entries = {
  index: 'iotkit-ota',
  install: 'iotkit-ota/install',
  sdk: 'iotkit-ota/sdk',
  testing: 'iotkit-ota/testing',
};

const index = `# API reference

Made from the comments in \`lib/\` by \`npm run docs\`; \`npm run check\` fails where it is not current.

| import | |
|---|---|
| [\`iotkit-ota\`](index.md) | devices, upgrades, downloads |
| [\`iotkit-ota/install\`](install.md) | from an announced upgrade to the version that runs |
| [\`iotkit-ota/testing\`](testing.md) | a platform in memory, for the tests of programs |
| [\`iotkit-ota/sdk\`](sdk.md) | the functions of the vendor's C SDK |

[errors.md](errors.md) lists the codes of \`IotkitError\`.
`;

/** Path and text of each page. */
export function apiPages() {
  fs.rmSync(work, { recursive: true, force: true });
  runTypeDoc();
  const pages = new Map([
    [`${FOLDER}/README.md`, index],
    [`${FOLDER}/errors.md`, errorsPage()],
  ]);
  for (const [name, title] of Object.entries(entries)) {
    const text = fs.readFileSync(`${work}/${name}.md`, 'utf8');
    pages.set(`${FOLDER}/${name}.md`, pageOf(text, name, title));
  }
  return pages;
}

// TypeDoc spells out every code where a type is ErrorCode, and none where that is declared.
function pageOf(text, name, title) {
  const codes = Object.keys(errorCodes()).map((code) => `\`"${code}"\``);
  return text
    .replace(`# ${name}\n`, `# ${title}\n`)
    .replaceAll(codes.join(' \\| '), '[`ErrorCode`](errors.md)')
    .replace('keyof *typeof* `errorCodes`', '[one of these](errors.md)');
}

function errorCodes() {
  return loadTypeScript('lib/generated/error-codes.ts').errorCodes;
}

/** Pages of the folder that are on disk. */
export function presentPages() {
  return fs.existsSync(at(FOLDER)) ? fs.readdirSync(at(FOLDER)).map((it) => `${FOLDER}/${it}`) : [];
}

function runTypeDoc() {
  const program = at(tool, 'node_modules/typedoc/bin/typedoc');
  try {
    execFileSync(
      process.execPath,
      [program, '--options', at(tool, 'typedoc.json'), '--out', work],
      {
        cwd: at(tool),
        encoding: 'utf8',
        stdio: 'pipe',
        env: { ...process.env, NO_COLOR: '1' },
      },
    );
  } catch (error) {
    throw new StepError(
      `TypeDoc finds fault with the comments in lib/\n${error.stdout}${error.stderr}`,
    );
  }
}

function errorsPage() {
  const rows = Object.entries(errorCodes()).map(
    ([code, { errno, retryable, sentence }]) =>
      `| \`${code}\` | ${errno} | ${retryable ? 'yes' : ''} | ${sentence} |`,
  );
  return `# Errors

The codes of [IotkitError](index.md#iotkiterror). Its message is the sentence here, then \`: \` and its \`detail\`, if
there is one.
*Later*: the same call may succeed later although nothing was changed, \`retryable\`.

| code | errno | later | sentence |
|---|--:|---|---|
${rows.join('\n')}
`;
}
