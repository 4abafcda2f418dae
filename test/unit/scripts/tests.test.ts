// scripts/check/tests.mjs: a source whose test a reader would not find is refused.
import { Checkout } from './checkout';
import { sound } from './sound';

const SRC = 'deps/iotkit/src';
const C = 'deps/iotkit/test';

const tested: Readonly<Record<string, string>> = {
  ...sound,
  [`${C}/base/test_buf.c`]: '',
  [`${C}/api/test_top_faults.c`]: '',
  [`${C}/port/posix/test_clock.c`]: '',
  'test/lifecycle/exit.test.ts': '',
  'test/unit/connect.test.ts': '',
  'test/unit/native.test.ts': '',
  'test/unit/top/top.test.ts': '',
  'platform/test/clock.test.ts': '',
};

const check = async (files: Readonly<Record<string, string>>) => {
  using checkout = new Checkout({ ...tested, ...files });
  return await checkout.run('check/tests.mjs');
};

test('finds nothing where each source has its test', async () => {
  expect(await check({})).toEqual({
    code: 0,
    output: expect.stringContaining('nothing found') as string,
  });
});

// What is said, and what the same source needs to pass.
const untested: readonly [
  what: string,
  file: string,
  text: string,
  help: string,
  mended: Readonly<Record<string, string>>,
][] = [
  [
    'a C source',
    `${SRC}/base/new.c`,
    'int ik_new(void);\n',
    `write ${C}/base/test_new.c`,
    { [`${C}/base/test_new.c`]: '' },
  ],
  [
    'a C source in a folder of a folder',
    `${SRC}/port/posix/new.c`,
    '',
    `write ${C}/port/posix/test_new.c`,
    { [`${C}/port/posix/test_new_faults.c`]: '' },
  ],
  [
    'a file of lib',
    'lib/top/new.ts',
    'export const a = 1;\n',
    'write test/unit/top/new.test.ts',
    { 'test/unit/top/new.test.ts': '' },
  ],
  [
    'a file of the platform',
    'platform/src/new.ts',
    'export function a(): void {}\n',
    'write platform/test/new.test.ts',
    { 'platform/test/new.test.ts': '' },
  ],
  [
    'a source that names a test that is gone',
    `${SRC}/base/new.c`,
    `// Tested by ${C}/base/test_gone.c.\n`,
    `is tested by ${C}/base/test_gone.c, which is no file`,
    { [`${SRC}/base/new.c`]: `// Tested by ${C}/base/test_buf.c.\n` },
  ],
  [
    'a program',
    'lib/new.ts',
    '#!/usr/bin/env node\nrun();\n',
    'write test/unit/new.test.ts',
    { 'lib/new.ts': '#!/usr/bin/env node\n// Tested by test/lifecycle/exit.test.ts\nrun();\n' },
  ],
  [
    'a source that names a folder',
    'lib/new.ts',
    '// Tested by test/lifecycle\n',
    'is tested by test/lifecycle, which is no file',
    { 'lib/new.ts': '// Opens it. Tested by test/lifecycle/exit.test.ts\nopen();\n' },
  ],
  [
    'a source that names tests by a pattern',
    'lib/new.ts',
    '// Tested by test/lifecycle/*.test.ts\n',
    'is tested by test/lifecycle/*.test.ts, which is no file',
    { 'lib/new.ts': '// Tested by test/lifecycle/exit.test.ts\nopen();\n' },
  ],
  [
    'a source that names its test further down',
    `${SRC}/base/new.c`,
    `/*\n * new.c - bytes.\n * Tested by ${C}/base/test_buf.c\n */\n`,
    'has no test of its own',
    { [`${SRC}/base/new.c`]: `/*\n * new.c - bytes. Tested by ${C}/base/test_buf.c\n */\n` },
  ],
];

test.each(untested)('refuses %s', async (_what, file, text, help, mended) => {
  const { code, output } = await check({ [file]: text });
  expect(output).toContain(`${file}: `);
  expect(output).toContain(help);
  expect(code).toBe(1);
  expect((await check({ [file]: text, ...mended })).code).toBe(0);
});

test('the test of a longer name is not the test of the shorter one', async () => {
  const { code, output } = await check({
    [`${SRC}/base/map.c`]: '',
    [`${SRC}/base/map_text.c`]: '',
    [`${C}/base/test_map_text.c`]: '',
    [`${C}/base/test_map_text_faults.c`]: '',
  });
  expect(output).toContain(`${SRC}/base/map.c: has no test`);
  expect(output).not.toContain(`${SRC}/base/map_text.c:`);
  expect(code).toBe(1);
});

test('headers, types and re-exports need none', async () => {
  const types = `import type { Options } from './types';
declare const brand: unique symbol;

/**
 * const a = 1;
 */
export type Text = {
  readonly text: 'const a';
};
type Other =
  | 'a'
  | 'b';
export interface Both extends Options {
  other: Other;
}
export type { Options } from './types';
`;
  const { code } = await check({
    [`${SRC}/base/only.h`]: '',
    'lib/text.ts': types,
    'lib/top/index.ts': "export {\n  connect,\n} from '../connect';\nexport * from './top';\n",
  });
  expect(code).toBe(0);
});

test('the folders that stand for the tests of a house have to exist', async () => {
  const { 'test/lifecycle/exit.test.ts': _gone, ...rest } = tested;
  using checkout = new Checkout(rest);
  const { code, output } = await checkout.run('check/tests.mjs');
  expect(output).toContain('the tests of native are not in test/lifecycle');
  expect(code).toBe(1);
});
