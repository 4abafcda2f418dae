import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Binding } from '../../../../lib/addon/binding';
import {
  addonsIn,
  checkAddon,
  checkTls,
  loadAddon,
  packageVersion,
} from '../../../../lib/cli/doctor/addon';

const binding = (source: string | null): Binding =>
  ({ version: '1.2.3', tlsSource: () => source }) as unknown as Binding;
const file = { path: '/a/iotkit-ota.node', glibc: '2.17' };

test('an addon that loads is named with what it needs', () => {
  expect(checkAddon({ binding: binding('process'), file }, '1.2.3')).toEqual({
    status: 'ok',
    summary: '1.2.3, needs glibc 2.17, /a/iotkit-ota.node',
    remedy: undefined,
    facts: { path: '/a/iotkit-ota.node', version: '1.2.3', glibc: '2.17' },
  });
});

test('an addon of another version is a warning', () => {
  const finding = checkAddon({ binding: binding('process'), file: undefined }, '1.3.0');
  expect(finding).toMatchObject({ status: 'warn', facts: { path: null, version: '1.2.3' } });
});

// As on Debian 11 with an addon of Debian 12.
test('why none loads: the reason of the system, what there is, and what to do', () => {
  const system = "libc.so.6: version `GLIBC_2.34' not found (required by iotkit-ota.node)";
  const error = new Error('no addon loads: compile it', {
    cause: new AggregateError([new Error(system)], 'tried one'),
  });
  const candidates = [{ path: 'prebuilds/linux-x64/iotkit-ota.node', glibc: '2.34' }];
  const finding = checkAddon({ error, candidates }, '1.2.3');
  expect(finding).toMatchObject({
    status: 'fail',
    remedy: 'no addon loads: compile it',
    facts: { reasons: ['no addon loads: compile it', 'tried one', system], candidates },
  });
  expect(finding.summary).toContain(system);
  expect(finding.summary).toContain('prebuilds/linux-x64/iotkit-ota.node (glibc 2.34)');
});

test('a circle of causes ends', () => {
  const error = new Error('round');
  error.cause = error;
  expect(checkAddon({ error, candidates: [] }, '1.2.3').summary).toContain('no addon for');
});

test('addons for this processor are found in a package', () => {
  const root = mkdtempSync(path.join(tmpdir(), 'iotkit-ota-test-'));
  try {
    const own = `prebuilds/${process.platform}-${process.arch}`;
    const files = [`${own}/iotkit-ota.musl.node`, 'build/Release/iotkit_ota.node'];
    for (const name of [...files, 'prebuilds/other-cpu/iotkit-ota.node', `${own}/notes.txt`]) {
      mkdirSync(path.dirname(path.join(root, name)), { recursive: true });
      writeFileSync(path.join(root, name), 'no ELF file');
    }
    expect(addonsIn(root)).toEqual(files.map((name) => ({ path: name, glibc: undefined })));
  } finally {
    rmSync(root, { recursive: true });
  }
});

test.each([
  ['process', 'ok', '3.0.19', 'OpenSSL 3.0.19 in the process'],
  ['libssl.so.3', 'ok', null, 'OpenSSL: libssl.so.3 of the system'],
  [null, 'fail', null, 'no OpenSSL was found, neither in the process nor on the system'],
])('OpenSSL of %s: %s', (source, status, version, summary) => {
  const finding = checkTls({ binding: binding(source), file }, '3.0.19');
  expect(finding).toMatchObject({ status, summary, facts: { source, version } });
});

test('without an addon nobody looks for OpenSSL', () => {
  const finding = checkTls({ error: new Error('none'), candidates: [] }, '3.0.19');
  expect(finding.status).toBe('skip');
});

test('the real addon loads, and is of the version of the package', () => {
  expect(checkAddon(loadAddon(), packageVersion())).toMatchObject({ status: 'ok' });
});
