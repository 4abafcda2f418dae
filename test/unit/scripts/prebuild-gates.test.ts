// Each gate of a release bites: an addon with one fault is refused by name, and nothing is packed without all of them.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { Checkout } from './checkout';
import { armObject, macObject } from './objects';

const folder = `linux-${process.arch}`;
const addon = `prebuilds/${folder}/iotkit-ota.glibc.node`;

const sound = `
  void *napi_get_undefined(void *);
  void *napi_register_module_v1(void *env, void *exports) { napi_get_undefined(env); return exports; }
  int node_api_module_get_api_version_v1(void) { return 8; }
`;
const hidden = '__attribute__((visibility("hidden")))';
const flags = ['-Wl,-z,now', '-Wl,-z,nodelete', '-nostartfiles'];

/** A checkout of which one addon is there: this source, compiled here. */
function checkoutWith(source: string, options: readonly string[], file = addon): Checkout {
  const checkout = new Checkout();
  checkout.copy('package.json');
  checkout.copy('package-lock.json');
  checkout.write('a.c', source);
  mkdirSync(path.dirname(checkout.at(file)), { recursive: true });
  const args = ['-shared', '-fPIC', '-o', checkout.at(file), checkout.at('a.c'), ...options];
  execFileSync('cc', args, { stdio: 'pipe' });
  return checkout;
}

const offences: readonly [
  what: string,
  says: string,
  source: string,
  options?: readonly string[],
][] = [
  [
    'a newer glibc',
    'and GLIBC_2.17 is promised',
    `${sound} ${hidden} int x(void) { extern int getrandom(); return getrandom(); }`,
  ],
  ['another export', 'exports other,', `${sound} int other(void) { return 1; }`],
  [
    'no entry',
    'does not export napi_register_module_v1',
    sound.replaceAll('napi_register_module_v1', 'something_else'),
  ],
  [
    'a name that nobody has',
    'needs nowhere,',
    `${sound} void nowhere(void); ${hidden} void x(void) { nowhere(); }`,
  ],
  [
    'too many bytes',
    'at most',
    `${sound} static volatile char big[1000000] = {1};
       ${hidden} int x(void) { return big[2]; }`,
  ],
  ['an end by dlclose()', 'not linked with -z now and -z nodelete', sound, ['-nostartfiles']],
];

const onLinux = process.platform === 'linux' ? describe : describe.skip;

onLinux('an addon of Linux', () => {
  test('that is sound is not complained of', async () => {
    using checkout = checkoutWith(sound, flags);
    const { output } = await checkout.run('prepack.mjs');
    expect(output).not.toContain(addon);
  });

  test.each(offences)('with %s is refused', async (_what, says, source, options = flags) => {
    using checkout = checkoutWith(source, options);
    const { code, output } = await checkout.run('prepack.mjs');
    expect(output).toContain(`${addon} `);
    expect(output).toContain(says);
    expect(code).toBe(1);
  });

  test('that needs another library is refused', async () => {
    using checkout = checkoutWith(sound, [...flags, '-Wl,--no-as-needed', '-l:libgcc_s.so.1']);
    expect((await checkout.run('prepack.mjs')).output).toContain('needs the library libgcc_s.so.1');
  });

  test('for another processor is refused', async () => {
    const other = process.arch === 'x64' ? 'linux-arm64' : 'linux-x64';
    using checkout = checkoutWith(sound, flags, `prebuilds/${other}/iotkit-ota.glibc.node`);
    expect((await checkout.run('prepack.mjs')).output).toContain(`, not for ${other}`);
  });

  test('that asks musl for a version of a name is refused', async () => {
    const file = `prebuilds/${folder}/iotkit-ota.musl.node`;
    const source = `${sound} int puts(const char *); ${hidden} void x(void) { puts(""); }`;
    using checkout = checkoutWith(source, flags, file);
    expect((await checkout.run('prepack.mjs')).output).toMatch(/needs GLIBC_[\d.]+, and musl/);
  });

  test('that nobody listed is refused', async () => {
    const file = `prebuilds/${folder}/iotkit-ota.node`;
    using checkout = checkoutWith(sound, flags, file);
    expect((await checkout.run('prepack.mjs')).output).toContain(
      `${file} is no addon of a release`,
    );
  });
});

/** What packing says with this file in the place of an addon. */
async function refusal(file: string, bytes: Buffer): Promise<string> {
  using checkout = new Checkout();
  mkdirSync(path.dirname(checkout.at(file)), { recursive: true });
  writeFileSync(checkout.at(file), bytes);
  const { output } = await checkout.run('prepack.mjs');
  return output
    .split('\n')
    .filter((line) => line.includes(file))
    .join('\n');
}

test('an addon of ARMv7 may not need NEON', async () => {
  const file = 'prebuilds/linux-arm/iotkit-ota.armv7.glibc.node';
  expect(await refusal(file, armObject({ neon: 0 }))).toBe('');
  expect(await refusal(file, armObject({ neon: 1 }))).toBe(`  ${file} needs NEON`);
});

test('an addon of macOS exports two names and wants only those of Node-API', async () => {
  const file = 'prebuilds/darwin-arm64/iotkit-ota.node';
  expect(await refusal(file, macObject({ wanted: ['napi_wrap'] }))).toBe('');
  const more = await refusal(file, macObject({ exported: ['other'], wanted: ['epoll_wait'] }));
  expect(more).toContain(`${file} exports other,`);
  expect(more).toContain(`${file} needs epoll_wait, which macOS does not have`);
});

test('an addon that is missing is named', async () => {
  using checkout = new Checkout();
  const { code, output } = await checkout.run('prepack.mjs');
  for (const target of ['linux-arm/iotkit-ota.armv7.glibc.node', 'darwin-arm64/iotkit-ota.node'])
    expect(output).toContain(`prebuilds/${target} is missing`);
  expect(code).toBe(1);
});

test('npm packs nothing in a fresh clone', () => {
  using checkout = new Checkout();
  checkout.copy('package.json');
  const pack = () => execFileSync('npm', ['pack'], { cwd: checkout.root, stdio: 'pipe' });
  expect(pack).toThrow(/is missing/);
  expect(readdirSync(checkout.root).filter((name) => name.endsWith('.tgz'))).toEqual([]);
});
