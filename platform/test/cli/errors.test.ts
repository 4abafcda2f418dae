import {
  CliError,
  codeOf,
  invalid,
  messageOf,
  NotSucceededError,
  RequestError,
  UnreachableError,
} from '../../src/cli/errors';
import { PlatformError } from '../../src/index';

test.each([
  [new CliError('x'), 1, undefined],
  [invalid('x'), 1, 'ERR_INVALID_ARGUMENT'],
  [new RequestError('ERR_CLOSED', 'x'), 1, 'ERR_CLOSED'],
  [new UnreachableError('x'), 3, undefined],
  [new NotSucceededError('x'), 4, undefined],
])('%p has an exit code, and a code or none', (error, exitCode, code) => {
  expect([error.exitCode, codeOf(error), error.message]).toEqual([exitCode, code, 'x']);
});

test("the platform's own errors have their codes, and the system's none", () => {
  expect(codeOf(new PlatformError('ERR_LISTEN', 'x'))).toBe('ERR_LISTEN');
  expect(codeOf(Object.assign(new Error('x'), { code: 'EACCES' }))).toBeUndefined();
  expect(codeOf('x')).toBeUndefined();
  expect(messageOf('x')).toBe('x');
});
