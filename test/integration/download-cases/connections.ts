import { chunks, serve, silence } from '../../support/fault-replies';
import { imageOf } from '../../support/image';
import { type DownloadCase, from, fromSomewhere, SIZE } from './case';

const small = imageOf(40);
/** After so long a server counts as silent: no machine is so busy that one that answers takes as long. */
const SILENT_MS = 800;

/** Connections that break, stall and close. */
export const connections: readonly DownloadCase[] = [
  {
    server: 'answers as it should',
    engine: 'asks once, for the whole image, uncoded',
    schedule: [serve()],
    ends: 'ok',
    requests: [''],
    also: ({ requests: [request] }) => {
      expect(request?.headers.get('accept-encoding')).toBe('identity');
      expect(request?.headers.has('if-range')).toBe(false);
    },
  },
  {
    server: 'ends the connection in the middle',
    engine: 'goes on at the next byte, without If-Range, which hurts where tags differ',
    schedule: [serve({ after: 200_000, ending: 'close' }), serve()],
    ends: 'ok',
    requests: ['', from(200_000)],
    also: ({ requests, sent }) => {
      expect(requests[1]?.headers.has('if-range')).toBe(false);
      expect(sent).toBe(SIZE);
    },
  },
  {
    server: 'resets the connection in the middle',
    engine: 'goes on behind what has arrived',
    schedule: [serve({ after: 200_000, ending: 'reset' }), serve()],
    ends: 'ok',
    requests: ['', fromSomewhere],
  },
  {
    server: 'cuts TLS off without close_notify',
    engine: 'takes that for no end, and goes on',
    schedule: [serve({ after: 200_000, ending: 'cut' }), serve()],
    over: 'https',
    ends: 'ok',
    requests: ['', from(200_000)],
  },
  {
    server: 'breaks again and again, each time after some progress',
    engine: 'goes on each time: only tries without progress are counted',
    schedule: [
      serve({ after: 100_000, ending: 'close' }),
      serve({ after: 100_000, ending: 'reset' }),
      serve({ after: 100_000, ending: 'cut' }),
      serve({ after: 100_000, ending: 'close' }),
      serve(),
    ],
    ends: 'ok',
    requests: ['', from(100_000), fromSomewhere, fromSomewhere, fromSomewhere],
  },
  {
    server: 'breaks in the middle, and then at once',
    engine: 'gives up after the tries without progress, and keeps what it has',
    schedule: [serve({ after: 200_000, ending: 'close' }), silence('close')],
    ends: 'ERR_CONNECTION_CLOSED',
    requests: ['', from(200_000)],
    keeps: true,
  },
  {
    server: 'closes the connection instead of answering, once',
    engine: 'asks again',
    schedule: [silence('close'), serve()],
    ends: 'ok',
    requests: ['', ''],
  },
  {
    server: 'resets the connection instead of answering, once',
    engine: 'asks again',
    schedule: [silence('reset'), serve()],
    ends: 'ok',
    requests: ['', ''],
  },
  {
    server: 'never answers',
    engine: 'waits as long as responseTimeout says, twice',
    schedule: [silence()],
    fetch: { responseTimeout: 200 },
    ends: 'ERR_IDLE_TIMEOUT',
    requests: ['', ''],
  },
  {
    server: 'stalls in the middle of the head',
    engine: 'waits as long as responseTimeout says, and asks again',
    schedule: [serve({ head: (head) => head.slice(0, 30), after: 0, ending: 'stall' }), serve()],
    fetch: { responseTimeout: SILENT_MS },
    ends: 'ok',
    requests: ['', ''],
  },
  {
    server: 'stalls in the middle of the body',
    engine: 'waits as long as idleTimeout says, and goes on',
    schedule: [serve({ after: 200_000, ending: 'stall' }), serve()],
    fetch: { idleTimeout: SILENT_MS },
    ends: 'ok',
    requests: ['', from(200_000)],
  },
  {
    server: 'stalls in the middle, and again before the next byte',
    engine: 'gives up, and keeps what it has',
    schedule: [serve({ after: 200_000, ending: 'stall' }), serve({ after: 0, ending: 'stall' })],
    fetch: { idleTimeout: SILENT_MS },
    ends: 'ERR_IDLE_TIMEOUT',
    requests: ['', from(200_000)],
    keeps: true,
  },
  {
    server: 'stalls behind the last byte, which no length has told',
    engine: 'has the image already',
    schedule: [serve({ fields: { 'Content-Length': null }, ending: 'stall' })],
    fetch: { idleTimeout: SILENT_MS },
    ends: 'ok',
    requests: [''],
  },
  {
    server: 'sends a byte in each write',
    engine: 'takes them as they come',
    image: small,
    schedule: [serve({ step: 1 })],
    ends: 'ok',
    requests: [''],
  },
  {
    server: 'sends a byte in each chunk and each chunk in a write',
    engine: 'takes them as they come',
    image: small,
    schedule: [serve({ chunked: chunks({ size: 1 }) })],
    ends: 'ok',
    requests: [''],
  },
  {
    server: 'closes a connection that was to be kept, between two requests',
    engine: 'asks again on another one',
    schedule: [
      serve({ after: 200_000, ending: 'close' }),
      serve({ span: ({ start }) => ({ start, end: start + 100_000 }) }),
      silence('close'),
      serve(),
    ],
    ends: 'ok',
    requests: ['', from(200_000), from(300_000), from(300_000)],
    also: (server) => expect(server.connections).toBe(3),
  },
  {
    server: 'ends the connection behind the image, though it was to be kept',
    engine: 'has the image already',
    schedule: [serve({ ending: 'close' })],
    ends: 'ok',
    requests: [''],
  },
  {
    server: 'resets the connection behind the image, which may cost what was under way',
    engine: 'has the image already, or goes on',
    schedule: [serve({ ending: 'reset' })],
    ends: 'ok',
  },
  {
    server: 'is slow for a while (lowSpeed)',
    engine: 'leaves the connection for a new one, and goes on',
    schedule: [serve({ after: 200_000, ending: 'stall' }), serve()],
    fetch: { lowSpeed: { bytesPerSecond: 200_000, duration: SILENT_MS } },
    ends: 'ok',
    requests: ['', from(200_000)],
  },
  {
    server: 'is too slow each time (lowSpeed)',
    engine: 'gives up, and keeps what it has',
    schedule: [serve({ after: 200_000, ending: 'stall' }), serve({ after: 1, ending: 'stall' })],
    fetch: { lowSpeed: { bytesPerSecond: 200_000, duration: SILENT_MS } },
    ends: 'ERR_TOO_SLOW',
    requests: ['', from(200_000)],
    keeps: true,
  },
];
