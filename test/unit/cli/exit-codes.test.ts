import { readFileSync } from 'node:fs';
import path from 'node:path';
import { outOfRange } from '../../../lib/base/arguments';
import { type ErrorCode, IotkitError } from '../../../lib/base/errors';
import { ConfigError, UsageError } from '../../../lib/cli/agent/file';
import {
  CommandError,
  errorJson,
  exitCodeOf,
  exitCodes,
  unreadable,
} from '../../../lib/cli/exit-codes';

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
  expect(exitCodeOf(Object.assign(new Error(), { code: 'ERR_PARSE_ARGS_UNKNOWN_OPTION' }))).toBe(2);
  expect(exitCodeOf(new CommandError('ERR_CONSENT', 'x', exitCodes.forbidden))).toBe(77);
  expect(exitCodeOf(new Error('x'))).toBe(1);
  expect(exitCodeOf(undefined)).toBe(1);
  expect(errorJson(new IotkitError('ERR_CONNECT')).code).toBe('ERR_CONNECT');
  expect(errorJson('x')).toEqual({ code: 'ERR', message: 'x' });
});

test('the table in the documentation has all of them', () => {
  const page = readFileSync(path.resolve(__dirname, '../../../docs/agent.md'), 'utf8');
  for (const code of Object.values(exitCodes)) expect(page).toContain(`\n| ${code} | `);
});
