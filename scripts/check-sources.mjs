// sources.json lists every C and C++ source, each under its layer, and nothing else. `--write` makes it so.
import fs from 'node:fs';
import { at } from './lib/paths.mjs';
import { read, report, repositoryFiles } from './lib/tree.mjs';

const layers = ['base', 'mqtt', 'http', 'ota', 'net', 'api'];
const ports = ['posix', 'openssl', 'soft'];

const inTree = repositoryFiles(/^(deps\/iotkit\/src\/.*\.c|native\/.*\.cc)$/);
const below = (folder) => inTree.filter((file) => file.startsWith(`${folder}/`));
const expected = {
  iotkit: {
    ...Object.fromEntries(layers.map((layer) => [layer, below(`deps/iotkit/src/${layer}`)])),
    port: Object.fromEntries(ports.map((port) => [port, below(`deps/iotkit/src/port/${port}`)])),
  },
  native: below('native'),
};

if (process.argv.includes('--write'))
  fs.writeFileSync(at('sources.json'), `${JSON.stringify(expected, null, 2)}\n`);

const listed = JSON.parse(read('sources.json'));
const problems = [];
compare(expected, listed, 'sources.json');
const known = new Set(JSON.stringify(expected).match(/[^"]+\.cc?(?=")/g));
for (const file of inTree) {
  if (!known.has(file))
    problems.push(
      `${file}: stands in no known layer (${[...layers, ...ports.map((p) => `port/${p}`)].join(', ')})`,
    );
}
report('sources', problems, inTree.length);

function compare(want, have, where) {
  if (Array.isArray(want)) {
    const list = Array.isArray(have) ? have : [];
    for (const file of want)
      if (!list.includes(file)) problems.push(`${where}: ${file} is not listed`);
    for (const file of list)
      if (!want.includes(file))
        problems.push(`${where}: ${file} is listed but does not stand there`);
    if (new Set(list).size !== list.length) problems.push(`${where}: a file is listed twice`);
    return;
  }
  for (const key of Object.keys({ ...want, ...have })) {
    if (!(key in want)) problems.push(`${where}: unknown group ${key}`);
    else compare(want[key], have?.[key], `${where}: ${key}`);
  }
}
