import {
  asked,
  buffer,
  call,
  closed,
  dataOf,
  fetchAll,
  notice,
  opened,
  pushed,
  type Scenario,
} from '../support/scenario';
import type { Answer } from '../support/server';

const SIZE = 20_000;
const ok = `HTTP/1.1 200 OK\r\nContent-Length: ${SIZE}`;

const partial = (from: number) =>
  `HTTP/1.1 206 Partial Content\r\nContent-Range: bytes ${from}-${SIZE - 1}/${SIZE}\r\nContent-Length: ${SIZE - from}`;

/** The rest of the image answers well. */
const once = (answer: Answer): Answer[] => [answer, {}];

/** Fetched to its end, well or badly. */
const toEnd = (
  name: string,
  answers: readonly Answer[],
  options: Partial<Scenario> = {},
): Scenario => ({
  name: `http: ${name}`,
  answers: { '/firmware': answers },
  steps: [...opened(), ...pushed(), fetchAll(), ...asked(), ...closed()],
  ...options,
});

/** As far as `rounds` calls of a second each: what never ends is left by Deinit. */
const notToEnd = (name: string, answer: Answer): Scenario => ({
  name: `http: ${name}`,
  answers: { '/firmware': [answer] },
  steps: [
    ...opened(),
    ...pushed(),
    call('IOT_OTA_FetchYield', '@ota', buffer(4000), 1),
    call('IOT_OTA_IsFetching', '@ota'),
    call('IOT_OTA_IsFetchFinish', '@ota'),
    call('IOT_OTA_GetLastError', '@ota'),
    ...closed(),
  ],
});

const fromUrl = (name: string, url: string, options: Partial<Scenario> = {}): Scenario => ({
  name: `http: ${name}`,
  steps: [...opened(), ...pushed(notice({ url })), fetchAll(), ...asked(), ...closed()],
  whole: true,
  ...options,
});

const status = (line: string, body = 'some text, no firmware'): Answer => ({
  head: `HTTP/1.1 ${line}\r\nContent-Length: ${body.length}`,
  body,
});

export const http: readonly Scenario[] = [
  toEnd('200, complete', [{}], { whole: true }),
  toEnd('200 without a reason', [{ head: `HTTP/1.1 200 \r\nContent-Length: ${SIZE}` }], {
    whole: true,
  }),
  toEnd(
    'HTTP/1.0, body to the end of the connection',
    [{ head: 'HTTP/1.0 200 OK', ending: 'close' }],
    { whole: true },
  ),
  toEnd('chunked', [{ head: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked', chunked: 777 }], {
    whole: true,
  }),
  toEnd('headers in other spelling', [{ head: `HTTP/1.1 200 OK\r\ncontent-length:${SIZE}` }], {
    whole: true,
  }),
  toEnd(
    'X-Content-Length before the real one',
    [{ head: `HTTP/1.1 200 OK\r\nX-Content-Length: 5\r\nContent-Length: ${SIZE}` }],
    { whole: true },
  ),
  toEnd('a head of 8 KiB', [{ head: `${ok}\r\nX-Long: ${'x'.repeat(8000)}` }], { whole: true }),
  toEnd('404 with a body', [status('404 Not Found')]),
  toEnd('403, and there is no other URL', [status('403 Forbidden')]),
  toEnd('403, the signed URL is expired', [status('403 Forbidden')], {
    whole: true,
    upgrade: dataOf(notice({ url: '{url}/another' })),
  }),
  toEnd(
    '403 behind a drop',
    [{ head: `${ok}\r\nETag: "one"`, cut: 9000, ending: 'close' }, status('403 Forbidden')],
    { whole: true, upgrade: dataOf(notice({ url: '{url}/another' })) },
  ),
  toEnd('416, a status line longer than 30 characters', [
    status('416 Range Not Satisfiable at all'),
  ]),
  toEnd('204', [{ head: 'HTTP/1.1 204 No Content', body: '' }]),
  toEnd('304', [{ head: 'HTTP/1.1 304 Not Modified', body: '' }]),
  toEnd('500 once', once(status('500 Internal Server Error')), { whole: true }),
  toEnd(
    '503 once, with Retry-After',
    once({ head: 'HTTP/1.1 503 Unavailable\r\nRetry-After: 0\r\nContent-Length: 0', body: '' }),
    { whole: true },
  ),
  toEnd(
    '302 to another path',
    [{ head: 'HTTP/1.1 302 Found\r\nLocation: /other?x=1#y\r\nContent-Length: 0', body: '' }],
    { whole: true },
  ),
  toEnd('302 for ever', [
    { head: 'HTTP/1.1 302 Found\r\nLocation: /firmware\r\nContent-Length: 0', body: '' },
  ]),
  toEnd('302 without Location', [{ head: 'HTTP/1.1 302 Found\r\nContent-Length: 0', body: '' }]),
  toEnd('206 to a request without Range', [
    {
      head: partial(0),
    },
  ]),
  toEnd('a body shorter than announced', [
    { head: 'HTTP/1.1 200 OK\r\nContent-Length: 100', body: { length: 100 } },
  ]),
  toEnd('a body longer than announced', [
    { head: `HTTP/1.1 200 OK\r\nContent-Length: ${SIZE + 500}`, more: 500 },
  ]),
  toEnd('a chunked body longer than announced', [
    {
      head: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked',
      body: `4e84\r\n${'x'.repeat(0x4e84)}\r\n0\r\n\r\n`,
    },
  ]),
  toEnd('Content-Length: 0', [{ head: 'HTTP/1.1 200 OK\r\nContent-Length: 0', body: '' }]),
  toEnd('Content-Length of 3 GiB', [{ head: 'HTTP/1.1 200 OK\r\nContent-Length: 3221225472' }]),
  toEnd(
    'Content-Length of -5',
    once({ head: 'HTTP/1.1 200 OK\r\nContent-Length: -5', ending: 'close' }),
    { whole: true },
  ),
  toEnd('two lengths that differ', once({ head: `${ok}\r\nContent-Length: 5`, ending: 'close' }), {
    whole: true,
  }),
  toEnd('compressed though not asked for', [{ head: `${ok}\r\nContent-Encoding: gzip` }]),
  toEnd('no HTTP at all', once({ head: 'SSH-2.0-OpenSSH', body: '', ending: 'close' }), {
    whole: true,
  }),
  toEnd('closed in the body', once({ head: `${ok}\r\nETag: "one"`, cut: 9000, ending: 'close' }), {
    whole: true,
  }),
  toEnd(
    'reset in the body, again and again',
    [
      { head: `${ok}\r\nETag: "one"`, cut: 5000, ending: 'close' },
      { cut: 5000, ending: 'close' },
      {},
    ],
    { whole: true },
  ),
  toEnd('closed in the head', once({ cut: 20, ending: 'close' }), { whole: true }),
  toEnd('closed before the head', once({ cut: 0, ending: 'close' }), { whole: true }),
  toEnd(
    '200 to the Range',
    [{ head: `${ok}\r\nETag: "one"`, cut: 9000, ending: 'close' }, { ignoreRange: true }],
    { whole: true },
  ),
  toEnd(
    'another entity tag behind the drop',
    [
      { head: `${ok}\r\nETag: "one"`, cut: 9000, ending: 'close' },
      { head: `${partial(8945)}\r\nETag: "two"`, ending: 'close' },
      {},
    ],
    { whole: true },
  ),
  toEnd('another range than asked for', [
    { head: `${ok}\r\nETag: "one"`, cut: 9000, ending: 'close' },
    {
      head: partial(5),
    },
  ]),
  toEnd('a drop behind 1,000,000 bytes', once({ cut: 1_200_000, ending: 'close' }), {
    size: 1_500_000,
    whole: true,
  }),
  notToEnd('stalls before the head', { cut: 0, ending: 'stall' }),
  notToEnd('stalls in the head', { cut: 30, ending: 'stall' }),
  notToEnd('stalls in the body', { head: `${ok}\r\nETag: "one"`, cut: 5000, ending: 'stall' }),
  {
    name: 'http: a time-out of 0',
    steps: [
      ...opened(),
      ...pushed(),
      call('IOT_OTA_IsFetching', '@ota'),
      fetchAll(),
      ...asked(),
      ...closed(),
    ],
  },
  fromUrl(
    'a path of 3,000 characters and a query',
    `{url}/${'p'.repeat(3000)}?Expires=1&Signature=${'s'.repeat(900)}`,
  ),
  fromUrl('a fragment, which is not sent', '{url}/firmware?a=b#part'),
  fromUrl('no path', '{url}'),
  fromUrl('a query without a path', '{url}?a=b'),
  fromUrl('a host by name', 'http://localhost:{port}/firmware'),
];
