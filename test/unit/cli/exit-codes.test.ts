import { readFileSync } from 'node:fs';
import path from 'node:path';
import { conflict, outOfRange } from '../../../lib/base/arguments';
import { type ErrorCode, IotkitError } from '../../../lib/base/errors';
import { CommandError, ConfigError, inWordsOf, UsageError } from '../../../lib/cli/errors';
import { errorJson, exitCodeOf, exitCodes, unreadable } from '../../../lib/cli/exit-codes';
import { errorCodes } from '../../../lib/generated/error-codes';

test.each<[ErrorCode, number]>([
  ['ERR_DIGEST_MISMATCH', 65],
  ['ERR_SIGNATURE_MISSING', 65],
  ['ERR_DELTA_BASE', 65],
  ['ERR_FILE_NOT_FOUND', 66],
  ['ERR_CONNECT', 69],
  ['ERR_TLS_CERTIFICATE', 69],
  ['ERR_HTTP_STATUS', 69],
  ['ERR_PROXY', 69],
  ['ERR_TIMEOUT', 69],
  ['ERR_URL', 2],
  ['ERR_INSTALL_SETUP', 2],
  ['ERR_TLS_CA', 66],
  ['ERR_PUBLIC_KEY', 66],
  ['ERR_TLS_UNAVAILABLE', 69],
  ['ERR_HTTP_INSECURE_REDIRECT', 77],
  ['ERR_CREDENTIALS_EXPOSED', 77],
  ['ERR_NO_SPACE', 73],
  ['ERR_INSTALL_BUSY', 75],
  ['ERR_FILE_LOCKED', 75],
  ['ERR_VERSION_REFUSED', 77],
  ['ERR_HOST_NOT_ALLOWED', 77],
  ['ERR_TLS_REQUIRED', 77],
  ['ERR_MQTT_CREDENTIALS', 1],
  ['ERR_INTERNAL', 1],
])('%s ends a command with %i', (code, exit) => {
  expect(exitCodeOf(new IotkitError(code))).toBe(exit);
});

test('errors of other kinds', () => {
  expect(exitCodeOf(new ConfigError('x'))).toBe(2);
  expect(errorJson(new ConfigError('x'))).toEqual({ code: 'ERR_CONFIG', message: 'x' });
  expect(exitCodeOf(new UsageError('x'))).toBe(2);
  expect(errorJson(new UsageError('x'))).toEqual({ code: 'ERR_USAGE', message: 'x' });
  const denied = Object.assign(new Error(), { code: 'EACCES' });
  expect(exitCodeOf(unreadable('--ca x', denied))).toBe(77);
  expect(exitCodeOf(outOfRange('x', 'y', 1))).toBe(2);
  expect(exitCodeOf(new CommandError('ERR_CONSENT', 'x'))).toBe(77);
  expect(exitCodeOf(new Error('x'))).toBe(1);
  expect(exitCodeOf(undefined)).toBe(1);
  expect(errorJson(new IotkitError('ERR_CONNECT')).code).toBe('ERR_CONNECT');
  expect(errorJson('x')).toEqual({ code: 'ERR', message: 'x' });
});

test('a refused argument is called as the command calls it', () => {
  const words = { 'fetch.proxy': '--proxy', host: '--host' };
  const refused = outOfRange('fetch.proxy', 'a host', 'host "fetch.proxy" \\');
  expect(inWordsOf(words, refused)).toBeInstanceOf(UsageError);
  expect((inWordsOf(words, refused) as Error).message).toBe(
    '--proxy must be a host, got "host \\"fetch.proxy\\" \\\\"',
  );
  const both = conflict('exactly one of fetch.proxy and host must be given, got "host"');
  expect((inWordsOf(words, both) as Error).message).toBe(
    'exactly one of --proxy and --host must be given, got "host"',
  );
  const other = new Error('host');
  expect(inWordsOf(words, other)).toBe(other);
});

test('what the system says has the code of what it means', () => {
  const full = Object.assign(new Error('ENOSPC: no space left'), { code: 'ENOSPC' });
  expect(errorJson(full)).toEqual({ code: 'ERR_NO_SPACE', message: 'ENOSPC: no space left' });
  expect(exitCodeOf(full)).toBe(73);
  expect(exitCodeOf(Object.assign(new Error(), { code: 'EACCES' }))).toBe(77);
  expect(exitCodeOf(Object.assign(new Error(), { code: '__proto__' }))).toBe(1);
});

test('the table in the documentation has each exit code, and each error code where it belongs', () => {
  const page = readFileSync(path.resolve(__dirname, '../../../docs/agent.md'), 'utf8');
  for (const code of Object.values(exitCodes)) expect(page).toContain(`\n| ${code} | `);
  const documented = new Map<string, number>();
  for (const [, exit, cells = ''] of page.matchAll(/^\| (\d+) \|(.*)$/gm)) {
    for (const [code] of cells.matchAll(/ERR_\w+/g)) {
      expect(documented.has(code)).toBe(false);
      documented.set(code, Number(exit));
    }
  }
  const all = Object.keys(errorCodes) as ErrorCode[];
  expect(all.length).toBeGreaterThan(100);
  for (const code of all) {
    expect([code, documented.get(code) ?? 1]).toEqual([code, exitCodeOf(new IotkitError(code))]);
    documented.delete(code);
  }
  // Those of the command line alone.
  expect([...documented]).toEqual([
    ['ERR_USAGE', 2],
    ['ERR_CONFIG', 2],
    ['ERR_CONSENT', 77],
  ]);
});
