import {
  options as checkOptions,
  conflict,
  flag,
  integer,
  optional,
  text,
  wrongType,
} from '../arguments';
import { type CheckedProxy, checkProxy } from './proxy';
import { type CheckedIdentity, type CheckedTls, checkIdentity, type Pem, pemList } from './tls';
import { bandwidth, DAY_MS, HOUR_MS, milliseconds, notBelow } from './values';

/** How firmware is fetched over HTTP and HTTPS. Times are milliseconds. */
export interface FetchOptions {
  /** Certificates to trust for firmware servers. Default: `tls.ca`, else the runtime's list. */
  readonly ca?: Pem | readonly Pem[];
  /**
   * Our certificate and its chain, for firmware servers that ask for one. Default: none; that of
   * `tls` is for the broker alone.
   */
  readonly cert?: Pem;
  /** The private key of `cert`. */
  readonly key?: Pem;
  /** The passphrase of `key`, 1-1024 characters. */
  readonly passphrase?: string;
  /** Name resolution, proxy, TCP and TLS, 1-3,600,000. Default 10,000. */
  readonly connectTimeout?: number;
  /** From the request to the end of the response head, 1-3,600,000. Default 30,000. */
  readonly responseTimeout?: number;
  /**
   * Without a byte of the body for this long the connection is dropped and resumed, 1-3,600,000.
   * Default 30,000.
   */
  readonly idleTimeout?: number;
  /**
   * Below `bytesPerSecond` over `duration` milliseconds the connection is dropped and resumed.
   * Default: off.
   */
  readonly lowSpeed?: { readonly bytesPerSecond: number; readonly duration: number };
  /** Tries in a row without progress before the download fails, 1-1,000. Default 5. */
  readonly maxRetries?: number;
  /** Failed tries of one download in all, 1-1,000,000. Default 1,000. */
  readonly maxTries?: number;
  /**
   * Of one download, waits included and pauses not, 1-86,400,000; then `ERR_TIMEOUT`. Default: no
   * end.
   */
  readonly totalTimeout?: number;
  /**
   * Back-off between tries: exponential with full jitter, Retry-After honoured. Default 500 to
   * 60,000.
   */
  readonly retry?: { readonly min?: number; readonly max?: number };
  /**
   * When the server says that the signed URL has expired, the platform is asked for another one,
   * this long, 1-3,600,000. Default 60,000. `false`: `ERR_URL_EXPIRED` at once.
   */
  readonly renewTimeout?: number | false;
  /**
   * Ranges of an image that are fetched side by side, where the server honours ranges, 1-8. Default
   * 1. Each costs 1 MiB of memory.
   */
  readonly connections?: number;
  /** 1-20. Default 5. A redirect from https to http is never followed. */
  readonly maxRedirects?: number;
  /**
   * Request header fields besides the engine's own, at most 32 and 8 KiB; of printable ASCII. Sent
   * to the announced host only, never to one it redirects to. Their values are never shown.
   */
  readonly headers?: Readonly<Record<string, string>>;
  /**
   * An HTTP proxy for http and https URLs: `http://[user:password@]host[:port]`, %-encoded, port 80
   * by default. `false`: none. Default: what the environment said when the device was connected:
   * `https_proxy` or `HTTPS_PROXY` for https, `http_proxy` for http, `all_proxy` or `ALL_PROXY`
   * else.
   */
  readonly proxy?: string | false;
  /**
   * Hosts that are reached without the proxy, as in `NO_PROXY`: names, which stand for all below
   * them too, addresses, `10.0.0.0/8`; or `*`. Default: `no_proxy` or `NO_PROXY` of the environment.
   */
  readonly noProxy?: string;
  /**
   * The only hosts images may come from: `fw.example.com`, `*.example.com` for any name below,
   * `[::1]`, each with or without `:port`; 1-64. Others are refused with `ERR_HOST_NOT_ALLOWED`,
   * redirects included.
   */
  readonly allowedHosts?: readonly string[];
  /** Refuse plain http, at first and by redirect. Default false. */
  readonly httpsOnly?: boolean;
  /**
   * Bytes per second of all downloads of the device together, at least 1,024. Default: no limit.
   * `device.ota.setBandwidthLimit()` changes it.
   */
  readonly bytesPerSecond?: number;
}

/** @internal 0 is the C SDK's default, `''` is absent. */
export interface CheckedFetch extends CheckedProxy {
  readonly ca: string;
  readonly identity: CheckedIdentity;
  readonly connectTimeoutMs: number;
  readonly responseTimeoutMs: number;
  readonly idleTimeoutMs: number;
  readonly lowSpeedBytes: number;
  readonly lowSpeedMs: number;
  readonly maxRetries: number;
  readonly maxTries: number;
  readonly totalTimeoutMs: number;
  readonly retryMinMs: number;
  readonly retryMaxMs: number;
  readonly renewTimeoutMs: number;
  readonly connections: number;
  readonly maxRedirects: number;
  readonly headers: string;
  readonly allowedHosts: string;
  readonly httpsOnly: boolean;
  readonly bytesPerSecond: number;
}

/** What the C SDK takes for "not at all". */
const NEVER = 0xffff_ffff;
const MAX_HEADERS = 32;
const MAX_HEADER_BYTES = 8192;

const fetchKeys = [
  'ca',
  'cert',
  'key',
  'passphrase',
  'connectTimeout',
  'responseTimeout',
  'idleTimeout',
  'lowSpeed',
  'maxRetries',
  'maxTries',
  'totalTimeout',
  'retry',
  'renewTimeout',
  'connections',
  'maxRedirects',
  'headers',
  'proxy',
  'noProxy',
  'allowedHosts',
  'httpsOnly',
  'bytesPerSecond',
] as const;

/** @internal `environment` says which proxies there are where the options do not. */
export function checkFetch(
  given: FetchOptions | undefined,
  tls: CheckedTls | undefined,
  environment: Readonly<Record<string, string | undefined>>,
): CheckedFetch {
  const options = checkOptions('fetch', given, fetchKeys);
  const time = (key: 'connectTimeout' | 'responseTimeout' | 'idleTimeout') =>
    optional(options[key], (value) => milliseconds(`fetch.${key}`, value, 0)) ?? 0;
  const count = (key: 'maxRetries' | 'maxTries' | 'connections' | 'maxRedirects', max: number) =>
    optional(options[key], (value) => integer(`fetch.${key}`, value, { min: 1, max }));
  return {
    ca: pemList('fetch.ca', options.ca) || (tls?.ca ?? ''),
    identity: checkIdentity('fetch', options),
    connectTimeoutMs: time('connectTimeout'),
    responseTimeoutMs: time('responseTimeout'),
    idleTimeoutMs: time('idleTimeout'),
    ...checkLowSpeed(options.lowSpeed),
    maxRetries: count('maxRetries', 1000) ?? 5,
    maxTries: count('maxTries', 1_000_000) ?? 1000,
    totalTimeoutMs:
      optional(options.totalTimeout, (value) =>
        integer('fetch.totalTimeout', value, { min: 1, max: DAY_MS }),
      ) ?? 0,
    ...checkRetry(options.retry),
    renewTimeoutMs:
      options.renewTimeout === false
        ? NEVER
        : milliseconds('fetch.renewTimeout', options.renewTimeout, 60_000),
    connections: count('connections', 8) ?? 1,
    maxRedirects: count('maxRedirects', 20) ?? 5,
    headers: checkHeaders(options.headers),
    ...checkProxy(options.proxy, options.noProxy, environment),
    allowedHosts: optional(options.allowedHosts, checkHosts) ?? '',
    httpsOnly: flag('fetch.httpsOnly', options.httpsOnly ?? false),
    bytesPerSecond: bandwidth('fetch.bytesPerSecond', options.bytesPerSecond),
  };
}

function checkLowSpeed(
  given: FetchOptions['lowSpeed'],
): Pick<CheckedFetch, 'lowSpeedBytes' | 'lowSpeedMs'> {
  const name = 'fetch.lowSpeed';
  const { bytesPerSecond, duration } = checkOptions(name, given, ['bytesPerSecond', 'duration']);
  if (given === undefined) return { lowSpeedBytes: 0, lowSpeedMs: 0 };
  const rate = { min: 1, max: 0xffff_ffff };
  return {
    lowSpeedBytes: integer(`${name}.bytesPerSecond`, bytesPerSecond, rate),
    lowSpeedMs: integer(`${name}.duration`, duration, { min: 1, max: HOUR_MS }),
  };
}

function checkRetry(given: FetchOptions['retry']): Pick<CheckedFetch, 'retryMinMs' | 'retryMaxMs'> {
  const { min, max } = checkOptions('fetch.retry', given, ['min', 'max']);
  const retryMinMs = milliseconds('fetch.retry.min', min, 500);
  const retryMaxMs = milliseconds('fetch.retry.max', max, Math.max(60_000, retryMinMs));
  notBelow('fetch.retry.max', retryMaxMs, 'fetch.retry.min', retryMinMs);
  return { retryMinMs, retryMaxMs };
}

// What says where a message ends, which bytes it is about and who is asked is the engine's.
const ownHeaders = [
  ['host', 'range', 'connection', 'keep-alive', 'close', 'content-length', 'transfer-encoding'],
  ['accept-encoding', 'expect', 'upgrade', 'http2-settings', 'te', 'trailer'],
].flat();
const ownPrefixes = ['if-', 'proxy-'];

function checkHeaders(given: unknown): string {
  if (given === undefined) return '';
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw wrongType('fetch.headers', 'an object of strings', given === null ? null : Symbol());
  }
  const entries = Object.entries(given);
  if (entries.length > MAX_HEADERS) {
    throw conflict(`fetch.headers must have at most ${MAX_HEADERS} fields, got ${entries.length}`);
  }
  const names = new Set<string>();
  const lines = entries.map(([name, value]) => {
    checkHeaderName(name);
    if (names.has(name.toLowerCase())) throw conflict(`fetch.headers has ${name} twice`);
    names.add(name.toLowerCase());
    const secret = {
      min: 0,
      max: MAX_HEADER_BYTES,
      pattern: /^[\x20-\x7e\t]*$/,
      expected: 'printable ASCII',
      secret: true,
    };
    return `${name}: ${text(`fetch.headers.${name}`, value, secret).trim()}\r\n`;
  });
  const fields = lines.join('');
  if (fields.length > MAX_HEADER_BYTES) {
    throw conflict(`fetch.headers must have at most ${MAX_HEADER_BYTES} bytes`);
  }
  return fields;
}

function checkHeaderName(name: string): void {
  // A name that is none might be a value that lost its name.
  if (!/^[\w!#$%&'*+.^`|~-]{1,128}$/.test(name)) {
    throw conflict('fetch.headers must have names of the characters that HTTP allows');
  }
  const lower = name.toLowerCase();
  if (ownHeaders.includes(lower) || ownPrefixes.some((prefix) => lower.startsWith(prefix))) {
    throw conflict(`fetch.headers must not have ${name}`);
  }
}

const hostPattern = new RegExp(
  [
    /^(?!\*\.[\d.]+(?::|$))/, // there is nothing below an address
    /(?:(?:\*\.)?[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?|\[[0-9A-Fa-f:.]+\])/,
    /(?::[1-9]\d{0,4})?$/,
  ]
    .map(({ source }) => source)
    .join(''),
);

function checkHosts(given: unknown): string {
  const name = 'fetch.allowedHosts';
  if (!Array.isArray(given)) throw wrongType(name, 'an array of host names', given);
  if (given.length === 0 || given.length > 64) {
    throw conflict(`${name} must have 1-64 hosts, got ${given.length}`);
  }
  const expected = 'a host name, "*." and a domain, or [an IPv6 address], with or without :port';
  return given
    .map((host: unknown, i) =>
      text(`${name}[${i}]`, host, { max: 261, pattern: hostPattern, expected }),
    )
    .join(',');
}
