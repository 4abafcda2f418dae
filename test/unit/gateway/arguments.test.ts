import {
  checkIdentity,
  checkList,
  checkLogin,
  checkName,
  checkRequest,
  type SubDeviceIdentity,
} from '../../../lib/gateway/arguments';

const identity = { productKey: 'a1Key', deviceName: 'sensor', deviceSecret: 's'.repeat(32) };

test('an identity in the form that the addon takes', () => {
  const defaults = { clientId: '', signMethod: 0, keepSession: false };
  expect(checkIdentity(identity)).toEqual({ ...identity, ...defaults });
  const given = { clientId: 'me', signMethod: 'hmacsha1', keepSession: true } as const;
  expect(checkIdentity({ ...identity, ...given })).toEqual({
    ...identity,
    ...given,
    signMethod: 1,
  });
});

test('of a device only the names are taken', () => {
  const { productKey, deviceName } = identity;
  expect(checkName({ ...identity, state: 'connected' } as never)).toEqual({
    productKey,
    deviceName,
  });
});

test.each([
  [undefined, 'a sub-device must be an object with productKey and deviceName, got undefined'],
  [{ ...identity, productKey: '' }, 'productKey must be 1-20 letters and digits, got ""'],
  [{ ...identity, deviceName: 'a b' }, 'deviceName must be 1-32 characters of letters'],
  [{ ...identity, deviceSecret: '' }, 'deviceSecret must be 1-64 characters without NUL, got 0'],
  [{ ...identity, clientId: 'x'.repeat(129) }, 'clientId must be 1-128 characters without NUL'],
  [{ ...identity, signMethod: 'md5' }, 'signMethod must be one of hmacsha256, hmacsha1, hmacmd5'],
  [{ ...identity, keepSession: 1 }, 'keepSession must be a boolean, got 1'],
  [{ ...identity, secret: 'x' }, 'a sub-device has no option secret'],
])('%#: %s', (given, message) => {
  const check = () => checkIdentity(given as unknown as SubDeviceIdentity);
  expect(check).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }));
  expect(check).toThrow(message);
});

test.each([[7], [[]], ['sensor']])('no list of sub-devices: %j', (given) => {
  const check = () => checkList(given as never, checkName);
  expect(check).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }));
});

test('how long to wait', () => {
  expect(checkRequest(undefined)).toEqual({ timeoutMs: 30_000, signal: undefined });
  expect(checkLogin({})).toEqual({ timeoutMs: 60_000, signal: undefined });
  const { signal } = new AbortController();
  expect(checkLogin({ timeout: 1, signal })).toEqual({ timeoutMs: 1, signal });
  expect(() => checkLogin({ timeout: 0 })).toThrow('timeout must be a whole number from 1 to');
});
