// What no commit carries: paths of somebody's machine, registry hosts, big or generated files, unfinished marks.
import fs from 'node:fs';
import { at } from '../lib/paths.mjs';
import { ignoredFiles, read, report, repositoryFiles } from '../lib/tree.mjs';

const MAX_BYTES = 1_000_000;
const MAX_LINES = 500;
const MAX_COLUMNS = 120; // of comments and data; the formatters hold code to 100
const MAX_SEED_BYTES = 4096;
const self = 'scripts/check/hygiene.mjs';

const marks = [
  [/(?<![\w.])\/(?:work|root|home|Users)\/[\w.-]+/, 'a path of one machine'],
  [
    /\bregistry\.[a-z0-9-]+\.[a-z]+|\bnpmmirror\b|\bartifactory\b|\bverdaccio\b/i,
    'a registry host',
  ],
  [/\b(?:TODO|FIXME|XXX)\b/, 'an unfinished mark: finish it, or open an issue'],
  [/^(?:<{7}|>{7}) /m, 'a merge conflict'],
  [/\r\n/, 'a CRLF line end'],
];

const problems = [];
const files = repositoryFiles();
for (const file of files) {
  const { size } = fs.statSync(at(file));
  if (size > MAX_BYTES) problems.push(`${file}: ${size} bytes, at most ${MAX_BYTES}`);
  if (/\/corpus\//.test(file)) {
    if (size > MAX_SEED_BYTES) problems.push(`${file}: a seed has at most ${MAX_SEED_BYTES} bytes`);
    continue;
  }
  if (/\.(node|o|a|so|tgz|tsbuildinfo)$/.test(file)) problems.push(`${file}: a built file`);
  if (file === 'package-lock.json') {
    if (/"resolved": "https?:/.test(read(file)))
      problems.push(
        `${file}: has addresses of a registry; npm config omit-lockfile-registry-resolved`,
      );
    continue;
  }
  if (file !== self && size <= MAX_BYTES) checkText(file, read(file));
}
for (const file of ignoredFiles())
  problems.push(`${file}: tracked, but .gitignore names it, so that other checks pass it over`);
report('hygiene', problems, files.length);

function checkText(file, text) {
  if (text.includes('\0')) return;
  for (const [pattern, what] of marks) {
    const match = pattern.exec(text);
    if (match) problems.push(`${file}: ${what}: ${match[0].trim()}`);
  }
  if (!/\.(c|cc|h|ts|mjs|cjs|sh)$/.test(file)) return;
  const lines = text.split('\n');
  if (lines.length - 1 > MAX_LINES)
    problems.push(`${file}: ${lines.length - 1} lines, at most ${MAX_LINES}: part it`);
  lines.forEach((line, index) => {
    if (line.length > MAX_COLUMNS)
      problems.push(`${file}:${index + 1}: ${line.length} columns, at most ${MAX_COLUMNS}`);
  });
}
