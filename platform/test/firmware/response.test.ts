import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { answer, type BodyFault, type Image } from '../../src/firmware/response';

const image: Image = { id: 'i', owner: 'i', size: 100, md5: 'ab', createdAt: 0 };
const ETAG = '"AB"';
const DATE = 'Thu, 01 Jan 1970 00:00:00 GMT';

function ask(headers: IncomingHttpHeaders = {}, ...faults: object[]) {
  const struck = faults.map((fault) => ({ id: 'f', hits: 1, ...fault })) as BodyFault[];
  return answer({ headers } as IncomingMessage, image, '/path', struck, { badRange: 'refused' });
}

function askObjectStore(range: string) {
  return answer({ headers: { range } } as IncomingMessage, image, '/path', [], {
    badRange: 'whole',
  });
}

test('the whole file', () => {
  expect(ask()).toEqual({
    status: 200,
    headers: {
      'content-type': 'application/octet-stream',
      'accept-ranges': 'bytes',
      'content-length': 100,
      etag: ETAG,
      'last-modified': DATE,
    },
    body: { path: '/path', start: 0, end: 100 },
  });
});

test.each([
  ['bytes=10-19', 10, 20],
  ['bytes=90-', 90, 100],
  ['bytes=-5', 95, 100],
  ['bytes=90-1000', 90, 100],
])('a range: %s', (range, start, end) => {
  expect(ask({ range })).toMatchObject({
    status: 206,
    headers: {
      'content-range': `bytes ${start}-${end - 1}/100`,
      'content-length': end - start,
    },
    body: { start, end },
  });
});

test('a range outside is 416; what is no single range is the whole file', () => {
  expect(ask({ range: 'bytes=100-' })).toMatchObject({
    status: 416,
    headers: { 'content-range': 'bytes */100' },
  });
  for (const range of ['lines=1-2', 'bytes=x', 'bytes=0-1,5-9']) {
    expect(ask({ range }).status).toBe(200);
  }
});

test('the object store answers a bad range with 200 and the whole object', () => {
  for (const range of [
    'bytes=100-',
    'bytes=90-100',
    'bytes=20-10',
    'bytes=-0',
    'bytes=-101',
    'bytes=-',
    'lines=1-2',
    'bytes=0-1,5-9',
  ]) {
    const { status, headers, body } = askObjectStore(range);
    expect([range, status, headers['content-range'], body]).toEqual([
      range,
      200,
      undefined,
      { path: '/path', start: 0, end: 100 },
    ]);
  }
  for (const [range, start] of [
    ['bytes=0-', 0],
    ['bytes=99-', 99],
    ['bytes=10-99', 10],
    ['bytes=-100', 0],
  ] as const) {
    expect(askObjectStore(range)).toMatchObject({ status: 206, body: { start, end: 100 } });
  }
});

test('If-Match', () => {
  for (const [condition, status] of [
    [ETAG, 200],
    [`"x", ${ETAG}`, 200],
    ['*', 200],
    ['"x"', 412],
  ] as const) {
    expect(ask({ 'if-match': condition }).status).toBe(status);
  }
});

test('If-Range must name what is stored', () => {
  for (const [condition, status] of [
    [ETAG, 206],
    [DATE, 206],
    ['"other"', 200],
  ] as const) {
    expect(ask({ range: 'bytes=1-', 'if-range': condition }).status).toBe(status);
  }
});

test('If-None-Match', () => {
  for (const [condition, status] of [
    [ETAG, 304],
    [`"x", W/${ETAG}`, 304],
    ['*', 304],
    ['"x"', 200],
  ] as const) {
    expect(ask({ 'if-none-match': condition }).status).toBe(status);
  }
});

test.each<[object, object]>([
  [{ kind: 'http-drop', afterBytes: 5 }, { body: { stopAfter: 5, ending: 'destroy' } }],
  [{ kind: 'http-stall', afterBytes: 5 }, { body: { stopAfter: 5, ending: 'stall' } }],
  [
    { kind: 'http-short-body', missingBytes: 30 },
    { headers: { 'content-length': 100 }, body: { stopAfter: 70, ending: 'end-connection' } },
  ],
  [
    { kind: 'http-short-length', missingBytes: 30 },
    { headers: { 'content-length': 70 }, body: { end: 70 } },
  ],
  [
    { kind: 'http-long-body', extraBytes: 5 },
    { headers: { 'content-length': 105 }, body: { extraBytes: 5 } },
  ],
  [{ kind: 'http-corrupt', offset: 3 }, { body: { corruptAt: 3 } }],
  [{ kind: 'http-slow', bytesPerSecond: 9 }, { body: { bytesPerSecond: 9 } }],
  [{ kind: 'http-chunked', chunkBytes: 7 }, { body: { chunkBytes: 7 } }],
  [{ kind: 'http-etag', etag: '"x"' }, { headers: { etag: '"x"' } }],
  [{ kind: 'http-headers', count: 1, bytes: 3 }, { headers: { 'x-padding-0': 'xxx' } }],
])('%j', (fault, expected) => expect(ask({}, fault)).toMatchObject(expected));

test('faults that take away, or concern ranges', () => {
  expect(ask({}, { kind: 'http-chunked' }).headers).not.toHaveProperty('content-length');
  expect(ask({}, { kind: 'http-no-etag' }).headers).not.toHaveProperty('etag');
  const range = 'bytes=10-19';
  expect(ask({ range }, { kind: 'http-ignore-range' }).status).toBe(200);
  const shifted = ask({ range }, { kind: 'http-wrong-content-range', shift: -20 });
  expect(shifted.headers['content-range']).toBe('bytes 0-19/100');
});
