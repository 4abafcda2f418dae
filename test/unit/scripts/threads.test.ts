// scripts/check/threads.mjs: what a public header opens to any thread is tried by a program of several threads.
import { Checkout } from './checkout';

const HEADER = 'deps/iotkit/include/iotkit_core.h';
const OTHER = 'deps/iotkit/include/iot_export.h';
const PROGRAM = 'deps/iotkit/test/core/test_core_threads.c';

const header = `
/** Any thread. */
IOTKIT_API int iotkit_a(void);
/**
 * One sink for the process; set it before other
 * threads run.
 */
IOTKIT_API void iotkit_log_set(int level,
                               void (*sink)(int level));
`;
const other = `
/** Set it before other threads run. */
DLL_IOT_API void IOT_SetLogLevel(int level);
`;
const tried = {
  [HEADER]: header,
  [OTHER]: other,
  [PROGRAM]: '/* iotkit_b() */\nint main(void) { return iotkit_a(); }\n',
};

const check = async (files: Readonly<Record<string, string>>) => {
  using checkout = new Checkout({ ...tried, ...files });
  return await checkout.run('check/threads.mjs');
};

test('finds nothing where every function is tried, or said to be kept to one thread', async () => {
  expect(await check({})).toEqual({
    code: 0,
    output: expect.stringContaining('nothing found') as string,
  });
});

test.each([
  [
    'a function that nothing calls',
    { [HEADER]: `${header}IOTKIT_API void *iotkit_b(int a);\n` },
    'iotkit_b',
  ],
  [
    'a call in a test of one thread',
    { [PROGRAM]: '', 'deps/iotkit/test/core/test_core.c': 'iotkit_a()' },
    'iotkit_a',
  ],
  [
    'a kept function whose comment is silent',
    { [OTHER]: other.replace('before', 'after') },
    'IOT_SetLogLevel',
  ],
  ['a kept function that is gone', { [OTHER]: '' }, 'IOT_SetLogLevel'],
])('refuses %s', async (_what, files, name) => {
  const { code, output } = await check(files);
  expect(output).toContain(name);
  expect(code).toBe(1);
});
