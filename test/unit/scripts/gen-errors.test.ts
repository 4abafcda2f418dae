import { readFileSync } from 'node:fs';
import { Checkout } from './checkout';

const header = 'deps/iotkit/include/iotkit_errors.h';
const table = (rows: string) => `#define IOTKIT_ERROR_MAP(X) \\\n${rows}\nenum e { A };\n`;

test('makes codes, numbers and sentences of the table', async () => {
  using checkout = new Checkout({
    [header]: table(
      '  /* use */ \\\n  X(CLOSED, -1004, 0, "it is \\"closed\\"") \\\n  X(BUSY,-1005, 1, "an" \\\n "other")',
    ),
  });
  expect(await checkout.run('build/gen-errors.mjs')).toMatchObject({ code: 0 });
  const text = readFileSync(checkout.at('lib/generated/error-codes.ts'), 'utf8');
  expect(text).toContain(
    String.raw`ERR_CLOSED: { errno: -1004, retryable: false, sentence: "it is \"closed\"" }`,
  );
  expect(text).toContain('ERR_BUSY: { errno: -1005, retryable: true, sentence: "another" }');
});

test.each([
  ['an empty table', ''],
  ['a row of another shape', '  X(CLOSED, -1004, "closed")'],
  ['a code twice', '  X(A, -1, 0, "a") \\\n  X(A, -2, 0, "b")'],
  ['a number twice', '  X(A, -1, 0, "a") \\\n  X(B, -1, 0, "b")'],
])('refuses %s', async (_what, rows) => {
  using checkout = new Checkout({ [header]: table(rows) });
  const { code, output } = await checkout.run('build/gen-errors.mjs');
  expect(output).toContain(header);
  expect(code).not.toBe(0);
});
