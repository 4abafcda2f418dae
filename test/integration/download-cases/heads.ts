import { flood, raw, serve } from '../../support/fault-replies';
import { type DownloadCase, from, SIZE } from './case';

const ok = 'HTTP/1.1 200 OK\r\n';
const twice = ['', ''];

/** A head that is right but for one place: the image follows. */
const spoilt = (
  server: string,
  head: (right: string) => string,
  code: 'ERR_HTTP_PROTOCOL' | 'ERR_HTTP_HEAD_TOO_LARGE' = 'ERR_HTTP_PROTOCOL',
): DownloadCase => ({
  server,
  engine: 'refuses the answer',
  schedule: [serve({ head, ending: 'close' })],
  ends: code,
  requests: code === 'ERR_HTTP_PROTOCOL' ? twice : [''],
});

/** Heads that are wrong, too long, or preceded by others. */
export const heads: readonly DownloadCase[] = [
  {
    server: 'says 100 Continue first',
    engine: 'skips it',
    schedule: [serve({ before: 'HTTP/1.1 100 Continue\r\n\r\n' })],
    ends: 'ok',
    requests: [''],
  },
  {
    server: 'gives early hints (103) first, several times',
    engine: 'skips them',
    schedule: [
      serve({ before: 'HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n'.repeat(5) }),
    ],
    ends: 'ok',
    requests: [''],
  },
  {
    server: 'gives early hints before a range',
    engine: 'skips them',
    schedule: [
      serve({ after: 200_000, ending: 'close' }),
      serve({ before: 'HTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\n\r\n' }),
    ],
    ends: 'ok',
    requests: ['', from(200_000)],
  },
  {
    server: 'gives interim answers without end',
    engine: 'refuses them',
    schedule: [flood('', 'HTTP/1.1 100 Continue\r\n\r\n')],
    ends: 'ERR_HTTP_PROTOCOL',
    requests: twice,
  },
  {
    server: 'sends header fields without end',
    engine: 'stops at the limit',
    schedule: [flood(ok, 'X-A: b\r\n')],
    ends: 'ERR_HTTP_HEAD_TOO_LARGE',
    requests: [''],
  },
  {
    server: 'sends one header field without end',
    engine: 'stops at the limit',
    schedule: [flood(`${ok}X-A: `, 'b'.repeat(1_000))],
    ends: 'ERR_HTTP_HEAD_TOO_LARGE',
    requests: [''],
  },
  {
    server: 'sends a status line without end',
    engine: 'stops at the limit',
    schedule: [flood('HTTP/1.1 200 ', 'OK '.repeat(300))],
    ends: 'ERR_HTTP_HEAD_TOO_LARGE',
    requests: [''],
  },
  {
    server: 'sends many long fields, within the limit',
    engine: 'takes them',
    schedule: [
      serve({
        fields: Object.fromEntries(
          Array.from({ length: 100 }, (_, i) => [`X-${i}`, 'x'.repeat(250)]),
        ),
      }),
    ],
    ends: 'ok',
    requests: [''],
  },
  {
    server: 'writes the head in other letters, without a reason, and with spaces',
    engine: 'takes it',
    schedule: [
      serve({
        head: () =>
          `HTTP/1.1 200\r\ncontent-LENGTH:${SIZE}\r\nX-Empty:\r\nX-Latin: \xe9  \t\r\n\r\n`,
      }),
    ],
    ends: 'ok',
    requests: [''],
  },
  spoilt('has a NUL in a header field', (head) => head.replace('bytes', 'by\0tes')),
  spoilt('has a NUL in the name of a header field', (head) => head.replace('Accept', 'Acc\0ept')),
  spoilt('has a NUL in the status line', (head) => head.replace('OK', 'O\0K')),
  spoilt('has a control character in a header field', (head) => head.replace('bytes', 'by\x07tes')),
  spoilt('ends the lines of the head with a bare LF', (head) => head.replaceAll('\r\n', '\n')),
  spoilt('ends one line of the head with a bare LF', (head) =>
    head.replace('bytes\r\n', 'bytes\n'),
  ),
  spoilt('has a bare CR in a header field', (head) => head.replace('bytes', 'by\rtes')),
  spoilt('has a space before a colon', (head) => head.replace('Accept-Ranges:', 'Accept-Ranges :')),
  spoilt('has a line without a colon', (head) => head.replace('Accept-Ranges: bytes', 'what')),
  spoilt('has a field without a name', (head) => head.replace('Accept-Ranges:', ':')),
  spoilt('has a status of two digits', (head) => head.replace('200 OK', '20 OK')),
  spoilt('has a status of four digits', (head) => head.replace('200 OK', '2000 OK')),
  spoilt('has a status that is no number', (head) => head.replace('200 OK', '2x0 OK')),
  spoilt('speaks another HTTP', (head) => head.replace('HTTP/1.1', 'HTTP/2.0')),
  spoilt('speaks another protocol', () => 'SSH-2.0-OpenSSH_9.2\r\n'),
  spoilt('speaks HTTP/0.9: no head at all', () => ''),
  {
    server: 'switches protocols (101), though nobody asked for that',
    engine: 'refuses the answer',
    schedule: [raw('HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n')],
    ends: 'ERR_HTTP_PROTOCOL',
    requests: twice,
  },
];
