// The files of the repository, as git sees them: tracked, or new and not ignored.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { at, root } from './paths.mjs';

/** Paths relative to the repository, sorted; only regular files that exist. */
export function repositoryFiles(pattern = /./) {
  return listed('-co')
    .filter((file) => pattern.test(file) && isFile(file))
    .sort();
}

/** Files that are tracked although .gitignore names them. */
export const ignoredFiles = () => listed('-ci');

function listed(which) {
  const list = execFileSync('git', ['ls-files', which, '--exclude-standard', '-z'], {
    cwd: root,
    encoding: 'utf8',
  });
  return [...new Set(list.split('\0'))].filter(Boolean);
}

const isFile = (file) => fs.lstatSync(at(file), { throwIfNoEntry: false })?.isFile() ?? false;

export const read = (file) => fs.readFileSync(at(file), 'utf8');

/**
 * C or TypeScript text with comments, and string and character literals where asked, replaced by
 * blanks.
 */
export function withoutComments(text, { strings = false } = {}) {
  const blank = (match) => match.replace(/[^\n]/g, ' ');
  const token =
    /\/\*[\s\S]*?\*\/|\/\/[^\n]*|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\[\s\S])*`/g;
  return text.replace(token, (match) => (match.startsWith('/') || strings ? blank(match) : match));
}

export const lineOf = (text, index) => text.slice(0, index).split('\n').length;

/** Prints what a check found and sets the exit code. */
export function report(title, problems, count) {
  for (const problem of problems) console.error(problem);
  console.log(
    `${title}: ${problems.length === 0 ? `${count} files, nothing found` : `${problems.length} problems`}`,
  );
  if (problems.length > 0) process.exitCode = 1;
}
