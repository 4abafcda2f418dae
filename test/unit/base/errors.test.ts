import { inspect } from 'node:util';
import vm from 'node:vm';
import { IotkitError } from '../../../lib/base/errors';
import { errorCodes } from '../../../lib/generated/error-codes';

test('an error says its code, number, sentence and detail', () => {
  const cause = new Error('below');
  const error = new IotkitError('ERR_HTTP_STATUS', 'status 404', { cause });
  expect(error).toMatchObject({
    name: 'IotkitError',
    code: 'ERR_HTTP_STATUS',
    errno: -1405,
    retryable: false,
    detail: 'status 404',
    message: 'the server answered with an error status: status 404',
    cause,
  });
  expect(error).toBeInstanceOf(Error);
  expect(inspect(error)).toMatch(/^IotkitError: the server answered/);
});

test('without detail the message is the sentence', () => {
  const { message, detail } = new IotkitError('ERR_CLOSED');
  expect([message, detail]).toEqual(['the object is closed', '']);
});

test.each(Object.entries(errorCodes))('%s is found by its number', (code, { errno, retryable }) => {
  expect(IotkitError.fromErrno(errno)).toMatchObject({ code, errno, retryable });
});

test('an unknown number is an internal error that names it', () => {
  expect(IotkitError.fromErrno(-9999, 'what')).toMatchObject({
    code: 'ERR_INTERNAL',
    detail: '-9999 what',
  });
});

test('is() recognises errors of another copy of the package, and nothing else', () => {
  let other: typeof IotkitError | undefined;
  jest.isolateModules(() => {
    other = jest.requireActual<typeof import('../../../lib/base/errors')>(
      '../../../lib/base/errors',
    ).IotkitError;
  });
  expect(other).not.toBe(IotkitError);
  const foreign = other === undefined ? undefined : new other('ERR_TLS');
  expect(foreign).not.toBeInstanceOf(IotkitError);
  expect(IotkitError.is(foreign)).toBe(true);
  for (const value of [undefined, null, 5, 'ERR_TLS', {}, new Error('x'), { code: 'ERR_TLS' }]) {
    expect(IotkitError.is(value)).toBe(false);
  }
  expect(IotkitError.is(vm.runInNewContext('new Error("x")'))).toBe(false);
});

describe('what an error keeps', () => {
  const error = new IotkitError('ERR_HTTP_STATUS', 'status 404: not here');
  const facts = { code: 'ERR_HTTP_STATUS', errno: -1405, retryable: false, detail: error.detail };

  test('its facts are its own, and seen by whoever copies or prints them', () => {
    expect({ ...error }).toEqual(facts);
    expect(structuredClone({ ...error })).toEqual(facts);
    expect(JSON.parse(JSON.stringify(error))).toEqual(facts);
    expect(Object.prototype.toString.call(error)).toBe('[object Error]');
  });

  test('in another realm: the brand', () => {
    const check = 'error => Symbol.for("iotkit-ota.IotkitError") in error && error.code';
    expect(vm.runInNewContext(check)(error)).toBe('ERR_HTTP_STATUS');
  });

  test('in a structured clone: the message, which makes it whole again', () => {
    const restored = IotkitError.from(structuredClone(error));
    expect(restored).toMatchObject({ name: 'IotkitError', message: error.message, ...facts });
    expect(restored?.stack).toBe(error.stack);
    expect(IotkitError.from(error)).toBe(error);
  });

  test.each(Object.keys(errorCodes) as (keyof typeof errorCodes)[])(
    '%s is made whole again, with and without detail',
    (code) => {
      for (const detail of ['', 'a: b']) {
        const whole = IotkitError.from(structuredClone(new IotkitError(code, detail)));
        expect(whole).toMatchObject({ code, detail });
      }
    },
  );

  test('nothing else is made one', () => {
    for (const value of [undefined, null, 'x', {}, { message: error.message }, new Error('x')]) {
      expect(IotkitError.from(value)).toBeUndefined();
    }
  });
});
