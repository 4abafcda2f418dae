// scripts/check/pack/contents.mjs: what `npm run check:pack` refuses in a tarball.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { runWell } from '../../support/process';

const root = path.resolve(__dirname, '..', '..', '..');
const script = path.join(root, 'scripts', 'check', 'pack', 'contents.mjs');
const golden = readFileSync(path.join(root, 'scripts/check/pack/files.txt'), 'utf8')
  .trim()
  .split('\n');

/** What an expression over the script's exports, `it`, and `given` gives. */
async function evaluate(expression: string, given: object): Promise<unknown> {
  const program = `import * as it from ${JSON.stringify(pathToFileURL(script).href)};
    const given = ${JSON.stringify(given)};
    console.log(JSON.stringify(${expression}));`;
  return JSON.parse(await runWell(process.execPath, ['--input-type=module', '-e', program]));
}

test('a file more or less than the golden list is shown, with how to take it', async () => {
  const given = { golden: ['a', 'b', 'c'], files: ['a', 'c', 'd', 'prebuilds/linux-x64/x.node'] };
  const lines = await evaluate('it.differences(given.golden, given.files)', given);
  expect(lines).toEqual([expect.stringContaining('check:pack -- --write'), '- b', '+ d']);
  expect(await evaluate('it.differences(["a"], ["a"])', {})).toEqual([]);
});

test('a link to what is not packed is dead', async () => {
  const text = [
    '[a](docs/a.md) [b](docs/b.md#there) [c](#here) [d](https://a.example) [e](docs/) [f](doc)',
    '<img src="logo.svg"> <a href="docs/a.md">',
    '    [an example](none.md)',
  ].join('\n');
  const dead = await evaluate('it.deadLinks("README.md", given.text, given.files)', {
    text,
    files: ['docs/a.md', 'README.md'],
  });
  expect(dead).toEqual(
    ['docs/b.md', 'doc', 'logo.svg'].map(
      (link) => `README.md links to ${link}, which is not packed`,
    ),
  );
});

test('no link of the README is dead for who has only the package', async () => {
  const text = readFileSync(path.join(root, 'README.md'), 'utf8');
  const given = { text, files: golden };
  expect(await evaluate('it.deadLinks("README.md", given.text, given.files)', given)).toEqual([]);
});

test('maps of sources that are not packed, and scripts that name one', async () => {
  const texts = { 'a.js': 'a\n//# sourceMappingURL=a.js.map', 'b.js': 'b', 'c.map': 'symbols' };
  const files = [...Object.keys(texts), 'a.js.map'];
  const problems = await evaluate('it.strayMaps(given.files, (file) => given.texts[file])', {
    files,
    texts,
  });
  expect(problems).toEqual([
    'a.js.map is a map of a source that is not packed',
    'a.js names a map that is not packed',
  ]);
});

test('a part of the build by CMake', async () => {
  const files = ['native/CMakeLists.txt', 'deps/iotkit/cmake/a.cmake', 'docs/CMake.md'];
  expect(await evaluate('it.halfCmake(given)', files)).toHaveLength(2);
});
