// Each rule of `npm run check` bites: a checkout with one offence is refused, naming the file.
import { execFileSync } from 'node:child_process';
import { Checkout } from './checkout';
import { sound, sources } from './sound';

const checks = ['sources', 'banned', 'hygiene', 'scripts'];

test.each(checks)('%s finds nothing in a sound tree', async (check) => {
  using checkout = new Checkout(sound);
  const { code, output } = await checkout.run(`check/${check}.mjs`);
  expect(output).toContain('nothing found');
  expect(code).toBe(0);
});

const offences: readonly [check: string, what: string, file: string, text: string][] = [
  ['sources', 'a source that is not listed', 'deps/iotkit/src/base/new.c', ''],
  [
    'sources',
    'a listed source that is not there',
    'sources.json',
    JSON.stringify(sources).replace('buf.c', 'gone.c'),
  ],
  ['sources', 'a source outside every room', 'deps/iotkit/src/misc/a.c', ''],
  ['banned', 'sprintf', 'native/a.cc', 'void f(char *b) { std::sprintf(b, "x"); }\n'],
  ['banned', 'atoi', 'deps/iotkit/test/test_a.c', 'int n = atoi (text);\n'],
  ['banned', 'the clock in a room without one', 'deps/iotkit/src/base/a.c', 'long t = time(0);\n'],
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
    [file]: text,
  });
  const { code, output } = await checkout.run(`check/${check}.mjs`);
  expect(output).toContain(file === 'sources.json' ? 'gone.c' : file);
  expect(code).toBe(1);
});

test.each(['pre', 'post'])('scripts refuses one that npm runs with another: %s…', async (when) => {
  const manifest = (name: string) =>
    JSON.stringify({ scripts: { build: 'a', prepare: 'b', [name]: 'c' } });
  using checkout = new Checkout({ ...sound, 'platform/package.json': manifest('release') });
  expect((await checkout.run('check/scripts.mjs')).code).toBe(0);
  checkout.write('platform/package.json', manifest(`${when}build`));
  const { code, output } = await checkout.run('check/scripts.mjs');
  expect(output).toContain(`platform/package.json: npm runs ${when}build `);
  expect(code).toBe(1);
});

test('hygiene refuses a tracked file that is ignored', async () => {
  using checkout = new Checkout({ ...sound, 'lib/a.ts': '' });
  execFileSync('git', ['add', 'lib/a.ts'], { cwd: checkout.root });
  expect((await checkout.run('check/hygiene.mjs')).code).toBe(0);
  checkout.write('.gitignore', 'lib/\n');
  const { code, output } = await checkout.run('check/hygiene.mjs');
  expect(output).toContain('lib/a.ts: tracked, but .gitignore names it');
  expect(code).toBe(1);
});

test('sources --write lists what stands there', async () => {
  using checkout = new Checkout({
    ...sound,
    'deps/iotkit/src/api/new.c': '',
    'sources.json': '{}',
  });
  expect((await checkout.run('check/sources.mjs')).code).toBe(1);
  expect((await checkout.run('check/sources.mjs', ['--write'])).code).toBe(0);
  expect((await checkout.run('check/sources.mjs')).code).toBe(0);
});
