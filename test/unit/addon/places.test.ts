import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { placesOf, variable } from '../../../lib/addon/places';
import type { System } from '../../../lib/addon/system';

const folder = mkdtempSync(path.join(tmpdir(), 'iotkit-places-'));
beforeEach(() => write('package.json', '{ "name": "iotkit-ota" }'));
afterEach(() => {
  delete process.env[variable];
  rmSync(folder, { recursive: true, force: true });
});

function write(name: string, text = ''): void {
  const file = path.join(folder, name);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, text);
}

const x64: System = { platform: 'linux', arch: 'x64', libc: 'glibc', armVersion: undefined };
const arm: System = { platform: 'linux', arch: 'arm', libc: 'glibc', armVersion: '7' };

/** What is found for a system among these files, relative to the package. */
function found(system: System, ...files: string[]): string[] {
  for (const file of files) write(file);
  return placesOf(system, folder).files.map((file) => path.relative(folder, file));
}

test('the libc of the tag has to be the one of the process; a file without a tag is for both', () => {
  const [both, glibc, musl] = ['', '.glibc', '.musl'].map(
    (tag) => `prebuilds/linux-x64/iotkit-ota${tag}.node`,
  ) as [string, string, string];
  expect(found(x64, both, glibc, musl)).toEqual([glibc, both]);
  expect(found({ ...x64, libc: 'musl' })).toEqual([musl, both]);
});

test('what was built for an older ARM runs on a newer one, never the other way', () => {
  const names = ['armv6', 'armv7', 'armv8'].map(
    (tag) => `prebuilds/linux-arm/iotkit-ota.${tag}.glibc.node`,
  );
  expect(found(arm, ...names)).toEqual([names[1], names[0]]);
  expect(found({ ...arm, armVersion: '6' })).toEqual([names[0]]);
});

test('several processors in one file, after one of its own', () => {
  const mac: System = { platform: 'darwin', arch: 'arm64', libc: undefined, armVersion: '8' };
  const both = 'prebuilds/darwin-x64+arm64/iotkit-ota.node';
  const own = 'prebuilds/darwin-arm64/iotkit-ota.node';
  expect(found(mac, both, own, 'prebuilds/darwin-x64/iotkit-ota.node')).toEqual([own, both]);
});

test('what was compiled here goes first, a release before a debug build', () => {
  const built = ['build/Release', 'build/Debug', 'build'].map((at) => `${at}/iotkit_ota.node`);
  const files = [...built, 'prebuilds/linux-x64/iotkit-ota.node'];
  expect(found(x64, ...files)).toEqual(files);
});

test('other files, and folders of other systems, are nothing', () => {
  expect(
    found(
      x64,
      'prebuilds/linux-x64/README.md',
      'prebuilds/linux-arm64/iotkit-ota.node',
      'prebuilds/linux/iotkit-ota.node',
      'prebuilds/SHA256SUMS',
      'build/Release/other.node',
    ),
  ).toEqual([]);
});

test('a folder that is not the package is not looked into, but the one of the executable is', () => {
  write('package.json', '{ "name": "a-program" }');
  write('build/Release/iotkit_ota.node');
  const { folders, files } = placesOf(x64, folder);
  expect(folders).not.toContain(folder);
  expect(folders.at(-1)).toBe(path.dirname(process.execPath));
  expect(files.filter((file) => file.startsWith(folder))).toEqual([]);
});

test('the environment names a file, which does not have to be there, or a folder', () => {
  write('build/Release/iotkit_ota.node');
  write('else/prebuilds/linux-x64/iotkit-ota.node');
  process.env[variable] = path.join(folder, 'missing.node');
  expect(placesOf(x64, folder).files).toEqual([path.join(folder, 'missing.node')]);
  process.env[variable] = path.join(folder, 'else');
  expect(found(x64)).toEqual(['else/prebuilds/linux-x64/iotkit-ota.node']);
  process.env[variable] = '';
  expect(found(x64)).toEqual(['build/Release/iotkit_ota.node']);
});
