import { redirect, serve, silence, status } from '../../support/fault-replies';
import { type DownloadCase, from } from './case';

const codes = [301, 302, 303, 307, 308] as const;

/** Redirects. */
export const redirects: readonly DownloadCase[] = [
  ...codes.map(
    (code): DownloadCase => ({
      server: `redirects with ${code}`,
      engine: 'follows',
      schedule: [redirect(code, ({ origin }) => `${origin}/there`), serve()],
      ends: 'ok',
      requests: ['', ''],
      also: ({ requests }) => expect(requests[1]?.target).toBe('/there'),
    }),
  ),
  {
    server: 'redirects with a path alone',
    engine: 'follows on the same host',
    schedule: [redirect(302, '/a/b?c'), redirect(302, '../d'), serve()],
    ends: 'ok',
    requests: ['', '', ''],
    also: ({ requests }) => {
      expect(requests.map(({ target }) => target).slice(1)).toEqual(['/a/b?c', '/d']);
    },
  },
  {
    server: 'redirects to the same scheme, whatever it is',
    engine: 'follows',
    schedule: [redirect(302, ({ origin }) => `${origin.replace(/^https?:/, '')}/there`), serve()],
    ends: 'ok',
    requests: ['', ''],
  },
  {
    server: 'redirects to another host',
    engine: 'follows',
    schedule: [
      redirect(302, ({ origin }) => `${origin.replace('127.0.0.1', 'localhost')}/there`),
      serve(),
    ],
    ends: 'ok',
    requests: ['', ''],
    also: ({ requests }) => expect(requests[1]?.headers.get('host')).toMatch(/^localhost:\d+$/),
  },
  {
    server: 'redirects five times',
    engine: 'follows',
    schedule: [...[1, 2, 3, 4, 5].map((hop) => redirect(302, `/${hop}`)), serve()],
    ends: 'ok',
    requests: 6,
  },
  {
    server: 'redirects six times',
    engine: 'gives up',
    schedule: [...[1, 2, 3, 4, 5, 6].map((hop) => redirect(302, `/${hop}`)), serve()],
    ends: 'ERR_HTTP_REDIRECTS',
    requests: 6,
  },
  {
    server: 'redirects though none is to be followed',
    engine: 'gives up',
    schedule: [redirect(302, '/again'), serve()],
    fetch: { maxRedirects: 0 },
    ends: 'ERR_HTTP_REDIRECTS',
    requests: 1,
  },
  {
    server: 'redirects in a circle',
    engine: 'gives up',
    schedule: [redirect(308, '/again')],
    fetch: { maxRedirects: 3 },
    ends: 'ERR_HTTP_REDIRECTS',
    requests: 4,
  },
  {
    server: 'breaks behind a redirect',
    engine: 'begins at the announced URL again, and goes on at the next byte',
    schedule: [
      redirect(302, '/a'),
      serve({ after: 200_000, ending: 'close' }),
      redirect(302, '/b'),
      serve(),
    ],
    ends: 'ok',
    requests: ['', '', from(200_000), from(200_000)],
    also: ({ requests }) => {
      const [announced, ...others] = requests.map(({ target }) => target);
      expect(others).toEqual(['/a', announced, '/b']);
    },
  },
  {
    server: 'redirects to a place where nobody answers, once',
    engine: 'begins at the announced URL again',
    schedule: [redirect(302, '/nobody'), silence('close'), redirect(302, '/somebody'), serve()],
    ends: 'ok',
    requests: 4,
  },
  {
    server: 'redirects from https to http',
    engine: 'refuses',
    over: 'https',
    schedule: [redirect(301, ({ origin }) => `${origin.replace('https:', 'http:')}/there`)],
    ends: 'ERR_HTTP_INSECURE_REDIRECT',
    requests: [''],
  },
  {
    server: 'redirects to http, in the middle of a download',
    engine: 'refuses, and keeps what it has',
    over: 'https',
    schedule: [
      serve({ after: 200_000, ending: 'close' }),
      redirect(302, ({ origin }) => `${origin.replace('https:', 'http:')}/there`),
    ],
    ends: 'ERR_HTTP_INSECURE_REDIRECT',
    requests: ['', from(200_000)],
    keeps: true,
  },
  {
    server: 'is reached by http, where the policy is https only',
    engine: 'does not even connect',
    over: 'http',
    schedule: [serve()],
    fetch: { httpsOnly: true },
    ends: 'ERR_TLS_REQUIRED',
    requests: [],
  },
  {
    server: 'redirects to a file',
    engine: 'refuses',
    schedule: [redirect(302, 'file:///etc/passwd')],
    ends: 'ERR_URL_SCHEME',
    requests: [''],
  },
  {
    server: 'redirects to no host',
    engine: 'refuses',
    schedule: [redirect(302, 'http://')],
    ends: 'ERR_URL',
    requests: [''],
  },
  {
    server: 'redirects without saying where',
    engine: 'gives up',
    schedule: [status('302 Found')],
    ends: 'ERR_HTTP_STATUS',
    requests: [''],
  },
  {
    server: 'redirects to two places',
    engine: 'gives up',
    schedule: [status('302 Found', { fields: { Location: ['/a', '/b'] } })],
    ends: 'ERR_HTTP_STATUS',
    requests: [''],
  },
  {
    server: 'redirects to a URL that is too long',
    engine: 'refuses',
    schedule: [redirect(302, `/${'a'.repeat(9_000)}`)],
    ends: 'ERR_TOO_LONG',
    requests: [''],
  },
];
