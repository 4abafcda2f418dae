// A small repository that every check passes, with a table of rooms of its own; tests add one offence to it.
import { Checkout } from './checkout';

export const sources = {
  iotkit: {
    base: ['deps/iotkit/src/base/buf.c'],
    api: ['deps/iotkit/src/api/top.c'],
    port: { posix: ['deps/iotkit/src/port/posix/clock.c'] },
  },
  native: ['native/addon.cc'],
};

/** The table; a test changes a copy. */
export const table = {
  headers: {
    libc: { names: ['stddef.h', 'stdint.h', 'string.h'] },
    'c++': { names: ['napi.h'], pattern: '^[a-z_]+$', and: 'libc' },
  },
  houses: {
    sdk: {
      folder: 'deps/iotkit/src',
      language: 'c',
      says: 'the SDK',
      public: 'deps/iotkit/include',
      publicHeaders: 'libc',
      sources: { group: 'iotkit', byRoom: true },
      tests: { in: 'deps/iotkit/test', name: 'test_*.c', aspects: true },
      units: [] as { of: string[]; why: string }[],
      rooms: {
        base: { floor: 1, holds: 'bytes', headers: 'libc', pure: true },
        port: { floor: 2, holds: 'the contract', uses: ['base'], headers: 'libc', contract: true },
        'port/posix': {
          floor: 3,
          holds: 'POSIX',
          uses: ['base', 'port'],
          headers: 'any',
          implements: 'port',
        },
        api: {
          floor: 3,
          holds: 'the functions',
          uses: ['base', 'port'],
          headers: 'libc',
          only: { port: ['ik_clock'] },
        },
      } as Record<string, object>,
    },
    native: {
      folder: 'native',
      language: 'c++',
      says: 'the shim',
      sees: ['sdk'],
      sources: { group: 'native' },
      tests: { by: ['test/lifecycle'] },
      rooms: { native: { floor: 1, at: ['.'], holds: 'the shim', headers: 'c++' } },
    },
    lib: {
      folder: 'lib',
      language: 'ts',
      says: 'TypeScript',
      entries: ['lib/index.ts'],
      loads: { modules: ['node-gyp-build', 'bindings'], in: ['lib/native.ts'] },
      forbids: ['iotkit-ota', 'iotkit-ota-platform'],
      tests: { in: 'test/unit', name: '*.test.ts' },
      rooms: {
        lib: { floor: 1, at: ['.'], holds: 'all of it' },
        top: { floor: 2, holds: 'what uses it', uses: ['lib'] },
      },
    },
    platform: {
      folder: 'platform/src',
      language: 'ts',
      says: 'the cloud',
      stays: 'platform',
      forbids: ['iotkit-ota'],
      tests: { in: 'platform/test', name: '*.test.ts' },
      rooms: { platform: { floor: 1, at: ['.'], holds: 'all of it' } },
    },
  },
};

export const TABLE = 'scripts/check/rooms.json';
const PAGE = 'ARCHITECTURE.md';

export const sound: Readonly<Record<string, string>> = {
  [TABLE]: JSON.stringify(table),
  [PAGE]:
    'Before.\n\n<!-- rooms: written by `node scripts/check/layers.mjs --write` -->\n' +
    '<!-- end of rooms -->\n\nAfter.\n',
  'sources.json': JSON.stringify(sources),
  'deps/iotkit/include/iotkit.h': '#include <stdint.h>\nvoid iotkit_go(void);\n',
  'deps/iotkit/src/base/buf.h': '#include <stddef.h>\nint ik_buf_new(void);\n',
  'deps/iotkit/src/base/buf.c':
    '#include "buf.h"\n#include <string.h>\n// sprintf(a, b) in a comment\n' +
    'int ik_buf_new(void) {\n  return 0;\n}\n',
  'deps/iotkit/src/port/port.h':
    '#include "../base/buf.h"\n#include "iotkit.h"\n' +
    'int ik_clock(void);\nint ik_clock_wait(void);\nint ik_file_open(void);\n',
  'deps/iotkit/src/port/posix/clock.c':
    '#include "../port.h"\n#include <time.h>\nint ik_clock(void) {\n  return ik_buf_new();\n}\n' +
    'int ik_file_open(void) {\n  return 1;\n}\n',
  'deps/iotkit/src/api/top.c':
    '#include "../port/port.h"\nvoid iotkit_go(void) {\n  ik_clock();\n}\n',
  'native/addon.cc':
    '#include <napi.h>\n#include <iotkit.h>\n#include <memory>\nvoid Go() {\n  iotkit_go();\n}\n',
  'lib/index.ts':
    "// what is exported\nexport { connect } from './connect';\nexport type * from './types';\n",
  'lib/connect.ts': "import { addon } from './native';\nexport const connect = addon;\n",
  'lib/native.ts': "import load from 'node-gyp-build';\nexport const addon = load(__dirname);\n",
  'lib/types.ts': 'export interface Options { readonly host: string }\n',
  'lib/top/top.ts': "import { connect } from '../connect';\nexport const top = connect;\n",
  'platform/src/clock.ts': 'export const now = 0;\n',
};

const pages = new Map<string, string>(); // by table

/** The sound repository with other files, and its page written from its table. */
export async function soundCheckout(files: Readonly<Record<string, string>> = {}) {
  const all = { ...sound, ...files };
  const checkout = new Checkout(all);
  const rooms = all[TABLE] ?? '';
  const page = pages.get(rooms);
  if (page) checkout.write(PAGE, page);
  else {
    await checkout.run('check/layers.mjs', ['--write']);
    pages.set(rooms, checkout.read(PAGE));
  }
  return checkout;
}
