import { redirect, serve, silence, status } from '../../support/fault-replies';
import { imageOf } from '../../support/image';
import { type DownloadCase, from } from './case';

const MIB = 1024 * 1024;
const image = imageOf(5 * MIB + 7);
const other = imageOf(5 * MIB + 7, 2);
const fetch = { connections: 3 };
const first = `bytes=0-${MIB - 1}`;
const pieces = [0, 1, 2, 3, 4, 5].map((piece) => {
  const last = Math.min((piece + 1) * MIB, image.length) - 1;
  return `bytes=${piece * MIB}-${last}`;
});

/** An image over three connections. */
export const parallel: readonly DownloadCase[] = [
  {
    server: 'honours ranges',
    engine: 'fetches pieces side by side, each once, over the connections it may open',
    image,
    fetch,
    schedule: [serve()],
    ends: 'ok',
    requests: 6,
    also: ({ requests, sent, connections }) => {
      expect(requests.map(({ range }) => range).sort()).toEqual([...pieces].sort());
      expect(sent).toBe(image.length);
      expect(connections).toBe(3);
    },
  },
  {
    server: 'ignores ranges',
    engine: 'takes the whole image over the one connection',
    image,
    fetch,
    schedule: [serve({ ranges: false })],
    ends: 'ok',
    requests: [first],
    also: ({ sent }) => expect(sent).toBe(image.length),
  },
  {
    server: 'ignores ranges and breaks on the way',
    engine: 'begins again, over one connection',
    image,
    fetch,
    schedule: [serve({ ranges: false, after: 3_000_000, ending: 'close' }), serve()],
    ends: 'ok',
  },
  {
    server: 'breaks pieces in the middle',
    engine: 'goes on where each broke',
    image,
    fetch,
    schedule: [
      serve(),
      serve({ after: 300_000, ending: 'close' }),
      serve({ after: 700_000, ending: 'close' }),
      serve(),
    ],
    ends: 'ok',
    also: ({ sent }) => expect(sent).toBe(image.length),
  },
  {
    server: 'closes every connection behind its answer',
    engine: 'opens new ones',
    image,
    fetch,
    schedule: [serve({ fields: { Connection: 'close' }, ending: 'close' })],
    ends: 'ok',
    requests: 6,
    also: ({ connections, sent }) => expect([connections, sent]).toEqual([6, image.length]),
  },
  {
    server: 'keeps connections, but closes each when it is used again',
    engine: 'opens new ones at once, which counts as no failed try',
    image,
    fetch,
    schedule: [(exchange) => (exchange.request.nth === 0 ? serve() : silence('close'))(exchange)],
    ends: 'ok',
    also: ({ sent }) => expect(sent).toBe(image.length),
  },
  {
    server: 'answers further connections with 503, as long as the first lives',
    engine: 'goes on over what it is given',
    image,
    fetch,
    schedule: [serve(), status('503 One at a time'), status('503 One at a time'), serve()],
    ends: 'ok',
  },
  {
    server: 'refuses pieces for good (403), where the whole is allowed',
    engine: 'falls back to one connection',
    image,
    fetch: { ...fetch, renewTimeout: false },
    schedule: [serve(), status('403 No'), status('403 No'), serve()],
    ends: 'ok',
  },
  {
    server: 'gives another range than a piece',
    engine: 'falls back to one connection',
    image,
    fetch,
    schedule: [
      serve(),
      serve({ span: ({ start, end }) => ({ start: start + 1, end }) }),
      serve({ span: ({ start, end }) => ({ start, end: end + 1 }) }),
      serve(),
    ],
    ends: 'ok',
  },
  {
    server: 'gives less than a piece',
    engine: 'asks for the rest of it',
    image,
    fetch,
    schedule: [
      serve(),
      serve({ span: ({ start }) => ({ start, end: start + 500_000 }) }),
      serve({ span: ({ start }) => ({ start, end: start + 500_000 }) }),
      serve(),
    ],
    ends: 'ok',
    also: ({ sent }) => expect(sent).toBe(image.length),
  },
  {
    server: 'answers a piece with the whole image',
    engine: 'falls back to one connection',
    image,
    fetch,
    schedule: [serve(), serve({ ranges: false }), serve()],
    ends: 'ok',
  },
  {
    server: 'has got another entity tag for a piece',
    engine: 'falls back, and mixes nothing',
    image,
    fetch,
    schedule: [serve(), serve({ fields: { ETag: '"another"' } }), serve()],
    ends: 'ok',
  },
  {
    server: 'has another byte in a piece',
    engine: 'refuses the image',
    image,
    fetch,
    schedule: [serve({ corruptAt: 3 * MIB })],
    ends: 'ERR_DIGEST_MISMATCH',
    requests: 6,
  },
  {
    server: 'has got another image meanwhile, under the same entity tag',
    engine: 'refuses what is mixed',
    image,
    fetch,
    schedule: [serve({ etag: '"same"' }), serve({ image: other, etag: '"same"' })],
    ends: 'ERR_DIGEST_MISMATCH',
    requests: 6,
  },
  {
    server: 'resets every connection in its middle, once',
    engine: 'goes on where each broke',
    image,
    fetch,
    schedule: [
      serve({ after: 500_000, ending: 'reset' }),
      serve({ after: 500_000, ending: 'reset' }),
      serve({ after: 500_000, ending: 'reset' }),
      serve(),
    ],
    ends: 'ok',
  },
  {
    server: 'redirects every request',
    engine: 'follows for each piece',
    image,
    fetch,
    schedule: [
      (exchange) => (exchange.request.target === '/b' ? serve() : redirect(302, '/b'))(exchange),
    ],
    ends: 'ok',
    also: ({ sent }) => expect(sent).toBe(image.length),
  },
  {
    server: 'goes away in the middle of all pieces',
    engine: 'gives up, and keeps what came without a gap',
    image,
    fetch,
    schedule: [serve(), serve({ after: 100_000, ending: 'close' }), silence('close')],
    ends: 'ERR_CONNECTION_CLOSED',
    keeps: true,
  },
  {
    server: 'is smaller than a piece',
    engine: 'does not ask for ranges',
    fetch,
    schedule: [serve({ after: 200_000, ending: 'close' }), serve()],
    ends: 'ok',
    requests: ['', from(200_000)],
  },
];
