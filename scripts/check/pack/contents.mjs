// What the files of the tarball have to be: those of the golden list, and nothing that points beside it.
import fs from 'node:fs';
import { at } from '../../lib/paths.mjs';
import { StepError } from '../../lib/run.mjs';

/** The golden list. A file that comes or goes is a decision, seen in the review of this file. */
export const LIST = 'scripts/check/pack/files.txt';

/** What each machine and each release packs of its own: `prebuilds/` has a list of its own. */
const isListed = (file) => !file.startsWith('prebuilds/');

/**
 * @param files the paths in the tarball
 * @param read returns the text of one of them
 */
export function checkContents(files, read = (file) => fs.readFileSync(at(file), 'utf8')) {
  const golden = fs.readFileSync(at(LIST), 'utf8').trim().split('\n');
  const problems = [
    ...differences(golden, files),
    ...deadLinks('README.md', read('README.md'), files),
    ...strayMaps(files, read),
    ...halfCmake(files),
  ];
  if (problems.length > 0) throw new StepError(`the tarball:\n  ${problems.join('\n  ')}`);
}

/** Makes the golden list of what is packed now. */
export function writeList(files) {
  const lines = files.filter(isListed).toSorted();
  fs.writeFileSync(at(LIST), `${lines.join('\n')}\n`);
  console.log(`${LIST}: ${lines.length} files`);
}

export function differences(golden, files) {
  const packed = new Set(files.filter(isListed));
  const wanted = new Set(golden);
  const lines = [
    ...[...wanted].filter((file) => !packed.has(file)).map((file) => `- ${file}`),
    ...[...packed].filter((file) => !wanted.has(file)).map((file) => `+ ${file}`),
  ];
  if (lines.length === 0) return [];
  return [`is not that of ${LIST}; \`npm run check:pack -- --write\` takes it as it is`, ...lines];
}

/** Links of a page that lead to nothing where the package is all there is. */
export function deadLinks(page, text, files) {
  const prose = text.replace(/^```.*?^```$/gms, '').replace(/^ {4}.*$/gm, '');
  return [...prose.matchAll(/\]\(\s*([^)\s#]+)[^)]*\)|\b(?:href|src)="([^"#]+)/g)]
    .map(([, link, attribute]) => link ?? attribute)
    .filter((link) => !/^(?:[a-z][a-z\d+.-]*:|\/\/)/i.test(link))
    .filter((link) => !files.some((file) => file === link || file.startsWith(withSlash(link))))
    .map((link) => `${page} links to ${link}, which is not packed`);
}

const withSlash = (link) => (link.endsWith('/') ? link : `${link}/`);

// A map whose sources are not packed, and a script that names a map that is not: debuggers complain of both.
export function strayMaps(files, read) {
  const maps = files.filter((file) => /\.(?:js|cjs|mjs|ts)\.map$/.test(file));
  const scripts = files.filter((file) => /\.(?:js|cjs|mjs)$/.test(file));
  return [
    ...maps.map((file) => `${file} is a map of a source that is not packed`),
    ...scripts
      .filter((file) => /^\/\/# sourceMappingURL=(?!data:)/m.test(read(file)))
      .map((file) => `${file} names a map that is not packed`),
  ];
}

// CMake builds the repository, with its tests. A part of it builds nothing.
export function halfCmake(files) {
  return files
    .filter((file) => /(?:^|\/)CMakeLists\.txt$|\.cmake$/.test(file))
    .map((file) => `${file} is a part of the build by CMake, which is not packed`);
}
