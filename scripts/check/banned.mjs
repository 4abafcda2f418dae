// Calls this code does without, because each has a safer neighbour or does not belong where it stands.

import { lineOf, read, report, repositoryFiles, withoutComments } from '../lib/tree.mjs';
import { filesOfHouses, readTable } from './rooms.mjs';

const calls = (names) =>
  new RegExp(`(?<![\\w.>])(?:std::)?(${names.split(' ').join('|')})\\s*\\(`, 'g');

// Rooms without I/O and clock, by the table of rooms.
const pure = new Set(
  filesOfHouses(readTable())
    .filter(({ room }) => room?.pure)
    .map(({ file }) => file),
);

const rules = [
  {
    where: /^(deps\/iotkit|native)\/.*\.(c|cc|h)$/,
    what: calls(
      'sprintf vsprintf strcpy stpcpy strcat strncpy strncat strtok atoi atol atoll atof sscanf vsscanf gets alloca',
    ),
    why: 'bounds unknown or errors unseen: use snprintf, struct ik_buf or a parser of ours',
  },
  {
    where: /^(deps\/iotkit\/src|native)\/.*\.(c|cc|h)$/,
    what: calls(
      'system popen tmpnam mktemp rand srand random setenv putenv exit _exit abort printf puts perror signal',
    ),
    why: 'a library does not do this to its process',
    except: /^native\/runtime\/terminate\.cc$/,
  },
  {
    where: { test: (file) => pure.has(file) },
    what: calls('time clock fopen fprintf fwrite fread getenv'),
    why: 'no I/O and no clock in this room: take it as an argument',
  },
  {
    where: /^(deps\/iotkit\/(src|test)|native)\/.*\.(c|cc|h)$/,
    what: calls('sleep usleep nanosleep'),
    why: 'wait for the event, with a deadline',
    except: /^deps\/iotkit\/src\/port\//,
  },
  {
    where: /^(lib|platform|test|examples|bench)\/.*\.ts$/,
    what: /\b(forceExit|retryTimes)\b|\bsetTimeout\(\s*(resolve|r|done)\b/g,
    why: 'await the event; no test is forced to end or tried again',
    except: /^bench\//,
  },
];

const files = repositoryFiles(/\.(c|cc|h|ts)$/);
const problems = [];
for (const file of files) {
  const text = withoutComments(read(file), { strings: true });
  for (const { where, what, why, except } of rules) {
    if (!where.test(file) || except?.test(file)) continue;
    for (const match of text.matchAll(what))
      problems.push(`${file}:${lineOf(text, match.index)}: ${match[0]} is banned: ${why}`);
  }
}
report('banned calls', problems, files.length);
