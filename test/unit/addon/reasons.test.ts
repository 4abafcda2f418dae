import { explain, type Search } from '../../../lib/addon/reasons';

// Reasons that a test cannot provoke everywhere, by the words of their systems; load.test.ts provokes the others.

const system = { platform: 'linux', arch: 'x64', libc: 'glibc', armVersion: undefined } as const;
const search: Search = {
  system,
  places: { told: undefined, folders: ['/app/node_modules/iotkit-ota'], files: [] },
  failures: [],
  installed: true,
  root: '/app/node_modules/iotkit-ota',
};

const after = (message: string, file = process.execPath, more: Partial<Search> = {}): string =>
  explain({ ...search, failures: [{ file, error: new Error(message) }], ...more });

test.each([
  ['/a/x.node: failed to map segment from shared object', 'mounted noexec?'],
  ['/a/x.node: cannot open shared object file: Permission denied', 'This user may not read it'],
  ['EACCES: permission denied, open', 'This user may not read it'],
  ['Requires ffi access to "/a/x.node", run again with the --allow-ffi flag', 'add --allow-ffi'],
  ['Error loading shared library ld-linux-x86-64.so.2: No such file', 'another C library'],
  ['/lib/libc.musl-x86_64.so.1: cannot open shared object file: No such file', 'another C library'],
  ["/lib/libc.so.6: version `GLIBC_2.39' not found (required by x.node)", 'It needs GLIBC_2.39'],
  ['something new', 'If it keeps failing, `npx iotkit-ota build` compiles one here'],
])('%s', (message, remedy) => {
  expect(after(message)).toContain(`: ${message}\n`);
  expect(after(message)).toContain(remedy);
});

test('macOS says it in words of its own', () => {
  const mac = { ...system, platform: 'darwin', arch: 'arm64', libc: undefined };
  const said =
    "dlopen(/a/x.node, 0x0001): '/a/x.node' (mach-o file, but is an incompatible architecture)";
  expect(after(said, '/a/x.node', { system: mac })).toContain('for another processor than arm64');
});

test('Windows has no port', () => {
  expect(explain({ ...search, system: { ...system, platform: 'win32' } })).toContain(
    'There is no port for Windows yet',
  );
});

test('each addon that was tried is told, with its own remedy', () => {
  const failures = [
    { file: process.execPath, error: new Error('failed to map segment from shared object') },
    { file: '/missing.node', error: 'thrown by hand\nsecond line' },
  ];
  expect(explain({ ...search, failures }).split('\n')).toEqual([
    expect.stringMatching(
      /^iotkit-ota has no addon that loads here: linux-x64 \(glibc\), Node\.js /,
    ),
    `- ${process.execPath}: failed to map segment from shared object`,
    expect.stringContaining('noexec'),
    '- /missing.node: thrown by hand',
    expect.stringContaining('missing, damaged'),
  ]);
});
