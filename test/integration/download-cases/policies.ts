import { redirect, serve, silence, status } from '../../support/fault-replies';
import { type DownloadCase, from, otherImage } from './case';

const broken = serve({ after: 200_000, ending: 'close' });
const later = (value: string) => status('503 Later', { fields: { 'Retry-After': value } });
const otherHost = redirect(302, ({ origin }) => `${origin.replace('127.0.0.1', 'localhost')}/b`);
const headers = { 'X-Token': 'secret', Authorization: 'Bearer secret' };

/** URLs that expire, limits, and what the user's options say. */
export const policies: readonly DownloadCase[] = [
  {
    server: 'says that the URL has expired (403)',
    engine: 'asks the platform for another one',
    schedule: [status('403 Forbidden'), serve()],
    ends: 'ok',
    requests: ['', ''],
    also: ({ requests }) => expect(requests[1]?.target).toContain('renewed'),
  },
  {
    server: 'says that the URL has expired (410), in the middle of a download',
    engine: 'goes on at the same byte with another one, which may be of another server',
    schedule: [broken, status('410 Gone'), serve({ etag: '"another"' })],
    fetch: { maxRetries: 2 },
    ends: 'ok',
    requests: ['', from(200_000), from(200_000)],
    also: ({ requests }) => {
      expect(requests[2]?.target).toContain('renewed');
      expect(requests[2]?.headers.has('if-range')).toBe(false);
    },
  },
  {
    server: 'says that the URL has expired, again and again, each time after some progress',
    engine: 'asks for another one each time',
    schedule: [
      broken,
      status('403 Forbidden'),
      serve({ after: 200_000, ending: 'close' }),
      status('403 Forbidden'),
      serve(),
    ],
    fetch: { maxRetries: 2 },
    ends: 'ok',
    requests: ['', from(200_000), from(200_000), from(400_000), from(400_000)],
  },
  {
    server: 'says that every URL has expired',
    engine: 'gives up after the tries it has, and keeps what it has',
    schedule: [broken, status('403 Forbidden')],
    fetch: { maxRetries: 3 },
    ends: 'ERR_URL_EXPIRED',
    requests: 6,
    keeps: true,
  },
  {
    server: 'says that the URL has expired, and nobody is to be asked for another one',
    engine: 'asks once without a range, gives up, and keeps what it has',
    schedule: [broken, status('403 Forbidden')],
    fetch: { renewTimeout: false },
    ends: 'ERR_URL_EXPIRED',
    requests: ['', from(200_000), ''],
    keeps: true,
  },
  {
    server: 'has another image behind the new URL',
    engine: 'fetches it once more from byte 0, and refuses it',
    schedule: [broken, status('403 Forbidden'), serve({ image: otherImage })],
    fetch: { maxRetries: 2 },
    ends: 'ERR_DIGEST_MISMATCH',
    requests: ['', from(200_000), from(200_000), ''],
  },
  {
    server: 'answers 503 with a Retry-After of an hour',
    engine: 'waits for it, longer than the whole download may take (totalTimeout)',
    schedule: [later('3600'), serve()],
    fetch: { totalTimeout: 500 },
    ends: 'ERR_TIMEOUT',
    requests: [''],
  },
  {
    server: 'answers 503 with a Retry-After that is a date far away',
    engine: 'waits for it, longer than the whole download may take (totalTimeout)',
    schedule: [later('Fri, 31 Dec 2128 23:59:59 GMT'), serve()],
    fetch: { totalTimeout: 500 },
    ends: 'ERR_TIMEOUT',
    requests: [''],
  },
  {
    server: 'answers 429 with a Retry-After, in the middle of a download',
    engine: 'waits for it, longer than the whole download may take, and keeps what it has',
    schedule: [broken, status('429 Slower', { fields: { 'Retry-After': '3600' } }), serve()],
    fetch: { maxRetries: 2, totalTimeout: 1_500 },
    ends: 'ERR_TIMEOUT',
    requests: ['', from(200_000)],
    keeps: true,
  },
  {
    server: 'sends on and on, but slowly',
    engine: 'ends the download when its time is up (totalTimeout), and keeps what it has',
    schedule: [serve({ step: 1_000, bytesPerSecond: 100_000 })],
    fetch: { totalTimeout: 500 },
    ends: 'ERR_TIMEOUT',
    requests: [''],
    keeps: true,
  },
  {
    server: 'breaks each time, after some progress',
    engine: 'gives up after the connections it may open (maxTries), and keeps what it has',
    schedule: [serve({ after: 100_000, ending: 'close' })],
    fetch: { maxTries: 3 },
    ends: 'ERR_TRUNCATED',
    requests: ['', from(100_000), from(200_000)],
    keeps: true,
  },
  {
    server: 'gives one byte in each connection',
    engine: 'gives up: that is no progress',
    schedule: [serve({ after: 1, ending: 'close' })],
    fetch: { maxRetries: 5 },
    ends: 'ERR_TRUNCATED',
    requests: ['', from(1), from(2), from(3), from(4), from(5)],
    keeps: true,
  },
  {
    server: 'redirects to a host that is not allowed',
    engine: 'refuses',
    schedule: [otherHost],
    fetch: { allowedHosts: ['127.0.0.1'] },
    ends: 'ERR_HOST_NOT_ALLOWED',
    requests: [''],
  },
  {
    server: 'redirects to another host, which is allowed',
    engine: 'follows',
    schedule: [otherHost, serve()],
    fetch: { allowedHosts: ['127.0.0.1', 'localhost'] },
    ends: 'ok',
    requests: ['', ''],
  },
  {
    server: 'is not among the hosts that are allowed',
    engine: 'does not even connect',
    schedule: [serve()],
    fetch: { allowedHosts: ['fw.example.com', '*.example.com'] },
    ends: 'ERR_HOST_NOT_ALLOWED',
    requests: [],
  },
  {
    server: 'redirects to another host, and the user has header fields of their own',
    engine: 'sends them to the announced host alone',
    schedule: [redirect(302, '/a'), otherHost, silence('close'), redirect(302, '/c'), serve()],
    fetch: { headers },
    ends: 'ok',
    requests: 5,
    also: ({ requests }) => {
      const got = requests.map(({ headers: all }) => [
        all.get('x-token'),
        all.get('authorization'),
      ]);
      const sent = ['secret', 'Bearer secret'];
      const none = [undefined, undefined];
      expect(got).toEqual([sent, sent, none, sent, sent]);
    },
  },
  {
    server: 'is a proxy that asks for credentials (407)',
    engine: 'gives up at once',
    over: 'http',
    schedule: [status('407 Proxy Authentication Required')],
    fetch: ({ port }) => ({ proxy: `http://127.0.0.1:${port}`, noProxy: '' }),
    ends: 'ERR_PROXY_REFUSED',
    requests: [''],
  },
  {
    server: 'is a proxy that cannot reach the server at first (502), and breaks later',
    engine: 'asks it again, by the whole URL and with the credentials, and goes on',
    over: 'http',
    schedule: [status('502 Bad Gateway'), broken, serve()],
    fetch: ({ port }) => ({ proxy: `http://a:b@127.0.0.1:${port}`, noProxy: '' }),
    ends: 'ok',
    requests: ['', '', from(200_000)],
    also: ({ requests, url }) => {
      expect(requests.map(({ target }) => target)).toEqual([url, url, url]);
      const credentials = `Basic ${Buffer.from('a:b').toString('base64')}`;
      expect(requests[2]?.headers.get('proxy-authorization')).toBe(credentials);
    },
  },
];
