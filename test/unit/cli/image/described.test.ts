import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ConfigError } from '../../../../lib/cli/errors';
import { noticeOf, readDescription } from '../../../../lib/cli/image/described';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'iotkit-described-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const write = (text: string | Buffer, name = 'it.json'): string => {
  const file = path.join(folder, name);
  writeFileSync(file, text);
  return file;
};
const sha256 = 'ab'.repeat(32);
const blind = { isVerified: false, isNamed: true };
const verified = { isVerified: true, isNamed: true };
const signature = Buffer.alloc(64, 1).toString('base64');

test('options alone', () => {
  expect(noticeOf({ version: '2', sha256: sha256.toUpperCase() }, {}, blind)).toEqual({
    ...{ version: '2', signMethod: 'SHA256', sign: sha256 },
  });
  const all = { version: '2', sha256, size: '7', module: 'app', signature };
  expect(noticeOf(all, {}, verified)).toEqual({
    ...{ version: '2', signMethod: 'SHA256', sign: sha256, size: 7, module: 'app' },
    digestsign: signature,
  });
});

test('options come before the description, whose digest needs a signature', () => {
  const description = { version: '1', sign: 'cd'.repeat(32), signMethod: 'SHA256', size: 3 };
  expect(noticeOf({ version: '2', sha256 }, description, blind)).toEqual({
    ...{ version: '2', signMethod: 'SHA256', sign: sha256, size: 3 },
  });
  expect(() => noticeOf({}, description, verified)).toThrow('is not signed');
  const signed = { ...description, digestsign: signature };
  expect(() => noticeOf({}, signed, blind)).toThrow('no public key');
  expect(noticeOf({}, signed, verified)).toMatchObject({ sign: 'cd'.repeat(32), version: '1' });
  const extData = { 'iotkit.statement.v1': signature };
  expect(noticeOf({}, { ...description, extData }, verified)).toMatchObject({ extData });
  const md5 = { version: '1', md5: 'ef'.repeat(16), digestsign: signature };
  expect(noticeOf({}, md5, verified)).toMatchObject({ signMethod: 'MD5', sign: 'ef'.repeat(16) });
});

test('one that nobody has named says the version and the module only where it is signed', () => {
  const found = { isVerified: true, isNamed: false };
  const description = { version: '9', module: 'mcu', size: 3, isDiff: true };
  const options = { version: '2', module: 'app', sha256 };
  expect(() => noticeOf({ ...options, version: undefined }, description, found)).toThrow(
    '--version',
  );
  expect(() => noticeOf({ ...options, module: undefined }, description, found)).toThrow('--module');
  expect(noticeOf(options, description, found)).toMatchObject({ version: '2', module: 'app' });
  expect(noticeOf(options, description, found)).toMatchObject({ size: 3, isDiff: true });
  const signed = { ...description, digestsign: signature };
  const unverified = { ...found, isVerified: false };
  expect(() => noticeOf({ sha256 }, signed, unverified)).toThrow('--version');
  // A signature of the digest that is given says nothing of what else is in the description.
  expect(() => noticeOf({ sha256, signature }, description, found)).toThrow('--version');
  expect(noticeOf({ sha256 }, signed, found)).toMatchObject({ version: '9', module: 'mcu' });
});

test.each([
  { digestsign: '' },
  { digestsign: null },
  { digestsign: 7 },
  { extData: { 'iotkit.statement.v1': '' } },
  { extData: { 'iotkit.statement.v1': null } },
  { extData: { 'iotkit.statement.v1': { of: 'nobody' } } },
])('what the engine would take for no signature is none: %j', (unsigned) => {
  // With verify.allowUnsigned it would take the digest of whoever wrote the file.
  const description = { version: '1', sign: sha256, signMethod: 'SHA256', ...unsigned };
  expect(() => noticeOf({}, description, verified)).toThrow('is not signed');
});

test('what is missing or wrong is said', () => {
  const refused = (options: object, description: object, why: string): void =>
    expect(() => noticeOf(options, { ...description }, verified)).toThrow(why);
  refused({ sha256 }, {}, '--version');
  refused({ sha256 }, { version: 7 }, '--version');
  refused({ version: '2' }, {}, '--sha256');
  refused({ version: '2', sha256: 'ab' }, {}, '64 hexadecimal digits');
  refused({ version: '2', sha256, size: '-1' }, {}, '--size');
  refused({ version: '2', sha256, signature: '/none' }, {}, '--signature');
  refused({ version: '2', sha256, signature: write('') }, {}, 'is empty');
  refused({ version: '2', sha256, signature: write(' \n') }, {}, 'is empty');
  const short = { version: '2', sign: 'ab', digestsign: signature };
  refused({}, short, '32 hexadecimal digits');
});

test('a signature that no public key verifies is refused, and not left out', () => {
  const given = { version: '2', sha256, signature };
  expect(() => noticeOf(given, {}, blind)).toThrow('no public key verifies --signature');
});

test('a signature may be a file, of base64 or of bytes', () => {
  const text = { version: '2', sha256, signature: write(`${signature}\n`, 'text') };
  const bytes = { version: '2', sha256, signature: write(Buffer.alloc(64, 1), 'bytes') };
  expect(noticeOf(text, {}, verified).digestsign).toBe(signature);
  expect(noticeOf(bytes, {}, verified).digestsign).toBe(signature);
});

test('a description is the data of a notice, or a whole notice', () => {
  const data = { version: '2', sign: sha256, signMethod: 'SHA256' };
  expect(readDescription(write(JSON.stringify(data)))).toEqual(data);
  const notice = { id: 1, code: '1000', data: { ...data, url: 'https://x/y?secret' } };
  expect(readDescription(write(JSON.stringify(notice)))).toEqual(data);
});

test.each([
  ['{', 'is not JSON'],
  ['[]', 'must be a JSON object'],
  ['null', 'must be a JSON object'],
  ['{"sha256": "x"}', 'has a member sha256, which is none of version'],
  [`{"version": "${'x'.repeat(70_000)}"}`, 'too long'],
])('%.20s is no description', (text, why) => {
  expect(() => readDescription(write(text))).toThrow(ConfigError);
  expect(() => readDescription(write(text))).toThrow(why);
});

test('a description that is not there', () => {
  expect(() => readDescription(path.join(folder, 'none'))).toThrow('cannot be read: ENOENT');
});
