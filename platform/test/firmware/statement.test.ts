import { createHash, generateKeyPairSync, verify } from 'node:crypto';
import { type Statement, signStatement, statementText } from '../../src/firmware/statement';

const statement: Statement = {
  productKey: 'a1Product',
  version: '2.0.0',
  size: 300_007,
  digest: 'AB'.repeat(32),
};

test('the text is lines in a fixed order', () => {
  expect(statementText(statement)).toBe(
    `iotkit-ota statement 1
product a1Product
module default
version 2.0.0
kind full
size 300007
sha256 ${'ab'.repeat(32)}
`,
  );
});

test('every field is in it', () => {
  const md5 = createHash('md5').update('x').digest('hex');
  const all = { module: 'mcu', isDiff: true, signMethod: 'MD5', digest: md5, fileName: 'a b' };
  expect(statementText({ ...statement, ...all } as Statement)).toBe(
    `iotkit-ota statement 1\nproduct a1Product\nmodule mcu\nversion 2.0.0\nkind diff\n` +
      `size 300007\nmd5 ${md5}\nfile a b\n`,
  );
});

test('no module, "" and "default" are one', () => {
  for (const module of ['', 'default']) {
    expect(statementText({ ...statement, module })).toBe(statementText(statement));
  }
});

test.each<[Partial<Statement>, string]>([
  [{ productKey: 'a\nmodule b' }, 'productKey'],
  [{ version: '2\nkind diff' }, 'version'],
  [{ version: '' }, 'version'],
  [{ module: 'a b' }, 'module'],
  [{ size: 0 }, 'size'],
  [{ size: 1.5 }, 'size'],
  [{ size: Number.NaN }, 'size'],
  [{ digest: 'ab' }, 'digest must be 64'],
  [{ digest: `${'ab'.repeat(31)}\nx` }, 'digest'],
  [{ signMethod: 'MD5' }, 'digest must be 32'],
  [{ fileName: '' }, 'fileName'],
  [{ fileName: 'a/b' }, 'fileName'],
  [{ fileName: 'a\nfile b' }, 'fileName'],
])('what no notice could announce is refused: %j', (change, message) => {
  expect(() => statementText({ ...statement, ...change })).toThrow(message);
});

test.each([
  ['rsa', generateKeyPairSync('rsa', { modulusLength: 2048 })],
  ['ec', generateKeyPairSync('ec', { namedCurve: 'P-256' })],
  ['ed25519', generateKeyPairSync('ed25519')],
] as const)('is signed with %s', (kind, { publicKey, privateKey }) => {
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' });
  for (const key of [pem, privateKey]) {
    const signature = Buffer.from(signStatement(statement, key), 'base64');
    const message = Buffer.from(statementText(statement));
    const algorithm = kind === 'ed25519' ? null : 'sha256';
    expect(verify(algorithm, message, publicKey, signature)).toBe(true);
  }
});

test('keys that devices do not take are refused, and not shown', () => {
  const { publicKey } = generateKeyPairSync('ed25519');
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' });
  for (const key of [publicKey, privateKey, 'hunter2']) {
    expect(() => signStatement(statement, key)).toThrow(/^the key of a statement must be/);
  }
  expect(() => signStatement(statement, 'hunter2')).not.toThrow(/hunter2/);
});
