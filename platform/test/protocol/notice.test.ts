import { createPublicKey, generateKeyPairSync, verify } from 'node:crypto';
import type { Firmware } from '../../src/index';
import {
  errorReplyPayload,
  faultyData,
  faultyPayload,
  noticeData,
  pushPayload,
  replyPayload,
} from '../../src/protocol/notice';

const firmware: Firmware = {
  id: 'f',
  productKey: 'pk',
  version: '2',
  size: 10,
  md5: '0a',
  sha256: '1b',
  signMethod: 'SHA256',
  isDiff: false,
  createdAt: 0,
};
const files = [
  { id: 'x', name: 'a', size: 4, md5: '0c', sha256: '1c' },
  { id: 'y', name: 'b', size: 6, md5: '0d', sha256: '1d' },
];
const url = (id: string): string => `https://host/${id}`;

test('an image has an address, size and digest', () => {
  expect(noticeData(firmware, { url })).toEqual({
    version: '2',
    signMethod: 'Sha256',
    size: 10,
    url: 'https://host/f',
    sign: '1b',
  });
});

test('with MD5 the digest is there twice; module, isDiff and extData when they are set', () => {
  const more = { signMethod: 'MD5', module: 'mcu', isDiff: true, extData: { a: 'b' } } as const;
  expect(noticeData({ ...firmware, ...more }, { url })).toMatchObject({
    signMethod: 'Md5',
    sign: '0a',
    md5: '0a',
    module: 'mcu',
    isDiff: 1,
    extData: { a: 'b' },
  });
});

test('over MQTT there is a stream instead of an address', () => {
  const data = noticeData(firmware, { url, streamId: 7 });
  expect(data).toMatchObject({ dProtocol: 'mqtt', streamId: 7, streamFileId: 1 });
  expect(data).not.toHaveProperty('url');
});

test('several files have each their own', () => {
  const data = noticeData({ ...firmware, files, signMethod: 'MD5' }, { url });
  expect(data).not.toHaveProperty('size');
  expect(data.files).toEqual([
    { fileName: 'a', fileSize: 4, fileUrl: 'https://host/x', fileSign: '0c', fileMd5: '0c' },
    { fileName: 'b', fileSize: 6, fileUrl: 'https://host/y', fileSign: '0d', fileMd5: '0d' },
  ]);
});

test('the raw bytes of the digest are signed', () => {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const { digestsign = '' } = noticeData(firmware, { url, signingKey: privateKey });
  const signature = Buffer.from(digestsign, 'base64');
  const key = createPublicKey(privateKey);
  expect(verify('sha256', Buffer.from('1b', 'hex'), key, signature)).toBe(true);
});

test('a push, an answer and an error differ in the form of code and id', () => {
  expect(JSON.parse(pushPayload(7, {}))).toEqual({
    code: '1000',
    data: {},
    id: 7,
    message: 'success',
  });
  expect(JSON.parse(replyPayload('7', {}))).toEqual({
    id: '7',
    code: 200,
    data: {},
    message: 'success',
  });
  expect(JSON.parse(errorReplyPayload(undefined, 'why'))).toEqual({
    id: '',
    code: 460,
    message: 'why',
    data: {},
  });
});

describe('made wrong:', () => {
  const fault = { id: 'x', hits: 1 };
  const one = noticeData(firmware, { url });
  const several = noticeData({ ...firmware, files, signMethod: 'MD5' }, { url });

  test('the digest, of the first file too', () => {
    const wrong = { ...fault, kind: 'notice-digest' } as const;
    expect(faultyData(one, wrong).sign).toBe('0b');
    expect(faultyData(several, wrong).files).toMatchObject([
      { fileSign: '1c', fileMd5: '1c' },
      { fileSign: '0d' },
    ]);
  });

  test('the size, of the first file too', () => {
    const wrong = { ...fault, kind: 'notice-size', delta: -1 } as const;
    expect(faultyData(one, wrong).size).toBe(9);
    expect(faultyData(several, wrong).files).toMatchObject([{ fileSize: 3 }, { fileSize: 6 }]);
  });

  test('members of the data', () => {
    const data = { url: null, size: 'many' };
    const wrong = faultyData(one, { ...fault, kind: 'notice-patch', data });
    expect(wrong).toEqual({ version: '2', signMethod: 'Sha256', sign: '1b', size: 'many' });
  });

  test('the payload', () => {
    const wrong = { ...fault, kind: 'notice-malformed' } as const;
    expect(faultyPayload('12345', wrong)).toBe('12');
    expect(faultyPayload('12345', { ...wrong, payload: 'x' })).toBe('x');
    expect(faultyPayload('12345', { ...fault, kind: 'notice-lost' })).toBe('12345');
    expect(faultyData(one, wrong)).toEqual(one);
  });
});
