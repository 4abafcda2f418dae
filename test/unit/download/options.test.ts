import {
  CHUNK_SIZE,
  checkChunks,
  checkDownload,
  RECYCLED_CHUNK_SIZE,
  SMALL_CHUNK_SIZE,
} from '../../../lib/download/options';
import { refusalOf } from '../support';

const nothing = (): void => {};
const absent = { signal: undefined, onProgress: undefined, signature: undefined };
const none = new Map();

test('defaults', () => {
  expect(checkDownload(undefined)).toEqual({
    ...absent,
    reportUpTo: 100,
    resume: true,
    share: true,
    signatures: none,
  });
  expect(checkChunks({})).toEqual({
    ...absent,
    reportUpTo: 100,
    resume: false,
    share: false,
    signatures: none,
    recycle: false,
    chunkSize: CHUNK_SIZE,
  });
});

test.each([
  [{ recycle: true }, RECYCLED_CHUNK_SIZE],
  [{ base: '/old' }, SMALL_CHUNK_SIZE],
  [{ base: '/old', recycle: true }, SMALL_CHUNK_SIZE],
])('chunks are smaller with %j', (options, size) => {
  expect(checkChunks(options).chunkSize).toBe(size);
});

test('what is given arrives', () => {
  const { signal } = new AbortController();
  expect(
    checkDownload({ signal, onProgress: nothing, report: { upTo: 60 }, resume: false }),
  ).toMatchObject({ signal, onProgress: nothing, reportUpTo: 60, resume: false });
  expect(checkChunks({ report: false, recycle: true, chunkSize: 4096 })).toMatchObject({
    reportUpTo: 0,
    recycle: true,
    chunkSize: 4096,
  });
});

test('share is on, off, or by hard links', () => {
  expect(checkDownload({ share: false }).share).toBe(false);
  expect(checkDownload({ share: true }).share).toBe(true);
  expect(checkDownload({ share: 'link' }).share).toBe('link');
});

test('signatures are bytes or base64, over the digest or the image', () => {
  const value = new Uint8Array([1, 2, 3]);
  expect(checkDownload({ signature: { value } }).signature).toEqual({ value, over: 0 });
  const { signature } = checkDownload({ signature: { value: 'AQID', over: 'image' } });
  expect(signature).toEqual({ value: Uint8Array.from([1, 2, 3]), over: 1 });
  for (const written of ['_-__', '/+//\r\n', '/+__', ' /+\n// '])
    expect(checkDownload({ signature: { value: written } }).signature?.value).toEqual(
      Uint8Array.from([255, 239, 255]),
    );
  for (const written of ['AQ', 'AQ==', 'AQ='])
    expect(checkDownload({ signature: { value: written } }).signature?.value).toEqual(
      Uint8Array.from([1]),
    );
  const { signatures } = checkDownload({ signatures: { 'a.bin': { value } } });
  expect([...signatures]).toEqual([['a.bin', { value, over: 0 }]]);
});

test.each<[object, string]>([
  [{ signal: {} }, 'signal must be an AbortSignal'],
  [{ onProgress: 1 }, 'onProgress must be a function'],
  [{ report: 1 }, 'report must be a boolean'],
  [{ report: {} }, 'report.upTo must be a whole number from 1 to 100'],
  [{ report: { upTo: 0 } }, 'report.upTo must be a whole number from 1 to 100, got 0'],
  [{ report: { to: 1 } }, 'report has no option to'],
  [{ resume: 1 }, 'resume must be a boolean'],
  [{ share: 1 }, "share must be a boolean or 'link'"],
  [{ share: 'links' }, 'share must be one of link, got "links"'],
  [{ recycle: true }, 'options has no option recycle'],
  [{ signature: { value: 5 } }, 'signature.value must be a Uint8Array or base64'],
  [{ signature: { value: '' } }, 'signature.value must be 1-1024 bytes, got 0'],
  [{ signature: { value: new Uint8Array(1025) } }, 'signature.value must be 1-1024 bytes'],
  [{ signature: { value: 'A' } }, 'signature.value must be base64, got "A"'],
  [{ signature: { value: 'AQID', over: 'x' } }, 'signature.over must be one of digest, image'],
  [{ signatures: [] }, 'signatures must be an object, got an array'],
  [{ signatures: { 'a"': { value: 5 } } }, 'signatures["a\\""].value must be a Uint8Array'],
])('download refuses %j', (options, message) => {
  expect(refusalOf(() => checkDownload(options)).message).toContain(message);
});

test.each<[object, string]>([
  [{ chunkSize: 4095 }, 'chunkSize must be a whole number from 4096 to 16777216, got 4095'],
  [{ chunkSize: 16_777_217 }, 'chunkSize'],
  [{ recycle: 'yes' }, 'recycle must be a boolean'],
  [{ resume: true }, 'options has no option resume'],
])('chunks refuses %j', (options, message) => {
  expect(refusalOf(() => checkChunks(options)).message).toContain(message);
});

test.each(['resume', 'report', 'signal', 'onProgress', 'signature', 'signatures'])(
  'null for %s is refused and not taken for the default',
  (key) => {
    expect(refusalOf(() => checkDownload({ [key]: null } as never)).message).toContain(key);
  },
);

test.each(['recycle', 'chunkSize'])('nor for %s', (key) => {
  expect(refusalOf(() => checkChunks({ [key]: null } as never)).message).toContain(key);
});
