// Each rule of `npm run check` bites: a checkout with one offence is refused, naming the file.
import { Checkout } from './checkout';

const sources = {
  iotkit: {
    base: ['deps/iotkit/src/base/buf.c'],
    mqtt: [],
    http: [],
    ota: [],
    net: [],
    api: [],
    port: { posix: ['deps/iotkit/src/port/posix/clock.c'], openssl: [], soft: [] },
  },
  native: ['native/addon.cc'],
};

const sound: Readonly<Record<string, string>> = {
  'sources.json': JSON.stringify(sources),
  'deps/iotkit/include/iotkit.h': '#include <stdint.h>\n',
  'deps/iotkit/src/base/buf.h': '#include <stddef.h>\n',
  'deps/iotkit/src/base/buf.c':
    '#include "buf.h"\n#include <string.h>\n// sprintf(a, b) in a comment\n',
  'deps/iotkit/src/port/port.h': '#include "../base/buf.h"\n#include "iotkit.h"\n',
  'deps/iotkit/src/port/posix/clock.c': '#include "../port.h"\n#include <time.h>\n',
  'native/addon.cc': '#include <napi.h>\n#include <iotkit.h>\n#include <memory>\n',
  'lib/index.ts':
    "// what is exported\nexport { connect } from './connect';\nexport type * from './types';\n",
  'lib/connect.ts': "import { addon } from './native';\nexport const connect = addon;\n",
  'lib/native.ts': "import load from 'node-gyp-build';\nexport const addon = load(__dirname);\n",
  'lib/types.ts': 'export interface Options { readonly host: string }\n',
};

const checks = ['layers', 'sources', 'banned', 'hygiene'];

test.each(checks)('%s finds nothing in a sound tree', async (check) => {
  using checkout = new Checkout(sound);
  const { code, output } = await checkout.run(`check-${check}.mjs`);
  expect(output).toContain('nothing found');
  expect(code).toBe(0);
});

const offences: readonly [check: string, what: string, file: string, text: string][] = [
  [
    'layers',
    'http includes mqtt',
    'deps/iotkit/src/http/a.c',
    '#include "../base/buf.h"\n#include "mqtt/b.h"\n',
  ],
  ['layers', 'base includes an OS header', 'deps/iotkit/src/base/a.c', '#include <sys/socket.h>\n'],
  ['layers', 'ota reads a clock', 'deps/iotkit/src/ota/a.c', '#include <time.h>\n'],
  ['layers', 'api includes a port', 'deps/iotkit/src/api/a.c', '#include "../port/posix/own.h"\n'],
  ['layers', 'native includes src', 'native/a.cc', '#include "../deps/iotkit/src/base/buf.h"\n'],
  ['layers', 'native includes uv.h', 'native/a.cc', '#include <uv.h>\n'],
  ['layers', 'a cycle in C', 'deps/iotkit/src/base/buf.h', '#include "other.h"\n'],
  ['layers', 'lib imports its index', 'lib/a.ts', "import { connect } from './index';\n"],
  [
    'layers',
    'a second file loads the addon',
    'lib/a.ts',
    "const load = require('node-gyp-build');\n",
  ],
  ['layers', 'index.ts does more than re-export', 'lib/index.ts', 'export const a = 1;\n'],
  [
    'layers',
    'a cycle in TypeScript',
    'lib/types.ts',
    "import type { connect } from './connect';\nexport * from './a';\n",
  ],
  [
    'layers',
    'platform imports the device side',
    'platform/src/a.ts',
    "import { connect } from 'iotkit-ota';\n",
  ],
  ['sources', 'a source that is not listed', 'deps/iotkit/src/base/new.c', ''],
  [
    'sources',
    'a listed source that is not there',
    'sources.json',
    JSON.stringify(sources).replace('buf.c', 'gone.c'),
  ],
  ['sources', 'a source outside every layer', 'deps/iotkit/src/misc/a.c', ''],
  ['banned', 'sprintf', 'native/a.cc', 'void f(char *b) { std::sprintf(b, "x"); }\n'],
  ['banned', 'atoi', 'deps/iotkit/test/test_a.c', 'int n = atoi (text);\n'],
  ['banned', 'the clock in a protocol layer', 'deps/iotkit/src/mqtt/a.c', 'long t = time(0);\n'],
  ['banned', 'a sleep in a test', 'deps/iotkit/test/test_a.c', 'usleep(10);\n'],
  ['hygiene', 'an unfinished mark', 'lib/a.ts', `// ${'TO'}DO later\n`],
  ['hygiene', 'a path of one machine', 'lib/a.ts', `const a = '/${'home'}/someone/x';\n`],
  ['hygiene', 'a registry host', '.npmrc', `registry=https://${'registry'}.example.org/\n`],
  [
    'hygiene',
    'addresses in the lock',
    'package-lock.json',
    '{ "resolved": "https://example.org/a.tgz" }\n',
  ],
  ['hygiene', 'a big file', 'data.bin', 'x'.repeat(1_000_001)],
  ['hygiene', 'a big seed', 'deps/iotkit/fuzz/corpus/a/seed', 'x'.repeat(5000)],
  ['hygiene', 'a long file', 'lib/a.ts', '\n'.repeat(501)],
];

test.each(offences)('%s refuses %s', async (check, _what, file, text) => {
  using checkout = new Checkout({
    ...sound,
    'deps/iotkit/src/mqtt/b.h': '',
    'deps/iotkit/src/base/other.h': '#include "buf.h"\n',
    'deps/iotkit/src/port/posix/own.h': '',
    'lib/a.ts': "import { Options } from './types';\n",
    [file]: text,
  });
  if (check === 'layers') {
    // Without the offence the same tree passes, so it is the offence that is refused.
    checkout.write(file, sound[file] ?? '');
    expect((await checkout.run('check-layers.mjs')).code).toBe(0);
    checkout.write(file, text);
  }
  const { code, output } = await checkout.run(`check-${check}.mjs`);
  expect(output).toContain(file === 'sources.json' ? 'gone.c' : file);
  expect(code).toBe(1);
});

test('sources --write lists what stands there', async () => {
  using checkout = new Checkout({
    ...sound,
    'deps/iotkit/src/api/new.c': '',
    'sources.json': '{}',
  });
  expect((await checkout.run('check-sources.mjs')).code).toBe(1);
  expect((await checkout.run('check-sources.mjs', ['--write'])).code).toBe(0);
  expect((await checkout.run('check-sources.mjs')).code).toBe(0);
});
