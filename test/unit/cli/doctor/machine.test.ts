import {
  checkLibc,
  checkNode,
  checkSystem,
  libcName,
  thisLibc,
  thisRuntime,
  thisSystem,
} from '../../../../lib/cli/doctor/machine';

const linux = { platform: 'linux', kernel: '6.1', armVersion: undefined };

test.each([
  [{ ...linux, arch: 'x64' }, 'ok'],
  [{ ...linux, arch: 'arm64' }, 'ok'],
  [{ ...linux, arch: 'arm', armVersion: '7' }, 'ok'],
  [{ ...linux, arch: 'arm', armVersion: '6' }, 'warn'],
  [{ ...linux, arch: 'riscv64' }, 'warn'],
  [{ ...linux, platform: 'darwin', arch: 'arm64' }, 'ok'],
  [{ ...linux, platform: 'win32', arch: 'x64' }, 'fail'],
  [{ ...linux, platform: 'freebsd', arch: 'x64' }, 'fail'],
])('the system %j: %s', (system, status) => {
  expect(checkSystem(system)).toMatchObject({ status, facts: { arch: system.arch } });
});

test.each([
  ['/lib64/ld-linux-x86-64.so.2', '2.36', 'ok', 'glibc'],
  ['/lib/ld-linux-aarch64.so.1', '2.31', 'ok', 'glibc'],
  ['/lib/ld-linux-armhf.so.3', undefined, 'ok', 'glibc'],
  ['/lib64/ld-linux-x86-64.so.2', '2.12', 'warn', 'glibc'],
  ['/lib/ld-musl-x86_64.so.1', undefined, 'ok', 'musl'],
  [undefined, '2.36', 'ok', 'glibc'],
  [undefined, undefined, 'warn', null],
])('a program with the loader %s and glibc %s: %s', (interpreter, glibc, status, name) => {
  expect(checkLibc({ platform: 'linux', interpreter, glibc })).toMatchObject({
    status,
    facts: { name, version: glibc ?? null },
  });
});

test('on macOS there is nothing to tell', () => {
  const libc = { platform: 'darwin', interpreter: undefined, glibc: undefined };
  expect(checkLibc(libc)).toMatchObject({ status: 'ok', facts: { name: null } });
});

test.each([
  [{ versions: { node: '20.1.0', napi: '9' }, flags: [] }, 'ok', 'node'],
  [{ versions: { node: '18.20.0', napi: '9' }, flags: [] }, 'fail', 'node'],
  [{ versions: { node: '22.0.0' }, flags: [] }, 'fail', 'node'],
  [{ versions: { node: '24.0.0', napi: '10', bun: '1.4.0' }, flags: [] }, 'ok', 'bun'],
  [{ versions: { node: '24.0.0', napi: '10' }, flags: ['--no-addons'] }, 'fail', 'node'],
])('the runtime %j: %s', (runtime, status, name) => {
  expect(checkNode({ execPath: '/usr/bin/node', ...runtime })).toMatchObject({
    status,
    facts: { runtime: name },
  });
});

test('this machine runs the tests, so nothing fails', () => {
  const findings = [checkSystem(thisSystem()), checkLibc(thisLibc()), checkNode(thisRuntime())];
  expect(findings.filter(({ status }) => status === 'fail')).toEqual([]);
  if (process.platform === 'linux') expect(libcName(thisLibc())).toBeDefined();
});
