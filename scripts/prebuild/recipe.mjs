// How the addon is compiled and linked, by native/flags.json and sources.json, which binding.gyp and `iotkit-ota build`
// read as well: a prebuilt addon and one compiled from source have the same flags.
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { at } from '../lib/paths.mjs';

const { resolve } = createRequire(at('package.json'));
const folderOf = (name) => path.dirname(resolve(`${name}/package.json`));
const read = (...names) => JSON.parse(fs.readFileSync(at(...names), 'utf8'));

/**
 * `groups`: C sources and C++ sources, each with the compiler's flags; `linker`: what the linker of Linux is told,
 * without the compiler's `-Wl,`.
 */
export function readRecipe() {
  const flags = read('native', 'flags.json');
  const { iotkit, native } = read('sources.json');
  const shared = [...flags.compile, ...flags.release];
  return {
    groups: [
      {
        sources: listed(iotkit).filter((file) => file.endsWith('.c')),
        flags: [
          ...flagsOf([...flags.c, ...shared], flags.sdkDefines),
          ...includes('deps/iotkit/include', 'deps/iotkit/src'),
        ],
      },
      {
        sources: native,
        flags: [
          ...flagsOf([...flags.cc, ...shared], flags.nativeDefines),
          ...includes('native', 'deps/iotkit/include'),
          `-I${folderOf('node-addon-api')}`,
          `-I${folderOf('node-api-headers')}/include`,
        ],
      },
    ],
    linker: [
      `--version-script=${at('native', 'addon.map')}`,
      ...linkerOf([...flags.linkLinux, ...flags.linkLinuxRelease]),
    ],
  };
}

const listed = (entry) =>
  typeof entry === 'string' ? [entry] : Object.values(entry).flatMap(listed);

// Warnings are for those who change the sources.
const flagsOf = (flags, defines) => [
  ...flags.filter((flag) => !flag.startsWith('-W')),
  ...['NDEBUG', ...defines].map((define) => `-D${define}`),
];

const includes = (...folders) => folders.map((folder) => `-I${at(folder)}`);

const linkerOf = (flags) =>
  flags
    .filter((flag) => flag.startsWith('-Wl,'))
    .flatMap((flag) => flag.slice('-Wl,'.length).split(','));
