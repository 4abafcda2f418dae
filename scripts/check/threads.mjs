// Every function that the public headers open to any thread is called by a program that the thread sanitizer watches,
// beside others: deps/iotkit/test/**/test_*_threads.c. What a header keeps to one thread is named here with the words
// in which it says so, which must be in its comment.
import { read, report, repositoryFiles, withoutComments } from '../lib/tree.mjs';

const HEADERS = /^deps\/iotkit\/include\/.*\.h$/;
const PROGRAMS = /^deps\/iotkit\/test\/.*\/test_\w+_threads\.c$/;

const kept = {
  iotkit_log_set: 'set it before other threads run',
  IOT_SetLogLevel: 'Set it before other threads run',
};

const functions = repositoryFiles(HEADERS).flatMap((file) => functionsOf(file, read(file)));
const programs = withoutComments(repositoryFiles(PROGRAMS).map(read).join('\n'), { strings: true });
const names = new Set(functions.map(({ name }) => name));
report(
  'threads',
  [
    ...functions.map(problemOf).filter(Boolean),
    ...Object.keys(kept)
      .filter((name) => !names.has(name))
      .map((name) => `scripts/check/threads.mjs: no public header declares ${name}`),
  ],
  functions.length,
);

// Declarations begin with a macro that exports them; the comment before one is its own, or that of its group.
function functionsOf(file, text) {
  const declaration =
    /(?:\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*)?^(?:IOTKIT_API|DLL_\w+)\s([^;{]*?)\(/gm;
  return [...text.matchAll(declaration)].map(([, comment = '', before]) => ({
    file,
    name: before.match(/\w+(?=\s*$)/)[0],
    comment: comment.replace(/\s*\n\s*\* ?/g, ' '),
  }));
}

function problemOf({ file, name, comment }) {
  const words = kept[name];
  if (words !== undefined)
    return comment.includes(words)
      ? undefined
      : `${file}: ${name} is kept to one thread by scripts/check/threads.mjs, but its comment does not say "${words}"`;
  if (new RegExp(`\\b${name}\\s*\\(`).test(programs)) return undefined;
  return (
    `${file}: ${name} may be called from any thread, and no program tries it. Help: call it in a ` +
    'deps/iotkit/test/<room>/test_<file>_threads.c'
  );
}
