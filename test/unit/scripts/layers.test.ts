// Each rule of scripts/check/layers.mjs bites: a tree with one offence is refused, naming file and line, and the same
// tree without it passes.
import { soundCheckout, TABLE, table } from './sound';

const SRC = 'deps/iotkit/src';
const LAYERS = 'check/layers.mjs';

type Files = Readonly<Record<string, string>>;

/** The table with some of it changed. */
function changed(change: (copy: typeof table) => void): string {
  const copy = structuredClone(table);
  change(copy);
  return JSON.stringify(copy);
}

// Two sources of one room without a header of their own, declared by base/all.h.
const pair: Files = {
  [`${SRC}/base/all.h`]: 'int ik_a(void);\nint ik_b(void);\n',
  [`${SRC}/base/a.c`]: '#include "all.h"\nint ik_a(void) {\n  return ik_b();\n}\n',
  [`${SRC}/base/b.c`]: '#include "all.h"\nint ik_b(void) {\n  return 0;\n}\n',
};
const b = (body: string) => `#include "all.h"\nint ik_b(void) {\n${body}\n}\n`;

const shape: Files = {
  'native/shape.h': '#pragma once\nclass Shape {\n public:\n  void Draw();\n  void Move();\n};\n',
  'native/shape.cc': '#include "shape.h"\nvoid Shape::Draw() {}\nvoid Shape::Move() {}\n',
  'native/pen.h': '#pragma once\nclass Pen {};\n',
  'native/pen.cc': '#include "pen.h"\n#include "shape.h"\n',
};

interface Offence {
  readonly what: string;
  /** The sound tree. */
  readonly with?: Files;
  /** What makes it unsound. */
  readonly but: Files;
  /** What the message has in it. */
  readonly says: readonly string[];
}

const offences: readonly Offence[] = [
  {
    what: 'a header of the operating system in a room that keeps to libc',
    but: { [`${SRC}/base/buf.c`]: '#include "buf.h"\n#include <sys/socket.h>\n' },
    says: [`${SRC}/base/buf.c:2`, '<sys/socket.h>'],
  },
  {
    what: 'a header of the operating system in a public header',
    but: { 'deps/iotkit/include/iotkit.h': '#include <time.h>\n' },
    says: ['deps/iotkit/include/iotkit.h:1', '<time.h>'],
  },
  {
    what: 'a room that includes what implements the contract',
    with: { [`${SRC}/port/posix/own.h`]: '' },
    but: { [`${SRC}/api/new.c`]: '#include "../port/posix/own.h"\n' },
    says: [`${SRC}/api/new.c:1`, 'api must not use port/posix'],
  },
  {
    what: 'an include of an upper room',
    with: { [`${SRC}/api/top.h`]: '' },
    but: { [`${SRC}/base/buf.h`]: '#include "api/top.h"\n' },
    says: [`${SRC}/base/buf.h:1`, 'base/buf → api/top', 'base must not use api', 'Help:'],
  },
  {
    what: 'a call of a public function that an upper room defines',
    with: { [`${SRC}/base/new.c`]: '#include "iotkit.h"\n' },
    but: { [`${SRC}/base/new.c`]: '#include "iotkit.h"\nvoid f(void) {\n  iotkit_go();\n}\n' },
    says: [`${SRC}/base/new.c:3`, 'uses iotkit_go', 'base must not use api'],
  },
  {
    what: 'a name of the contract that the room may not use',
    but: {
      [`${SRC}/api/top.c`]:
        '#include "../port/port.h"\nvoid iotkit_go(void) {\n  ik_file_open();\n}\n',
    },
    says: [`${SRC}/api/top.c:3`, 'ik_file_open', 'ik_clock…'],
  },
  {
    what: 'native that includes a header of src',
    but: { 'native/new.cc': '#include "../deps/iotkit/src/base/buf.h"\n' },
    says: ['native/new.cc:1', 'native must not use sdk'],
  },
  {
    what: 'native that declares and calls an inner function',
    with: { 'native/new.cc': 'extern "C" int ik_buf_new(void);\n' },
    but: {
      'native/new.cc': 'extern "C" int ik_buf_new(void);\nint f() {\n  return ik_buf_new();\n}\n',
    },
    says: ['native/new.cc:3', 'ik_buf_new'],
  },
  {
    what: 'native that includes uv.h',
    but: { 'native/new.cc': '#include <uv.h>\n' },
    says: ['native/new.cc:1', '<uv.h>'],
  },
  {
    what: 'a circle of headers',
    with: { [`${SRC}/base/other.h`]: '#include "buf.h"\n' },
    but: { [`${SRC}/base/buf.h`]: '#include "other.h"\n' },
    says: [`${SRC}/base/buf.h:1`, 'circle: base/buf → base/other → base/buf'],
  },
  {
    what: 'a circle by calls, without an include',
    with: pair,
    but: { [`${SRC}/base/b.c`]: b('  return ik_a();') },
    says: ['circle: base/a → base/b → base/a', `${SRC}/base/b.c:3`, 'uses ik_a'],
  },
  {
    what: 'a circle by a function that is handed over',
    with: pair,
    but: { [`${SRC}/base/b.c`]: b('  int (*f)(void) = ik_a;\n  return f();') },
    says: ['circle: base/a → base/b → base/a', `${SRC}/base/b.c:3`],
  },
  {
    what: 'a circle by a function in a table',
    with: pair,
    but: {
      [`${SRC}/base/b.c`]: `static int (*const all[])(void) = {ik_a};\n${b('  return all[0]();')}`,
    },
    says: ['circle: base/a → base/b → base/a', `${SRC}/base/b.c:1`],
  },
  {
    what: 'a circle by a macro of a header',
    with: { ...pair, [`${SRC}/base/b.h`]: '#define B 1\n' },
    but: { [`${SRC}/base/b.h`]: '#define B(x) \\\n  ik_a()\n' },
    says: ['circle: base/a → base/b → base/a', `${SRC}/base/b.h:2`],
  },
  {
    what: 'a circle by an object',
    with: { ...pair, [`${SRC}/base/a.c`]: `${pair[`${SRC}/base/a.c`]}const int ik_size = 1;\n` },
    but: { [`${SRC}/base/b.c`]: `extern const int ik_size;\n${b('  return ik_size;')}` },
    says: ['circle: base/a → base/b → base/a', 'uses ik_size'],
  },
  {
    what: 'a circle by units that no files make',
    with: {
      [`${SRC}/base/x.h`]: '',
      [`${SRC}/base/x.c`]: '#include "x.h"\n#include "y.h"\n',
      [`${SRC}/base/y.h`]: '',
      [`${SRC}/base/y.c`]: '#include "y.h"\n',
    },
    but: { [`${SRC}/base/y.c`]: '#include "y.h"\n#include "x.h"\n' },
    says: ['circle: base/x → base/y → base/x', `${SRC}/base/y.c:2`],
  },
  {
    what: "a method in another unit's .cc",
    with: shape,
    but: {
      'native/shape.cc': '#include "shape.h"\nvoid Shape::Draw() {}\n',
      'native/pen.cc':
        '#include "pen.h"\n#include "shape.h"\nnamespace {\nint n;\n}\nvoid Shape::Move() {}\n',
    },
    says: ['circle: pen → shape → pen', 'native/pen.cc:6', 'Shape::Move'],
  },
  {
    what: 'a circle in C++ by units',
    with: shape,
    but: { 'native/shape.cc': '#include "pen.h"\n#include "shape.h"\n' },
    says: ['native/shape.cc:1', 'circle:', 'pen', 'shape'],
  },
  {
    what: 'a circle in TypeScript',
    but: { 'lib/native.ts': "import type { connect } from './connect';\n" },
    says: ['lib/native.ts:1', 'circle: connect → native → connect'],
  },
  {
    what: 'an import of an upper room',
    but: { 'lib/types.ts': "export * from './top/top';\n" },
    says: ['lib/types.ts:1', 'lib must not use top'],
  },
  {
    what: 'an import of the index',
    but: { 'lib/top/top.ts': "import { connect } from '../index';\n" },
    says: ['lib/top/top.ts:1', 'nothing inside lib imports lib/index.ts'],
  },
  {
    what: 'a second file that loads the addon',
    but: { 'lib/top/top.ts': "const load = require('node-gyp-build');\n" },
    says: ['lib/top/top.ts:1', 'only lib/native.ts loads the addon'],
  },
  {
    what: 'an index that does more than re-export',
    but: { 'lib/index.ts': 'export const a = 1;\n' },
    says: ['lib/index.ts', 'only re-exports'],
  },
  {
    what: 'the platform importing the device side',
    but: { 'platform/src/a.ts': "import { connect } from 'iotkit-ota';\n" },
    says: ['platform/src/a.ts:1', 'platform must not import iotkit-ota'],
  },
  {
    what: 'the platform reaching into lib',
    but: { 'platform/src/a.ts': "import { connect } from '../../lib/connect';\n" },
    says: ['platform/src/a.ts:1', 'outside its folder'],
  },
  {
    what: 'a source in no room',
    but: { [`${SRC}/misc/a.c`]: '' },
    says: [`${SRC}/misc/a.c`, 'stands in no room of sdk'],
  },
  {
    what: 'a TypeScript file in no room',
    but: { 'lib/misc/a.ts': 'export const a = 1;\n' },
    says: ['lib/misc/a.ts', 'stands in no room of lib'],
  },
];

test.each(offences)('refuses $what', async ({ with: more = {}, but, says }) => {
  using checkout = await soundCheckout(more);
  expect(await checkout.run(LAYERS)).toEqual({
    code: 0,
    output: expect.stringContaining('nothing found') as string,
  });
  for (const [file, text] of Object.entries(but)) checkout.write(file, text);
  const { code, output } = await checkout.run(LAYERS);
  for (const words of says) expect(output).toContain(words);
  expect(code).toBe(1);
});

const refusedTables: readonly [what: string, table: string, says: string][] = [
  [
    'a room that uses an upper floor',
    changed(({ houses }) => Object.assign(houses.sdk.rooms.base ?? {}, { uses: ['port'] })),
    'room base of sdk (floor 1) uses port (floor 2)',
  ],
  [
    'a room that uses one of its own floor',
    changed(({ houses }) => Object.assign(houses.sdk.rooms.api ?? {}, { uses: ['port/posix'] })),
    'room api of sdk (floor 3) uses port/posix (floor 3)',
  ],
  [
    'a room that uses an unknown one',
    changed(({ houses }) => Object.assign(houses.sdk.rooms.api ?? {}, { uses: ['basement'] })),
    'uses basement, which is not in the table',
  ],
  [
    'a room without files',
    changed(({ houses }) => Object.assign(houses.sdk.rooms, { attic: { floor: 9, holds: 'x' } })),
    'room attic of sdk is listed, but no file stands in it',
  ],
  [
    'a room without a sentence',
    changed(({ houses }) => Object.assign(houses.sdk.rooms.api ?? {}, { holds: '' })),
    'room api of sdk has no sentence',
  ],
  [
    'headers that the table does not list',
    changed(({ houses }) => Object.assign(houses.sdk.rooms.api ?? {}, { headers: 'posix' })),
    'keeps to the headers "posix"',
  ],
  [
    'joined files without a reason',
    changed(({ houses }) => houses.sdk.units.push({ of: ['base/buf'], why: '' })),
    'does not say why',
  ],
  [
    'a joined file that is gone',
    changed(({ houses }) => houses.sdk.units.push({ of: ['base/buf', 'base/b'], why: 'one' })),
    'has no file base/b',
  ],
];

test.each(refusedTables)('refuses a table with %s', async (_what, text, says) => {
  using checkout = await soundCheckout({ [TABLE]: text });
  const { code, output } = await checkout.run(LAYERS);
  expect(output).toContain(says);
  expect(code).toBe(1);
});

const mutual: Files = { ...pair, [`${SRC}/base/b.c`]: b('  return ik_a();') };

test('a contract that a room below implements is an arrow to the contract', async () => {
  using checkout = await soundCheckout({
    // The call back by the contract closes no circle: posix/clock → port, posix/wait → port.
    [`${SRC}/port/posix/wait.c`]:
      '#include "../port.h"\nint ik_clock_wait(void) {\n  return ik_clock();\n}\n',
    [`${SRC}/port/posix/clock.c`]:
      '#include "../port.h"\nint ik_clock(void) {\n  return ik_clock_wait();\n}\n',
  });
  expect((await checkout.run(LAYERS)).code).toBe(0);
  // Defined by a room that does not implement it, the same name is an arrow like any other.
  checkout.write(`${SRC}/port/posix/clock.c`, '#include "../port.h"\n');
  checkout.write(`${SRC}/base/clock.c`, 'int ik_clock(void) {\n  return ik_clock_wait();\n}\n');
  const { code, output } = await checkout.run(LAYERS);
  expect(output).toContain('base/clock → port/port (uses ik_clock_wait');
  expect(code).toBe(1);
});

test('a class is an arrow to its header, by whichever header it is seen', async () => {
  using checkout = await soundCheckout({
    'native/low/shape.h': 'class Shape {\n public:\n  class Part {};\n};\n',
    'native/middle/canvas.h': '#include "../low/shape.h"\nclass Part;\n',
    'native/pen.cc': '#include "middle/canvas.h"\nvoid Draw() {\n  Part *part;\n}\n',
    [TABLE]: changed(({ houses }) => {
      const room = { holds: 'a part', headers: 'c++' };
      Object.assign(houses.native.rooms, {
        low: { floor: 1, ...room },
        middle: { floor: 2, uses: ['low'], ...room },
        native: { floor: 3, at: ['.'], uses: ['middle'], ...room },
      });
    }),
  });
  expect((await checkout.run(LAYERS)).output).toContain('nothing found');
  checkout.write('native/pen.cc', '#include "middle/canvas.h"\nvoid Draw() {\n  Shape it;\n}\n');
  const { code, output } = await checkout.run(LAYERS);
  expect(output).toContain('native/pen.cc:3: pen → low/shape (uses Shape');
  expect(output).toContain('native must not use low');
  expect(code).toBe(1);
});

test('a house may import what the table names of another, and nothing else', async () => {
  using checkout = await soundCheckout({
    'cli/main.ts': "import { connect } from '../lib/index';\n",
    [TABLE]: changed(({ houses }) =>
      Object.assign(houses, {
        cli: {
          folder: 'cli',
          language: 'ts',
          says: 'a program',
          mayImport: ['lib/index.ts'],
          rooms: { cli: { floor: 1, at: ['.'], holds: 'all of it' } },
        },
      }),
    ),
  });
  expect((await checkout.run(LAYERS)).output).toContain('nothing found');
  checkout.write('cli/main.ts', "import { connect } from '../lib/connect';\n");
  const { code, output } = await checkout.run(LAYERS);
  expect(output).toContain('cli/main.ts:1');
  expect(output).toContain('cli must not reach outside its folder');
  expect(code).toBe(1);
});

test('files that the table joins are one unit', async () => {
  using checkout = await soundCheckout(mutual);
  expect((await checkout.run(LAYERS)).code).toBe(1);
  const joined = changed(({ houses }) =>
    houses.sdk.units.push({ of: ['base/a', 'base/b'], why: 'one reader' }),
  );
  checkout.write(TABLE, joined);
  expect((await checkout.run(LAYERS)).code).toBe(0);
});

test('names of members, tags, locals, statics, strings and declarations are no arrows', async () => {
  using checkout = await soundCheckout({
    ...pair,
    [`${SRC}/base/b.c`]: `#include "all.h"
struct ik_a { int ik_a; };
int ik_a(void);
int ik_b(void) {
  struct ik_a it = {.ik_a = 1}, *other = &it;
  const char *text = "ik_a()"; /* ik_a() */
  (void)text;
  return it.ik_a + other->ik_a;
}
int ik_c(int ik_a) {
  return ik_a;
}
int ik_d(void) {
  const char *ik_a = 0, *end = ik_a;
  return end == ik_a;
}
`,
    [`${SRC}/base/c.c`]:
      'static int ik_a(void) {\n  return 1;\n}\nint ik_e(void) {\n  return ik_a();\n}\n',
  });
  expect((await checkout.run(LAYERS)).output).toContain('nothing found');
});

test('a circle of several units is shown by its shortest loop, and named whole', async () => {
  using checkout = await soundCheckout(mutual);
  checkout.write(`${SRC}/base/a.c`, '#include "buf.h"\nint ik_a(void) {\n  return ik_b();\n}\n');
  checkout.write(`${SRC}/base/buf.c`, 'int ik_buf_new(void) {\n  return ik_a();\n}\n');
  const { code, output } = await checkout.run(LAYERS);
  expect(output).toContain('circle: base/a → ');
  expect(output).toContain('all of it: base/a, base/b, base/buf');
  expect(code).toBe(1);
});

describe('ARCHITECTURE.md', () => {
  const page = 'ARCHITECTURE.md';
  const more = changed(({ houses }) =>
    Object.assign(houses.sdk.rooms.api ?? {}, { holds: 'more' }),
  );

  test('shows the table, and --write brings it up to date', async () => {
    using checkout = await soundCheckout();
    checkout.write(TABLE, more);
    const { code, output } = await checkout.run(LAYERS);
    expect(output).toContain(`${page}: shows another table of rooms`);
    expect(code).toBe(1);
    expect((await checkout.run(LAYERS, ['--write'])).code).toBe(0);
    expect((await checkout.run(LAYERS)).code).toBe(0);
    expect(checkout.read(page)).toMatch(
      /^Before\.\n\n<!-- rooms:[\s\S]*\| more \|[\s\S]*\nAfter\.\n$/,
    );
  });

  test('without a place for the table is refused', async () => {
    using checkout = await soundCheckout();
    checkout.write(page, 'Nothing.\n');
    const { code, output } = await checkout.run(LAYERS);
    expect(output).toContain(`${page}: has no place for the rooms`);
    expect(code).toBe(1);
  });
});

test('--arrows prints the arrows of a unit', async () => {
  using checkout = await soundCheckout();
  const { output } = await checkout.run(LAYERS, ['--arrows', 'api/top']);
  expect(output).toContain(`sdk:api/top → sdk:port/port  ${SRC}/api/top.c:3 uses ik_clock\n`);
});
