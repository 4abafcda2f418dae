import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { currentSystem, glibcVersion, libcOf, nameOf } from '../../../lib/addon/system';
import { runWell } from '../../support/process';

const folder = mkdtempSync(path.join(tmpdir(), 'iotkit-system-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('of this process', () => {
  const { platform, arch } = process;
  expect(currentSystem()).toMatchObject({ platform, arch, libc: 'glibc' });
  expect(glibcVersion()).toMatch(/^2\.\d+$/);
});

test.each([
  ['/lib/ld-musl-x86_64.so.1', 'musl'],
  ['/lib/ld-musl-armhf.so.1', 'musl'],
  ['/lib64/ld-linux-x86-64.so.2', 'glibc'],
  ['/nix/store/1-glibc-2.40/lib/ld-linux-aarch64.so.1', 'glibc'],
])('a program with the loader %s runs with %s, whatever the distribution', async (loader, libc) => {
  const source = path.join(folder, 'main.c');
  writeFileSync(source, 'int main(void) { return 0; }');
  const program = path.join(folder, 'program');
  await runWell('cc', [source, '-o', program, `-Wl,--dynamic-linker=${loader}`]);
  expect(libcOf(program)).toBe(libc);
});

test('an executable that cannot be read: this process knows by itself', () => {
  expect(libcOf(path.join(folder, 'missing'))).toBe('glibc');
  const report = jest.spyOn(process.report, 'getReport');
  report.mockReturnValue({ header: {} } as never);
  expect(libcOf(path.join(folder, 'missing'))).toBe('musl');
  report.mockImplementation(() => {
    throw new Error('not allowed');
  });
  expect(libcOf(path.join(folder, 'missing'))).toBe('glibc');
  report.mockRestore();
});

test('names', () => {
  const system = { platform: 'linux', arch: 'arm', libc: 'musl', armVersion: '7' } as const;
  expect(nameOf(system)).toBe('linux-arm (musl)');
  expect(nameOf({ platform: 'darwin', arch: 'arm64', libc: undefined, armVersion: '8' })).toBe(
    'darwin-arm64',
  );
});
