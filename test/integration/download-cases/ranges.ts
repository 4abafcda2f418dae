import { etagOf, raw, serve, status } from '../../support/fault-replies';
import { type DownloadCase, from, image, otherImage, SIZE } from './case';

const broken = serve({ after: 200_000, ending: 'close' });
const resumed = ['', from(200_000)];
/** A bad answer to a range: once, all is asked for. */
const askedForAll = [...resumed, ''];

const notSatisfiable = status('416 Range Not Satisfiable', {
  fields: { 'Content-Range': `bytes */${SIZE}` },
});

/** Answers to a download that goes on at byte 200,000. */
export const ranges: readonly DownloadCase[] = [
  {
    server: 'answers a range with 200 and the whole image',
    engine: 'compares it with what is there, and goes on where they agree',
    schedule: [broken, serve({ ranges: false })],
    ends: 'ok',
    requests: resumed,
  },
  {
    server: 'answers a range with 200, and breaks again on the way',
    engine: 'keeps what is new of it, and goes on there',
    schedule: [broken, serve({ ranges: false, after: 400_000, ending: 'close' }), serve()],
    ends: 'ok',
    requests: [...resumed, from(400_000)],
  },
  {
    server: 'has got another entity tag meanwhile, for the same bytes',
    engine: 'goes on: size and digest say which image it is',
    schedule: [broken, serve({ etag: '"another"' })],
    ends: 'ok',
    requests: resumed,
    also: ({ requests }) => expect(requests[1]?.headers.has('if-range')).toBe(false),
  },
  {
    server: 'has got another image of the same size, and another entity tag',
    engine: 'takes the range, finds the digest wrong, and fetches it once more from byte 0',
    schedule: [broken, serve({ image: otherImage }), serve()],
    ends: 'ok',
    requests: askedForAll,
    chunks: { ends: 'ERR_DIGEST_MISMATCH', requests: resumed },
  },
  {
    server: 'has got another image of the same size for good',
    engine: 'fetches it once more from byte 0, and refuses it',
    schedule: [broken, serve({ image: otherImage })],
    ends: 'ERR_DIGEST_MISMATCH',
    requests: askedForAll,
    chunks: { ends: 'ERR_DIGEST_MISMATCH', requests: resumed },
  },
  {
    server: 'has got another image of the same size, and gives no ranges',
    engine: 'compares it with what is there, and begins again only since it differs',
    schedule: [broken, serve({ image: otherImage, ranges: false }), serve()],
    ends: 'ok',
    requests: askedForAll,
    chunks: { ends: 'ERR_CHANGED', requests: askedForAll },
  },
  {
    server: 'has got another image of the same size under the same entity tag',
    engine: 'refuses what is mixed',
    schedule: [broken, serve({ image: otherImage, etag: etagOf(image) })],
    ends: 'ERR_DIGEST_MISMATCH',
    requests: resumed,
  },
  {
    server: 'has got an image of another size for a while, without ranges (a log-in page)',
    engine: 'keeps what is there, and goes on later',
    schedule: [broken, serve({ image: image.subarray(1), ranges: false }), serve()],
    fetch: { maxRetries: 2 },
    ends: 'ok',
    requests: [...resumed, from(200_000)],
  },
  {
    server: 'has got an image of another size for good, without ranges',
    engine: 'keeps what is there, and gives up in the end',
    schedule: [broken, serve({ image: image.subarray(1), ranges: false })],
    fetch: { maxRetries: 2 },
    ends: 'ERR_HTTP_RANGE',
    requests: [...resumed, from(200_000)],
    keeps: true,
  },
  {
    server: 'sends a page of no told length instead of the range (a log-in page)',
    engine: 'keeps what is there, and goes on later',
    schedule: [broken, raw('HTTP/1.1 200 OK\r\n\r\n<html>Please log in</html>'), serve()],
    fetch: { maxRetries: 2 },
    ends: 'ok',
    requests: [...resumed, from(200_000)],
  },
  ...[
    '400 Bad Request',
    '404 Not Found',
    '405 Method Not Allowed',
    '500 Internal Server Error',
    '501 Not Implemented',
    '503 Service Unavailable',
  ].map(
    (line): DownloadCase => ({
      server: `answers each range with ${line}`,
      engine: 'asks once without a range, and goes on where the bytes agree',
      schedule: [broken, status(line), serve()],
      ends: 'ok',
      requests: askedForAll,
    }),
  ),
  {
    server: 'has no entity tag',
    engine: 'goes on without If-Range: size and digest decide',
    schedule: [serve({ etag: null, after: 200_000, ending: 'close' }), serve({ etag: null })],
    ends: 'ok',
    requests: resumed,
    also: ({ requests }) => expect(requests[1]?.headers.has('if-range')).toBe(false),
  },
  {
    server: 'has a weak entity tag',
    engine: 'goes on without If-Range, which needs a strong one',
    schedule: [
      serve({ etag: 'W/"weak"', after: 200_000, ending: 'close' }),
      serve({ etag: 'W/"weak"' }),
    ],
    ends: 'ok',
    requests: resumed,
    also: ({ requests }) => expect(requests[1]?.headers.has('if-range')).toBe(false),
  },
  {
    server: 'does not tell the total in Content-Range',
    engine: 'takes the range',
    schedule: [
      broken,
      serve({ fields: { 'Content-Range': ({ start }) => `bytes ${start}-${SIZE - 1}/*` } }),
    ],
    ends: 'ok',
    requests: resumed,
  },
  {
    server: 'gives less than the range, as it may',
    engine: 'asks for the rest on the same connection',
    schedule: [
      broken,
      serve({ span: ({ start }) => ({ start, end: start + 100_000 }) }),
      serve({ span: ({ start }) => ({ start, end: start + 100_000 }) }),
      serve(),
    ],
    ends: 'ok',
    requests: [...resumed, from(300_000), from(400_000)],
    also: (server) => expect(server.connections).toBe(2),
  },
  {
    server: 'gives another range: one byte later',
    engine: 'asks once without a range',
    schedule: [broken, serve({ span: ({ start, end }) => ({ start: start + 1, end }) }), serve()],
    ends: 'ok',
    requests: askedForAll,
  },
  {
    server: 'gives another range: the whole image as 206',
    engine: 'asks once without a range',
    schedule: [broken, serve({ span: ({ end }) => ({ start: 0, end }) }), serve()],
    ends: 'ok',
    requests: askedForAll,
  },
  {
    server: 'states another first byte than it sends',
    engine: 'asks once without a range',
    schedule: [
      broken,
      serve({
        fields: { 'Content-Range': ({ start }) => `bytes ${start + 1}-${SIZE - 1}/${SIZE}` },
      }),
      serve(),
    ],
    ends: 'ok',
    requests: askedForAll,
  },
  {
    server: 'states another total',
    engine: 'asks once without a range',
    schedule: [
      broken,
      serve({
        fields: { 'Content-Range': ({ start }) => `bytes ${start}-${SIZE - 1}/${SIZE + 1}` },
      }),
      serve(),
    ],
    ends: 'ok',
    requests: askedForAll,
  },
  {
    server: 'states a last byte behind the total',
    engine: 'asks once without a range',
    schedule: [
      broken,
      serve({ fields: { 'Content-Range': ({ start }) => `bytes ${start}-${SIZE}/${SIZE}` } }),
    ],
    ends: 'ok',
    requests: askedForAll,
  },
  {
    server: 'states no range with 206',
    engine: 'asks once without a range',
    schedule: [broken, serve({ fields: { 'Content-Range': null } }), serve()],
    ends: 'ok',
    requests: askedForAll,
  },
  {
    server: 'states two ranges with 206',
    engine: 'asks once without a range',
    schedule: [
      broken,
      serve({
        fields: {
          'Content-Range': ({ start }) => [
            `bytes ${start}-${SIZE - 1}/${SIZE}`,
            `bytes 0-${SIZE - 1}/${SIZE}`,
          ],
        },
      }),
      serve(),
    ],
    ends: 'ok',
    requests: askedForAll,
  },
  {
    server: 'states a range that is none',
    engine: 'asks once without a range',
    schedule: [
      broken,
      serve({ fields: { 'Content-Range': 'bytes from here to the end' } }),
      serve(),
    ],
    ends: 'ok',
    requests: askedForAll,
  },
  {
    server: 'states a range that overflows 64 bits',
    engine: 'asks once without a range',
    schedule: [
      broken,
      serve({
        fields: {
          'Content-Range': `bytes 18446744073709751616-18446744073710151626/${SIZE}`,
        },
      }),
      serve(),
    ],
    ends: 'ok',
    requests: askedForAll,
  },
  {
    server: 'states a Content-Length that is not that of the range',
    engine: 'asks once without a range',
    schedule: [broken, serve({ fields: { 'Content-Length': SIZE } }), serve()],
    ends: 'ok',
    requests: askedForAll,
  },
  {
    server: 'sends the range in several parts (multipart/byteranges)',
    engine: 'asks once without a range',
    schedule: [
      broken,
      status('206 Partial Content', {
        fields: { 'Content-Type': 'multipart/byteranges; boundary=b' },
        body: `--b\r\nContent-Range: bytes 200000-200009/${SIZE}\r\n\r\n0123456789\r\n--b--\r\n`,
      }),
      serve(),
    ],
    ends: 'ok',
    requests: askedForAll,
  },
  {
    server: 'answers a range with 416',
    engine: 'asks for the whole image',
    schedule: [broken, notSatisfiable, serve()],
    ends: 'ok',
    requests: askedForAll,
  },
  {
    server: 'answers 416 though no range was asked for',
    engine: 'gives up',
    schedule: [notSatisfiable],
    ends: 'ERR_HTTP_RANGE',
    requests: [''],
  },
  {
    server: 'gives one byte of the range each time',
    engine: 'gives up: that is no progress',
    schedule: [broken, serve({ span: ({ start }) => ({ start, end: start + 1 }) })],
    fetch: { maxRetries: 3 },
    ends: 'ERR_TRUNCATED',
    requests: 7,
    keeps: true,
  },
  {
    server: 'answers 206 though no range was asked for',
    engine: 'refuses it',
    schedule: [
      serve({
        status: '206 Partial Content',
        fields: { 'Content-Range': `bytes 0-${SIZE - 1}/${SIZE}` },
      }),
    ],
    ends: 'ERR_HTTP_RANGE',
    requests: [''],
  },
];
