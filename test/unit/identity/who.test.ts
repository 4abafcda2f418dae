import { checkWho, registeredInstance, type WhoOptions } from '../../../lib/identity/who';
import { pem } from '../support';

const names = { productKey: 'a1B2c3D4e5F', deviceName: 'lamp-1' };
const x509 = { cert: pem, key: pem };

describe('one way to say who it is', () => {
  test.each<[WhoOptions, object]>([
    [
      { ...names, deviceSecret: 's' },
      { ...names, deviceSecret: 's', clientId: '' },
    ],
    [{ ...names, deviceSecret: 's', clientId: 'base' }, { clientId: 'base' }],
    [
      { ...names, clientId: 'c=1', deviceToken: 't' },
      { ...names, clientId: 'c=1', deviceToken: 't', deviceSecret: '' },
    ],
    [
      { ...names, productSecret: 'p' },
      { ...names, productSecret: 'p', preregistered: true, credentialsFile: '' },
    ],
    [
      { ...names, productSecret: 'p', preregistered: false, credentialsFile: 'f' },
      { preregistered: false, credentialsFile: 'f' },
    ],
    [{ x509 }, { productKey: '', deviceName: '', x509: { ...x509, passphrase: '' } }],
    [
      { ...names, x509 },
      { ...names, x509: { ...x509, passphrase: '' } },
    ],
  ])('%#', (options, expected) => {
    expect(checkWho(options)).toMatchObject(expected);
  });
});

describe('refused by name, and no secret is shown', () => {
  const secret = 'hunter2';
  test.each<[WhoOptions, string]>([
    [names, 'deviceSecret must be a string, got undefined'],
    [{ ...names, deviceSecret: secret, productSecret: secret }, 'exactly one of deviceSecret,'],
    [{ ...names, deviceToken: secret, x509 }, 'got deviceToken and x509'],
    [{ ...names, deviceToken: secret }, 'deviceToken needs clientId'],
    [{ ...names, deviceToken: secret, clientId: 'a|b' }, 'clientId must be 1-128 characters'],
    [{ ...names, deviceToken: secret, clientId: 'c'.repeat(129) }, 'clientId must be 1-128'],
    [{ ...names, deviceToken: secret.repeat(40), clientId: 'c' }, 'deviceToken must be 1-256'],
    [{ ...names, productSecret: secret.repeat(10) }, 'productSecret must be 1-64'],
    [{ ...names, productSecret: secret, clientId: 'a=b' }, 'clientId must be 1-64'],
    [{ ...names, productSecret: secret, preregistered: 1 as never }, 'preregistered must be'],
    [{ ...names, productSecret: secret, credentialsFile: '' }, 'credentialsFile must be'],
    [{ ...names, deviceSecret: secret, credentialsFile: 'f' }, 'credentialsFile belongs to'],
    [{ ...names, deviceSecret: secret, preregistered: true }, 'preregistered belongs to'],
    [{ productKey: 'a1', x509 }, 'deviceName must be a string'],
    [{ deviceName: 'd', x509 }, 'productKey must be a string'],
    [{ x509: {} as never }, 'x509.cert and x509.key must be given'],
    [{ x509: { cert: x509.cert } as never }, 'x509.cert and x509.key must be given together'],
    [{ x509: { ...x509, key: secret } }, 'x509.key must be PEM text'],
    [{ x509: { ...x509, password: secret } as never }, 'x509 has no option password'],
    [{ ...names, productSecret: secret, productKey: '' }, 'productKey must be 1-20'],
  ])('%#', (options, message) => {
    let error: unknown;
    try {
      checkWho(options);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toMatchObject({ code: 'ERR_INVALID_ARGUMENT' });
    expect(String(error)).toContain(message);
    expect(String(error)).not.toContain(secret);
  });
});

test('only a platform that does not know the device is told the instance', () => {
  const who = checkWho({ ...names, productSecret: 'p' });
  expect(registeredInstance(who, 'iot-1')).toBe('');
  expect(registeredInstance({ ...who, preregistered: false }, 'iot-1')).toBe('iot-1');
  expect(registeredInstance({ ...who, preregistered: false }, undefined)).toBe('');
});
