/** Links lead somewhere, and paths that a page names exist. */
import fs from 'node:fs';
import path from 'node:path';
import { codeOf, pages, proseOf, read, root } from './pages';

// --- links ---

/** What a link to a place in the page may say after '#'. */
function anchorsOf(page: string): Set<string> {
  const text = read(page);
  const seen = new Map<string, number>();
  const headings = [...proseOf(text).matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) => {
    const slug = heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}_ -]/gu, '')
      .replaceAll(' ', '-');
    const count = seen.get(slug) ?? 0;
    seen.set(slug, count + 1);
    return count === 0 ? slug : `${slug}-${count}`;
  });
  const named = [...text.matchAll(/<a id="([^"]+)">/g)].map(([, id = '']) => id);
  return new Set([...headings, ...named]);
}

function linksOf(page: string): string[] {
  const links = [...proseOf(read(page)).matchAll(/\]\(\s*([^)\s]+)\s*\)/g)];
  return links.map(([, link = '']) => link).filter((link) => !/^[a-z]+:/.test(link));
}

function isDead(page: string, link: string): boolean {
  const [file = '', anchor] = link.split('#');
  const target = file === '' ? page : path.posix.join(path.posix.dirname(page), file);
  if (!fs.existsSync(path.join(root, target))) return true;
  return anchor !== undefined && !anchorsOf(target).has(anchor);
}

test.each(pages)('links of %s lead somewhere', (page) => {
  expect(linksOf(page).filter((link) => isDead(page, link))).toEqual([]);
});

// --- paths ---

/** Paths are written from the repository, the page, or one of these folders. */
const folders = [
  '.',
  'deps/iotkit',
  'deps/iotkit/src',
  'lib',
  'native',
  'platform',
  'platform/src',
  'examples',
];
const extensions = ['', '.ts', '.h', '.c', '.cc', '.mjs'];

/** Look like paths and are none of the repository, or are built. */
const noPaths = new Set([
  '10.0.0.0/8',
  'application/octet-stream',
  'examples/dist',
  'firmware/get',
  '@types/node',
  'iotkit-ota/install',
  'iotkit-ota/sdk',
  'iotkit-ota/testing',
  'ota/device/request',
  'platform/dist',
  'releases/2.0.0',
  'root/current',
  'thing/config/get',
  'thing/file/download',
  'thing/ota/firmware/get',
]);

/** Never in the repository, and here only where it was built. */
const isBuilt = (code: string): boolean => code.endsWith('.node') || code.startsWith('.cache/');

function looksLikePath(code: string): boolean {
  return /^[\w.@*-]+(\/[\w.@*-]+)+\/?$/.test(code) && !noPaths.has(code) && !isBuilt(code);
}

/** Of `test/*.c` the folder has to exist. */
function isMissing(page: string, code: string): boolean {
  const [fixed = ''] = code.split('*');
  const named = fixed === code ? code : fixed.slice(0, fixed.lastIndexOf('/') + 1);
  return ![path.posix.dirname(page), ...folders].some((folder) =>
    extensions.some((extension) =>
      fs.existsSync(path.join(root, folder, named.replace(/\/$/, '') + extension)),
    ),
  );
}

test.each(pages)('paths of %s exist', (page) => {
  const paths = codeOf(read(page)).filter(looksLikePath);
  expect(paths.filter((code) => isMissing(page, code))).toEqual([]);
});

test('a wrong link, anchor or path is found', () => {
  expect(isDead('docs/download.md', 'no-such-page.md')).toBe(true);
  expect(isDead('docs/download.md', 'glossary.md#no-such-place')).toBe(true);
  expect(isDead('docs/download.md', 'differences.md#yield')).toBe(false);
  expect(isMissing('README.md', 'lib/no-such-file.ts')).toBe(true);
  expect(isMissing('README.md', 'lib/no-such-folder/*.ts')).toBe(true);
  expect(looksLikePath('lib/ota/upgrade.ts')).toBe(true);
});
