// The set of addons of a release: whether it is whole and sound, and its list of sums.
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { at } from '../lib/paths.mjs';
import { floorOf, problemsOf } from './gates.mjs';
import { pathOf, SUMS, targets } from './targets.mjs';

/** One line about an addon that is there. */
export function describe(target) {
  const bytes = fs.readFileSync(at(pathOf(target)));
  const floor = target.format === 'elf' && floorOf(bytes);
  const size = `${Math.ceil(bytes.length / 1024)} KiB`;
  return `${pathOf(target)}: ${size}${floor ? `, needs GLIBC ${floor}` : ''}`;
}

/** What is wrong with the addons in prebuilds/: one missing, one that breaks a rule, one that nobody listed. */
export function releaseProblems() {
  const listed = Object.values(targets);
  const unlisted = present().filter((file) => !listed.some((target) => pathOf(target) === file));
  return [
    ...listed.flatMap(problemsAt),
    ...unlisted.map((file) => `${file} is no addon of a release`),
  ];
}

function problemsAt(target) {
  const file = pathOf(target);
  if (!fs.existsSync(at(file))) return [`${file} is missing`];
  return problemsOf(target, fs.readFileSync(at(file))).map((problem) => `${file} ${problem}`);
}

function present() {
  if (!fs.existsSync(at('prebuilds'))) return [];
  return fs
    .readdirSync(at('prebuilds'), { recursive: true })
    .filter((name) => name.endsWith('.node'))
    .map((name) => path.posix.join('prebuilds', name));
}

const sums = () =>
  Object.values(targets)
    .map((target) => path.posix.relative('prebuilds', pathOf(target)))
    .sort()
    .map((file) => `${sha256(fs.readFileSync(at('prebuilds', file)))}  ${file}\n`)
    .join('');

const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');

export function writeSums() {
  fs.writeFileSync(at(SUMS), sums());
}

/** What is wrong with the list: of a release only, since any change of a source changes the sums. */
export function sumProblems() {
  const kept = fs.existsSync(at(SUMS)) ? fs.readFileSync(at(SUMS), 'utf8') : '';
  return kept === sums() ? [] : [`${SUMS} is not of these addons; npm run prebuild -- --list`];
}
