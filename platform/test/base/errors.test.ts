import { invalid, messageOf, PlatformError } from '../../src/base/errors';

test('an error has the status that the operator API answers with', () => {
  expect(new PlatformError('ERR_DEVICE_UNKNOWN', 'no').status).toBe(404);
  expect(new PlatformError('ERR_CLOSED', 'no').status).toBe(503);
});

test('an error about an argument has a code, and a cause is kept', () => {
  expect(invalid('x must be y')).toMatchObject({
    name: 'PlatformError',
    code: 'ERR_INVALID_ARGUMENT',
    message: 'x must be y',
    status: 400,
  });
  const cause = new Error('why');
  expect(new PlatformError('ERR_TLS', 'no', { cause }).cause).toBe(cause);
});

test('whatever was thrown has a text', () => {
  expect(messageOf(new Error('broken'))).toBe('broken');
  expect(messageOf('words')).toBe('words');
  expect(messageOf(undefined)).toBe('undefined');
});
