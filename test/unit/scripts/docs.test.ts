// The pages made of the sources: written by `npm run docs`, and refused by its check when they are stale.
import { Checkout } from './checkout';

const CONFIG = 'scripts/api-docs/typedoc.json';
const table = '#define IOTKIT_ERROR_MAP(X) \\\n  X(AWAY, -1, 1, "nobody is there")\n';
const next = '/** Adds one. */\nexport const next = (n: number): number => n + 1;\n';

/** A repository with little to document. */
const files = {
  'deps/iotkit/include/iotkit_errors.h': table,
  'lib/index.ts': next,
  'lib/install/index.ts': '/** Installs. */\nexport const installs = 1;\n',
  'lib/sdk/index.ts':
    '/** Colours. */\nexport const Color = {\n  /** As blood. */\n  RED: 1,\n} as const;\n' +
    'export const { RED } = Color;\n',
  'lib/testing/index.ts': '/** For tests. */\nexport const fake = 1;\n',
  'examples/ts/a.ts': 'export const a = `$1`;\n',
  'docs/cookbook.md':
    '# Cookbook\n\n[`examples/ts/a.ts`](../examples/ts/a.ts):\n\n```ts\nold\n```\n',
};

let checkout: Checkout;

beforeAll(async () => {
  checkout = new Checkout(files);
  for (const file of ['package.json', 'package-lock.json', 'tsconfig.json', 'tsconfig.base.json']) {
    checkout.copy(file);
  }
  checkout.linkNodeModules();
  // These are of the real sources, and TypeDoc wants each to be needed.
  const config = JSON.parse(checkout.read(CONFIG));
  checkout.write(CONFIG, JSON.stringify({ ...config, intentionallyNotExported: [] }));
  const written = await checkout.run('docs.mjs');
  expect(written).toEqual({ code: 0, output: '7 pages, 7 written, 0 removed\n' });
});

afterEach(() => {
  for (const [file, text] of Object.entries(files)) {
    if (file !== 'docs/cookbook.md') checkout.write(file, text);
  }
});

afterAll(() => checkout[Symbol.dispose]());

test('the pages say what the sources say, and are not made again', async () => {
  expect(checkout.read('docs/cookbook.md')).toContain('```ts\nexport const a = `$1`;\n```\n');
  expect(checkout.read('docs/api/index.md')).toMatch(/^# iotkit-ota\n.*Adds one\./s);
  expect(checkout.read('docs/api/errors.md')).toContain(
    '| `ERR_AWAY` | -1 | yes | nobody is there |',
  );
  const sdk = checkout.read('docs/api/sdk.md');
  expect(sdk).toContain('As blood.');
  expect(sdk.match(/`RED`/g)).toHaveLength(1);
  expect(sdk).not.toContain(checkout.root);
  const again = await checkout.run('docs.mjs', ['--check']);
  expect(again).toEqual({ code: 0, output: 'docs: nothing has changed\n' });
});

test('stale pages are refused by name', async () => {
  checkout.write('lib/index.ts', next.replace('one', 'two'));
  checkout.write('examples/ts/a.ts', 'export const a = 2;\n');
  checkout.write('docs/api/gone.md', '# Gone\n');
  const { code, output } = await checkout.run('docs.mjs', ['--check']);
  expect(output.match(/docs\/\S+\.md/g)).toEqual([
    'docs/cookbook.md',
    'docs/api/index.md',
    'docs/api/gone.md',
  ]);
  expect(code).toBe(1);
});

test.each([
  {
    what: 'an export without a comment',
    text: 'export const bare = 1;\n',
    says: /bare .* does not have any documentation/,
  },
  {
    what: 'a link to nothing',
    text: '/** As {@link Nothing}. */\nexport const bare = 1;\n',
    says: /Failed to resolve link to "Nothing"/,
  },
])('$what is refused', async ({ text, says }) => {
  checkout.write('lib/index.ts', text);
  const { code, output } = await checkout.run('docs.mjs', ['--check']);
  expect(output).toMatch(says);
  expect(code).toBe(1);
});
