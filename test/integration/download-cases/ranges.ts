import { etagOf, serve, status } from '../../support/fault-replies';
import { type DownloadCase, from, image, otherImage, SIZE } from './case';

const broken = serve({ after: 200_000, ending: 'close' });
const resumed = ['', from(200_000)];
/** Bytes that the program was given cannot be taken back. */
const cannotBeginAgain = { ends: 'ERR_CHANGED', requests: resumed } as const;

const notSatisfiable = status('416 Range Not Satisfiable', {
  fields: { 'Content-Range': `bytes */${SIZE}` },
});

/** Answers to a download that goes on at byte 200,000. */
export const ranges: readonly DownloadCase[] = [
  {
    server: 'answers a range with 200 and the whole image',
    engine: 'begins again at byte 0',
    schedule: [broken, serve({ ranges: false })],
    ends: 'ok',
    requests: resumed,
    chunks: cannotBeginAgain,
  },
  {
    server: 'answers a range with 200, and breaks again on the way',
    engine: 'begins again, and then goes on',
    schedule: [broken, serve({ ranges: false, after: 400_000, ending: 'close' }), serve()],
    ends: 'ok',
    requests: [...resumed, from(400_000)],
    chunks: { ends: 'ERR_CHANGED', requests: undefined },
  },
  {
    server: 'has got another entity tag meanwhile, for the same bytes',
    engine: 'is answered with the whole image by If-Range, and begins again',
    schedule: [broken, serve({ etag: '"another"' })],
    ends: 'ok',
    requests: resumed,
    chunks: cannotBeginAgain,
  },
  {
    server: 'has got another entity tag, and answers 206 all the same',
    engine: 'asks for the whole image: the two may be parts of different ones',
    schedule: [
      broken,
      serve({ fields: { ETag: '"another"' } }),
      serve({ fields: { ETag: '"another"' } }),
    ],
    fetch: { maxRetries: 2 },
    ends: 'ok',
    requests: [...resumed, ''],
    chunks: { ends: 'ERR_CHANGED', requests: [...resumed, ''] },
  },
  {
    server: 'has got another image of the same size, and another entity tag',
    engine: 'begins again, and refuses what is not the announced image',
    schedule: [broken, serve({ image: otherImage })],
    ends: 'ERR_DIGEST_MISMATCH',
    requests: resumed,
    chunks: cannotBeginAgain,
  },
  {
    server: 'has got another image of the same size under the same entity tag',
    engine: 'refuses what is mixed',
    schedule: [broken, serve({ image: otherImage, etag: etagOf(image) })],
    ends: 'ERR_DIGEST_MISMATCH',
    requests: resumed,
  },
  {
    server: 'has got an image of another size',
    engine: 'refuses it',
    schedule: [broken, serve({ image: image.subarray(1) })],
    ends: 'ERR_SIZE_MISMATCH',
    requests: resumed,
  },
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
    engine: 'refuses it',
    schedule: [broken, serve({ span: ({ start, end }) => ({ start: start + 1, end }) })],
    ends: 'ERR_HTTP_RANGE',
    requests: resumed,
    keeps: true,
  },
  {
    server: 'gives another range: the whole image as 206',
    engine: 'refuses it',
    schedule: [broken, serve({ span: ({ end }) => ({ start: 0, end }) })],
    ends: 'ERR_HTTP_RANGE',
    requests: resumed,
    keeps: true,
  },
  {
    server: 'states another first byte than it sends',
    engine: 'refuses it',
    schedule: [
      broken,
      serve({
        fields: { 'Content-Range': ({ start }) => `bytes ${start + 1}-${SIZE - 1}/${SIZE}` },
      }),
    ],
    ends: 'ERR_HTTP_RANGE',
    requests: resumed,
    keeps: true,
  },
  {
    server: 'states another total',
    engine: 'refuses it',
    schedule: [
      broken,
      serve({
        fields: { 'Content-Range': ({ start }) => `bytes ${start}-${SIZE - 1}/${SIZE + 1}` },
      }),
    ],
    ends: 'ERR_HTTP_RANGE',
    requests: resumed,
    keeps: true,
  },
  {
    server: 'states a last byte behind the total',
    engine: 'refuses it',
    schedule: [
      broken,
      serve({ fields: { 'Content-Range': ({ start }) => `bytes ${start}-${SIZE}/${SIZE}` } }),
    ],
    ends: 'ERR_HTTP_RANGE',
    requests: resumed,
    keeps: true,
  },
  {
    server: 'states no range with 206',
    engine: 'refuses it',
    schedule: [broken, serve({ fields: { 'Content-Range': null } })],
    ends: 'ERR_HTTP_RANGE',
    requests: resumed,
    keeps: true,
  },
  {
    server: 'states two ranges with 206',
    engine: 'refuses it',
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
    ],
    ends: 'ERR_HTTP_RANGE',
    requests: resumed,
    keeps: true,
  },
  {
    server: 'states a range that is none',
    engine: 'refuses it',
    schedule: [broken, serve({ fields: { 'Content-Range': 'bytes from here to the end' } })],
    ends: 'ERR_HTTP_RANGE',
    requests: resumed,
    keeps: true,
  },
  {
    server: 'states a range that overflows 64 bits',
    engine: 'refuses it',
    schedule: [
      broken,
      serve({
        fields: {
          'Content-Range': `bytes 18446744073709751616-18446744073710151626/${SIZE}`,
        },
      }),
    ],
    ends: 'ERR_HTTP_RANGE',
    requests: resumed,
    keeps: true,
  },
  {
    server: 'states a Content-Length that is not that of the range',
    engine: 'refuses it',
    schedule: [broken, serve({ fields: { 'Content-Length': SIZE } })],
    ends: 'ERR_HTTP_RANGE',
    requests: resumed,
    keeps: true,
  },
  {
    server: 'sends the range in several parts (multipart/byteranges)',
    engine: 'refuses it',
    schedule: [
      broken,
      status('206 Partial Content', {
        fields: { 'Content-Type': 'multipart/byteranges; boundary=b' },
        body: `--b\r\nContent-Range: bytes 200000-200009/${SIZE}\r\n\r\n0123456789\r\n--b--\r\n`,
      }),
    ],
    ends: 'ERR_HTTP_RANGE',
    requests: resumed,
    keeps: true,
  },
  {
    server: 'answers a range with 416',
    engine: 'asks for the whole image',
    schedule: [broken, notSatisfiable, serve()],
    fetch: { maxRetries: 2 },
    ends: 'ok',
    requests: [...resumed, ''],
    chunks: { ends: 'ERR_CHANGED', requests: [...resumed, ''] },
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
