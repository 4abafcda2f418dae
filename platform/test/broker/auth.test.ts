import { createHmac } from 'node:crypto';
import {
  methodOf,
  parseClientId,
  parseUsername,
  Refusal,
  signature,
  signIn,
  verify,
} from '../../src/broker/auth';

const key = { productKey: 'pk', deviceName: 'dn' };
const device = { ...key, deviceSecret: 'secret' };

function refusalOf(call: () => unknown): number {
  try {
    call();
  } catch (error) {
    if (error instanceof Refusal) return error.returnCode;
    throw error;
  }
  return 0;
}

test('a client id is parsed', () => {
  expect(parseClientId('a.b|securemode=2,signmethod=hmacsha1,x=y=z|')).toEqual({
    id: 'a.b',
    parameters: { securemode: '2', signmethod: 'hmacsha1', x: 'y=z' },
  });
});

test('empty and trailing parameters of a client id are passed over', () => {
  expect(parseClientId('a|,securemode=2,,_v=,|').parameters).toEqual({ securemode: '2', _v: '' });
});

test.each(['', 'a', 'a|securemode=2', '|securemode=2|', 'a|securemode|', 'a|=2|', 'a||', 'a|,|'])(
  'the client id %j is refused',
  (clientId) => expect(refusalOf(() => parseClientId(clientId))).toBe(2),
);

test.each([undefined, '', 'dn', 'dn&', '&pk', 'dn&pk&x'])('the user name %j is refused', (name) => {
  expect(refusalOf(() => parseUsername(name))).toBe(4);
  expect(parseUsername('dn&pk')).toEqual(key);
});

test('the method is MD5 unless another one is asked for', () => {
  expect(methodOf(parseClientId('a|securemode=3|'))).toBe('hmacmd5');
  expect(methodOf(parseClientId('a|signmethod=HmacSha256|'))).toBe('hmacsha256');
  for (const name of ['sha256', 'constructor']) {
    expect(refusalOf(() => methodOf(parseClientId(`a|signmethod=${name}|`)))).toBe(2);
  }
});

test('the signature is over the sorted keys, each with its value', () => {
  const text = 'clientIdcdeviceNamednproductKeypktimestamp7';
  const expected = createHmac('sha1', 'secret').update(text).digest('hex');
  expect(signature(key, 'secret', 'hmacsha1', 'c', '7')).toBe(expected);
});

test('a device signs in with its secret, and with no other', () => {
  const { clientId, username, password } = signIn(device, { timestamp: '7' });
  expect(username).toBe('dn&pk');
  const check = (secret: string | undefined, text: string | undefined): number =>
    refusalOf(() =>
      verify(key, secret, parseClientId(clientId), text === undefined ? text : Buffer.from(text)),
    );
  expect(check('secret', password)).toBe(0);
  expect(check('secret', password.toUpperCase())).toBe(0);
  expect(check('other', password)).toBe(4);
  expect(check('secret', password.slice(1))).toBe(4);
  expect(check('secret', undefined)).toBe(4);
  expect(check(undefined, signIn({ ...device, deviceSecret: 'no such device' }).password)).toBe(4);
});
