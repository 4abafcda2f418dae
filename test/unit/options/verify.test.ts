import { checkVerify, type VerifyOptions } from '../../../lib/options/verify';
import { pem, privateKeyPem, publicKeyPem as publicKey, refusalOf } from '../support';

test('without options nothing is refused', () => {
  expect(checkVerify(undefined)).toEqual({
    publicKeys: '',
    requireSignature: false,
    allowUnsigned: false,
    requireStatement: false,
    newerOnly: false,
    allowVersion: undefined,
  });
});

test('what is given arrives', () => {
  const allowVersion = (): boolean => true;
  const publicKeys = [publicKey, new TextEncoder().encode(pem)];
  const required = { requireSignature: true, requireStatement: true };
  const given = { publicKeys, ...required, newerOnly: true, allowVersion };
  const whole = { ...given, allowUnsigned: false, publicKeys: `${publicKey}\n${pem}` };
  expect(checkVerify(given)).toEqual(whole);
  expect(checkVerify({ publicKeys: pem, allowUnsigned: true }).allowUnsigned).toBe(true);
});

test.each<[unknown, string]>([
  [1, 'verify must be an object, got 1'],
  [{ publicKey }, 'verify has no option publicKey'],
  [{ publicKeys: 'x' }, 'verify.publicKeys must be PEM text'],
  [{ publicKeys: [] }, 'verify.publicKeys must not be an empty list'],
  [{ publicKeys: [publicKey, 1] }, 'verify.publicKeys[1] must be PEM text'],
  [{ requireSignature: true }, 'verify.requireSignature needs verify.publicKeys'],
  [{ requireStatement: true }, 'verify.requireStatement needs verify.publicKeys'],
  [
    { publicKeys: pem, requireSignature: true, allowUnsigned: true },
    'verify.allowUnsigned contradicts verify.requireSignature',
  ],
  [
    { publicKeys: pem, requireStatement: true, allowUnsigned: true },
    'verify.allowUnsigned contradicts verify.requireStatement',
  ],
  [{ allowUnsigned: 1 }, 'verify.allowUnsigned must be a boolean, got 1'],
  [{ requireStatement: 'yes' }, 'verify.requireStatement must be a boolean, got "yes"'],
  [{ requireSignature: 1 }, 'verify.requireSignature must be a boolean, got 1'],
  [{ newerOnly: 'yes' }, 'verify.newerOnly must be a boolean, got "yes"'],
  [{ allowVersion: true }, 'verify.allowVersion must be a function, got true'],
])('refused with an error that names the option: %j', (verify, message) => {
  expect(refusalOf(() => checkVerify(verify as VerifyOptions)).message).toContain(message);
});

test('a private key is refused, and not shown', () => {
  expect(refusalOf(() => checkVerify({ publicKeys: privateKeyPem })).message).not.toMatch(
    /hunter2/,
  );
});

test.each(['requireSignature', 'newerOnly', 'publicKeys', 'allowVersion'])(
  'null for %s is refused and not taken for the default',
  (key) => {
    const message = refusalOf(() => checkVerify({ [key]: null } as never)).message;
    expect(message).toContain(`verify.${key} must be`);
  },
);
