import type { IncomingMessage } from 'node:http';
import { isMatched, isWithin, requestFlaw, spelled } from '../../src/firmware/object-store';

const flawOf = (method: string, headers: Record<string, string>) =>
  requestFlaw({ method, headers } as unknown as IncomingMessage);

test('a plain GET is what the address is signed for, with the headers that are free', () => {
  expect(flawOf('GET', {})).toBeUndefined();
  const free = { range: 'bytes=0-', accept: '*/*', 'user-agent': 'x', 'if-match': '*' };
  expect(flawOf('GET', free)).toBeUndefined();
});

test.each<[string, Record<string, string>, number, string]>([
  ['HEAD', {}, 403, 'SignatureDoesNotMatch'],
  ['GET', { 'content-type': 'x' }, 403, 'SignatureDoesNotMatch'],
  ['GET', { 'content-md5': 'x' }, 403, 'SignatureDoesNotMatch'],
  ['GET', { 'x-oss-range-behavior': 'standard' }, 403, 'SignatureDoesNotMatch'],
  ['GET', { authorization: 'OSS x' }, 400, 'InvalidArgument'],
])('%s with %j is refused', (method, headers, status, code) => {
  expect(flawOf(method, headers)).toMatchObject({ status, code });
});

test.each([
  ['bytes=0-', true],
  ['bytes=9-9', true],
  ['bytes=-10', true],
  ['bytes=10-', false],
  ['bytes=0-10', false],
  ['bytes=5-4', false],
  ['bytes=-11', false],
  ['bytes=-0', false],
  ['bytes=-', false],
  ['', false],
  ['bytes=0-1,3-4', false],
])('of ten bytes the range %j is answered as one: %p', (range, expected) => {
  expect(isWithin(range, 10)).toBe(expected);
});

test('If-Match is met by the tag, by any of several, and by a star', () => {
  const met = [undefined, '"A"', '"x", "A"', '*', '"x"'].map((each) => isMatched(each, '"A"'));
  expect(met).toEqual([true, true, true, true, false]);
});

test('names are spelled as the object store does', () => {
  const headers = { 'content-length': 1, etag: 2, 'last-modified': 3, 'x-padding-0': 4 };
  const names = ['Content-Length', 'ETag', 'Last-Modified', 'X-Padding-0'];
  expect(Object.keys(spelled(headers))).toEqual(names);
});
