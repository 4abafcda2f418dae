import { serve, silence, status } from '../../support/fault-replies';
import { type DownloadCase, from, image, SIZE } from './case';

const broken = serve({ after: 200_000, ending: 'close' });

const permanent = (line: string): DownloadCase => ({
  server: `answers ${line}`,
  engine: 'gives up at once',
  schedule: [status(line, { body: 'no' })],
  ends: 'ERR_HTTP_STATUS',
  requests: [''],
});

const temporary = (line: string): DownloadCase => ({
  server: `answers ${line} once`,
  engine: 'asks again',
  schedule: [status(line, { body: 'later' }), serve()],
  ends: 'ok',
  requests: ['', ''],
});

const retryAfter = (server: string, value: string): DownloadCase => ({
  server: `answers 503 with a Retry-After ${server}`,
  engine: 'asks again when its own back-off is over',
  schedule: [status('503 Later', { fields: { 'Retry-After': value } }), serve()],
  ends: 'ok',
  requests: ['', ''],
});

/** Statuses that are neither 200 nor 206. */
export const statuses: readonly DownloadCase[] = [
  ...[
    '204 No Content',
    '300 Multiple Choices',
    '304 Not Modified',
    '400 Bad Request',
    '401 Unauthorized',
    '404 Not Found',
    '405 Method Not Allowed',
    '418 I am a teapot',
    '451 Unavailable For Legal Reasons',
  ].map(permanent),
  ...[
    '408 Request Timeout',
    '425 Too Early',
    '429 Too Many Requests',
    '500 Internal Server Error',
    '502 Bad Gateway',
    '503 Service Unavailable',
    '504 Gateway Timeout',
  ].map(temporary),
  {
    server: 'answers 503 each time',
    engine: 'gives up after the tries it has',
    schedule: [status('503 Service Unavailable')],
    fetch: { maxRetries: 3 },
    ends: 'ERR_HTTP_UNAVAILABLE',
    requests: ['', '', '', ''],
  },
  {
    server: 'answers 500 in the middle of a download',
    engine: 'goes on at the same byte',
    schedule: [broken, status('500 Internal Server Error'), serve()],
    fetch: { maxRetries: 2 },
    ends: 'ok',
    requests: ['', from(200_000), from(200_000)],
  },
  {
    server: 'answers 404 in the middle of a download',
    engine: 'asks once without a range, gives up, and keeps what it has',
    schedule: [broken, status('404 Not Found')],
    ends: 'ERR_HTTP_STATUS',
    requests: ['', from(200_000), ''],
    keeps: true,
  },
  {
    server: 'answers 503 and closes the connection at once',
    engine: 'asks again',
    schedule: [status('503 Later', { ending: 'close' }), serve()],
    ends: 'ok',
    requests: ['', ''],
  },
  retryAfter('of 0 seconds', '0'),
  retryAfter('that is past (a date)', 'Sun, 06 Nov 1994 08:49:37 GMT'),
  retryAfter('that is no time', 'soon'),
  retryAfter('that is negative', '-5'),
  {
    server: 'sends a page of another length instead of the image (a captive portal)',
    engine: 'refuses it before its first byte',
    schedule: [status('200 OK', { body: '<html>Please log in</html>' })],
    ends: 'ERR_SIZE_MISMATCH',
    requests: [''],
  },
  {
    server: 'fails in every way it knows before it works',
    engine: 'outlasts it',
    schedule: [
      silence('close'),
      status('503 Later'),
      silence('reset'),
      serve({ after: 200_000, ending: 'reset' }),
      status('429 Slower', { fields: { 'Retry-After': '0' } }),
      serve({ after: 100_000, ending: 'close' }),
      serve({ span: ({ start }) => ({ start, end: start + 100_000 }) }),
      silence('close'),
      serve(),
    ],
    fetch: { maxRetries: 4 },
    ends: 'ok',
    requests: 9,
    also: ({ sent }) => expect(sent).toBeGreaterThanOrEqual(SIZE),
  },
  {
    server: 'offers nothing (an empty body)',
    engine: 'refuses it',
    image,
    schedule: [serve({ image: Buffer.alloc(0) })],
    ends: 'ERR_SIZE_MISMATCH',
    requests: [''],
  },
];
