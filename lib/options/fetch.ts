/**
 * This room checks groups of the options of connect() and brings them into the form the addon
 * takes, one file a group. It may import base.
 *
 * This file: the options of `fetch`, and in one table what each becomes.
 *
 * An option is spelled in the documented type, which is the npm API, and in {@link fetchTable}; the
 * checked values and what the addon takes are derived from the table.
 */
import {
  options as checkOptions,
  conflict,
  flag,
  integer,
  oneOf,
  optional,
  orElse,
} from '../base/arguments';
import { checkHeaders } from './headers';
import { checkHosts } from './hosts';
import { checkProxy } from './proxy';
import {
  type CheckedIdentity,
  type CheckedTls,
  checkIdentity,
  type Pem,
  pemList,
  type SignFunction,
} from './tls';
import { bandwidth, DAY_MS, HOUR_MS, notBelow } from './values';

/** How firmware is fetched over HTTP and HTTPS. Times are milliseconds. */
export interface FetchOptions {
  /** Certificates to trust for firmware servers. Default: `tls.ca`, else the runtime's list. */
  readonly ca?: Pem | readonly Pem[] | undefined;
  /**
   * Our certificate and its chain, for firmware servers that ask for one. Default: none; that of
   * `tls` is for the broker alone.
   */
  readonly cert?: Pem | undefined;
  /** The private key of `cert`. */
  readonly key?: Pem | undefined;
  /** Signs in place of `key`, for firmware servers: see {@link SignFunction}. */
  readonly sign?: SignFunction | undefined;
  /** The passphrase of `key`, 1-1024 characters. */
  readonly passphrase?: string | undefined;
  /**
   * The clock that certificates of firmware servers are held against. `'platform'`: after each connect
   * the device asks the platform for its time ({@link Device.time}), and the downloads that begin
   * later go by that, for machines whose own clock is wrong; until it is known, and always for the
   * connection to the broker, this machine's clock counts. Needs that connection to be over TLS: else
   * whoever can change it could say what time it is. Default `'system'`: this machine's.
   */
  readonly certificateTime?: 'system' | 'platform' | undefined;
  /** Name resolution, proxy, TCP and TLS, 1-3,600,000. Default 10,000. */
  readonly connectTimeout?: number | undefined;
  /** From the request to the end of the response head, 1-3,600,000. Default 30,000. */
  readonly responseTimeout?: number | undefined;
  /**
   * Without a byte of the body for this long the connection is dropped and resumed, 1-3,600,000.
   * Default 30,000.
   */
  readonly idleTimeout?: number | undefined;
  /**
   * Below `bytesPerSecond` (default 100) over `duration` milliseconds (default 60,000) a try has
   * failed: its connection is dropped, and another try goes on where it was. `false`, or 0 bytes per
   * second: however slow.
   */
  readonly lowSpeed?:
    | {
        /** 0-4,294,967,294. Default 100. */
        readonly bytesPerSecond?: number | undefined;
        /** Milliseconds, 1-3,600,000. Default 60,000. */
        readonly duration?: number | undefined;
      }
    | false
    | undefined;
  /**
   * How long a download is tried without progress: the first try that fails after so long is the
   * last, 1-86,400,000. Default 600,000. A new byte is progress, unless all tries together, waits
   * included, are slower than `lowSpeed`. Pauses do not count.
   */
  readonly patience?: number | undefined;
  /**
   * Failed tries in a row that together brought less than 64 KiB, after which the download fails
   * whatever `patience` says, 1-1,000. Default: any number.
   */
  readonly maxRetries?: number | undefined;
  /** Failed tries of one download in all, 1-1,000,000. Default 1,000. */
  readonly maxTries?: number | undefined;
  /**
   * Of one download, waits included and pauses not, 1-86,400,000; then `ERR_TIMEOUT`. Default: no
   * end.
   */
  readonly totalTimeout?: number | undefined;
  /**
   * Back-off between tries: exponential with full jitter, Retry-After honoured; a new byte begins it
   * anew. Default 500 to 30,000.
   */
  readonly retry?:
    | {
        /** Upper bound of the first wait, 1-3,600,000. Default 500. */
        readonly min?: number | undefined;
        /** Upper bound of every wait, 1-3,600,000. Default 30,000. */
        readonly max?: number | undefined;
      }
    | undefined;
  /**
   * When the server says that the signed URL has expired, the platform is asked for another one,
   * this long, 1-3,600,000. Default 60,000. `false`: `ERR_URL_EXPIRED` at once.
   */
  readonly renewTimeout?: number | false | undefined;
  /**
   * Ranges of an image that are fetched side by side, where the server honours ranges, 1-8. Default
   * 1. Each costs 1 MiB of memory.
   */
  readonly connections?: number | undefined;
  /** 0-20; 0: none is followed. Default 5. A redirect from https to http is never followed. */
  readonly maxRedirects?: number | undefined;
  /**
   * Request header fields besides the engine's own, at most 32 and 8 KiB; of printable ASCII. Sent
   * only to the scheme, host and port announced first, never elsewhere by a redirect or a renewed
   * URL. Their values are never shown.
   */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /**
   * An HTTP proxy for http and https URLs: `http://[user:password@]host[:port]`, %-encoded, port 80
   * by default. `false`: none. Default: what the environment said when the device was connected:
   * `https_proxy` or `HTTPS_PROXY` for https, `http_proxy` for http, `all_proxy` or `ALL_PROXY`
   * else.
   */
  readonly proxy?: string | false | undefined;
  /**
   * Hosts that are reached without the proxy, as in `NO_PROXY`: names, which stand for all below
   * them too, addresses, `10.0.0.0/8`; or `*`. Default: `no_proxy` or `NO_PROXY` of the
   * environment.
   */
  readonly noProxy?: string | undefined;
  /**
   * The only hosts images may come from: `fw.example.com`, `*.example.com` for any name below,
   * `[::1]`, each with or without `:port`; 1-64. Others are refused with `ERR_HOST_NOT_ALLOWED`,
   * redirects included.
   */
  readonly allowedHosts?: readonly string[] | undefined;
  /**
   * Bytes that an upgrade may have, all its files together, 1 to 2^53 - 1: a larger one is refused
   * with `ERR_NO_SPACE` before anything is fetched or a file made. Default: any number; files take
   * what is free less a reserve.
   */
  readonly maxSize?: number | undefined;
  /** Refuse plain http, at first and by redirect. Default false. */
  readonly httpsOnly?: boolean | undefined;
  /**
   * Bytes per second of all downloads of the device together, at least 1,024. Default: no limit.
   * `device.ota.setBandwidthLimit()` changes it.
   */
  readonly bytesPerSecond?: number | undefined;
}

/** A number that the addon gets; where the option is absent, `default`. */
interface NumberRow {
  readonly native: string;
  readonly kind: 'number';
  readonly unit: 'ms' | 'bytes' | 'bytes per second' | 'tries' | 'ranges' | 'redirects';
  readonly min: number;
  readonly max: number;
  /** 0: the default of the C SDK. */
  readonly default: number;
  /** What the addon gets for 0, where 0 may be given. */
  readonly none?: number;
}

interface FlagRow {
  readonly native: string;
  readonly kind: 'flag';
  readonly default: boolean;
}

/** A text that the addon gets, made by a check of its own; `''` is absent. */
interface TextRow {
  readonly native: string;
  readonly kind: 'text';
}

type Row = NumberRow | FlagRow | TextRow;

/** An option the addon gets as part of something else. */
interface PartRow {
  readonly partOf: 'tls' | 'limiters';
}

const UINT32_MAX = 0xffff_ffff;
/** What the C SDK takes for "not at all". */
const NEVER = UINT32_MAX;

const number = { kind: 'number' } as const;
const time = { kind: 'number', unit: 'ms', min: 1, max: HOUR_MS } as const;

/**
 * @internal Each option of {@link FetchOptions} once, in the order in which errors list them:
 * `native` is its name in the addon, and in snake_case that of the member of the C SDK's
 * `struct iotkit_fetch_options`. An option of several values is a group of rows.
 */
export const fetchTable = {
  ca: { partOf: 'tls' },
  cert: { partOf: 'tls' },
  key: { partOf: 'tls' },
  sign: { partOf: 'tls' },
  passphrase: { partOf: 'tls' },
  certificateTime: { partOf: 'tls' },
  connectTimeout: { native: 'connectTimeoutMs', ...time, default: 0 },
  responseTimeout: { native: 'responseTimeoutMs', ...time, default: 0 },
  idleTimeout: { native: 'idleTimeoutMs', ...time, default: 0 },
  lowSpeed: {
    bytesPerSecond: {
      native: 'lowSpeedBytes',
      ...number,
      unit: 'bytes per second',
      min: 0,
      max: UINT32_MAX - 1,
      default: 100,
    },
    duration: { native: 'lowSpeedMs', ...time, default: 60_000 },
  },
  patience: { native: 'patienceMs', ...time, max: DAY_MS, default: 600_000 },
  maxRetries: { native: 'maxRetries', ...number, unit: 'tries', min: 1, max: 1000, default: 0 },
  maxTries: { native: 'maxTries', ...number, unit: 'tries', min: 1, max: 1_000_000, default: 1000 },
  totalTimeout: { native: 'totalTimeoutMs', ...time, max: DAY_MS, default: 0 },
  retry: {
    min: { native: 'retryMinMs', ...time, default: 500 },
    max: { native: 'retryMaxMs', ...time, default: 30_000 },
  },
  renewTimeout: { native: 'renewTimeoutMs', ...time, default: 60_000 },
  connections: { native: 'connections', ...number, unit: 'ranges', min: 1, max: 8, default: 1 },
  maxRedirects: {
    native: 'maxRedirects',
    ...number,
    unit: 'redirects',
    min: 0,
    max: 20,
    default: 5,
    none: 255,
  },
  headers: { native: 'headers', kind: 'text' },
  proxy: {
    http: { native: 'proxy', kind: 'text' },
    https: { native: 'httpsProxy', kind: 'text' },
  },
  noProxy: { native: 'noProxy', kind: 'text' },
  allowedHosts: { native: 'allowedHosts', kind: 'text' },
  maxSize: {
    native: 'maxSize',
    ...number,
    unit: 'bytes',
    min: 1,
    max: Number.MAX_SAFE_INTEGER,
    default: 0,
  },
  httpsOnly: { native: 'httpsOnly', kind: 'flag', default: false },
  bytesPerSecond: { partOf: 'limiters' },
} as const satisfies Readonly<
  Record<keyof FetchOptions, Row | PartRow | Readonly<Record<string, Row>>>
>;

type FetchTable = typeof fetchTable;
type RowsOf<T> = T extends Row ? T : T extends object ? RowsOf<T[keyof T]> : never;
type ValueOf<R> = R extends NumberRow ? number : R extends FlagRow ? boolean : string;
type ValuesOf<R extends Row> = { readonly [One in R as One['native']]: ValueOf<One> };
/** Keys of one row that needs no check but that of its row. */
type PlainKey = {
  [K in keyof FetchTable]: FetchTable[K] extends NumberRow | FlagRow ? K : never;
}[Exclude<keyof FetchTable, 'renewTimeout'>];

/** @internal What the addon takes of the options, by the names of the table. */
export type FetchValues = ValuesOf<RowsOf<FetchTable>>;

/** @internal The checked options. */
export interface CheckedFetch extends FetchValues {
  readonly ca: string;
  readonly identity: CheckedIdentity;
  readonly certificateTime: 'system' | 'platform';
  /** Of all downloads of the device; 0: no limit. */
  readonly bytesPerSecond: number;
}

const fetchKeys = Object.keys(fetchTable) as ReadonlyArray<keyof FetchOptions>;
const plainKeys = fetchKeys.filter(
  (key): key is PlainKey =>
    key !== 'renewTimeout' && 'kind' in fetchTable[key] && fetchTable[key].kind !== 'text',
);

/** @internal `environment` says which proxies there are where the options do not. */
export function checkFetch(
  given: FetchOptions | undefined,
  tls: CheckedTls | undefined,
  environment: Readonly<Record<string, string | undefined>>,
): CheckedFetch {
  const options = checkOptions('fetch', given, fetchKeys);
  return {
    ca: pemList('fetch.ca', options.ca) || (tls?.ca ?? ''),
    identity: checkIdentity('fetch', options),
    certificateTime: checkCertificateTime(options.certificateTime, tls),
    ...checkPlain(options),
    ...checkLowSpeed(options.lowSpeed),
    ...checkRetry(options.retry),
    renewTimeoutMs: checkRenewTimeout(options.renewTimeout),
    headers: checkHeaders(options.headers),
    ...checkProxy(options.proxy, options.noProxy, environment),
    allowedHosts: optional(options.allowedHosts, checkHosts) ?? '',
    bytesPerSecond: bandwidth('fetch.bytesPerSecond', options.bytesPerSecond),
  };
}

function checkCertificateTime(
  given: FetchOptions['certificateTime'],
  tls: CheckedTls | undefined,
): CheckedFetch['certificateTime'] {
  const clock = oneOf('fetch.certificateTime', orElse(given, 'system'), ['system', 'platform']);
  if (clock === 'platform' && tls === undefined) {
    throw conflict("fetch.certificateTime 'platform' needs a connection to the broker over TLS");
  }
  return clock;
}

function checkNumber(name: string, value: number | undefined, row: NumberRow): number {
  if (value === undefined) return row.default;
  const given = integer(name, value, row);
  return given === 0 && row.none !== undefined ? row.none : given;
}

function checkPlain(options: Partial<FetchOptions>): ValuesOf<FetchTable[PlainKey]> {
  const values = plainKeys.map((key) => {
    const row: NumberRow | FlagRow = fetchTable[key];
    const value =
      row.kind === 'flag'
        ? flag(`fetch.${key}`, orElse(options[key] as boolean | undefined, row.default))
        : checkNumber(`fetch.${key}`, options[key] as number | undefined, row);
    return [row.native, value];
  });
  return Object.fromEntries(values);
}

/** 0 bytes per second is never too slow, which the C SDK has another number for. */
function checkLowSpeed(given: FetchOptions['lowSpeed']): ValuesOf<RowsOf<FetchTable['lowSpeed']>> {
  const rows = fetchTable.lowSpeed;
  const name = 'fetch.lowSpeed';
  const { bytesPerSecond, duration } = checkOptions(
    name,
    given === false ? { bytesPerSecond: 0 } : given,
    ['bytesPerSecond', 'duration'],
  );
  const bytes = checkNumber(`${name}.bytesPerSecond`, bytesPerSecond, rows.bytesPerSecond);
  return {
    lowSpeedBytes: bytes === 0 ? NEVER : bytes,
    lowSpeedMs: checkNumber(`${name}.duration`, duration, rows.duration),
  };
}

/** A minimum above the default maximum raises the maximum. */
function checkRetry(given: FetchOptions['retry']): ValuesOf<RowsOf<FetchTable['retry']>> {
  const rows = fetchTable.retry;
  const { min, max } = checkOptions('fetch.retry', given, ['min', 'max']);
  const retryMinMs = integer('fetch.retry.min', orElse(min, rows.min.default), rows.min);
  const otherwise = Math.max(rows.max.default, retryMinMs);
  const retryMaxMs = integer('fetch.retry.max', orElse(max, otherwise), rows.max);
  notBelow('fetch.retry.max', retryMaxMs, 'fetch.retry.min', retryMinMs);
  return { retryMinMs, retryMaxMs };
}

function checkRenewTimeout(given: FetchOptions['renewTimeout']): number {
  if (given === false) return NEVER;
  return checkNumber('fetch.renewTimeout', given, fetchTable.renewTimeout);
}
