import {
  abortSignal,
  options as checkOptions,
  conflict,
  flag,
  integer,
  oneOf,
  optional,
  outOfRange,
  text,
  wrongType,
} from './arguments';

/** PEM text, one or more certificates or keys. */
export type Pem = string | Uint8Array;

/** How the sign-in is signed with the device secret. */
export type SignMethod = 'hmacsha256' | 'hmacsha1' | 'hmacmd5';

/** Whom to trust and who we are. TLS 1.2 is the floor; chain and host name are always verified. */
export interface TlsOptions {
  /**
   * Certificates to trust **instead of** the default ones. By default: the runtime's own list
   * (`tls.rootCertificates` or what `tls.getCACertificates('default')` says) and the file named by
   * `NODE_EXTRA_CA_CERTS`.
   */
  readonly ca?: Pem | readonly Pem[];
  /** Our certificate and its chain, for brokers that ask for one. */
  readonly cert?: Pem;
  /** The private key of `cert`. */
  readonly key?: Pem;
  /** The passphrase of `key`, 1-1024 characters. */
  readonly passphrase?: string;
  /** Verify the server's certificate for this name instead of the host's. */
  readonly servername?: string;
}

/** How long to wait before connecting again after a drop: exponential with full jitter. */
export interface ReconnectOptions {
  /** Upper bound of the first wait, milliseconds, 1-3,600,000. Default 1,000. */
  readonly min?: number;
  /** Upper bound of every wait, milliseconds, 1-3,600,000. Default 60,000. */
  readonly max?: number;
}

/** How firmware is fetched over HTTP and HTTPS. Times are milliseconds. */
export interface FetchOptions {
  /** Certificates to trust for firmware servers. Default: `tls.ca`, else the runtime's list. */
  readonly ca?: Pem | readonly Pem[];
  /** Name resolution, TCP and TLS, 1-3,600,000. Default 10,000. */
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
  /** Tries in a row that bring no byte before the download fails, 1-1,000. Default 5. */
  readonly maxRetries?: number;
  /**
   * Back-off between tries: exponential with full jitter, Retry-After honoured. Default 500 to
   * 60,000.
   */
  readonly retry?: { readonly min?: number; readonly max?: number };
  /** 1-20. Default 5. A redirect from https to http is never followed. */
  readonly maxRedirects?: number;
  /** Refuse plain http, at first and by redirect. Default false. */
  readonly httpsOnly?: boolean;
}

/**
 * Who the device is and where its platform is. Exactly one of `region`, `instanceId`, `url` and
 * `host` says where.
 */
export interface ConnectOptions {
  /** 1-20 letters and digits, as on the platform's console. */
  readonly productKey: string;
  /** 1-32 characters of letters, digits and `-_@.:`. */
  readonly deviceName: string;
  /** 1-64 characters. Never logged, never part of an error. */
  readonly deviceSecret: string;

  /** A public instance by its region, such as `cn-shanghai`; port 443. */
  readonly region?: string;
  /** An enterprise instance by its id, such as `iot-060a0bgd`; port 443. */
  readonly instanceId?: string;
  /** `mqtts://host[:8883]` or `mqtt://host[:1883]` (plain TCP). */
  readonly url?: string;
  /** Name or address of a broker; with `port` and `tls`. */
  readonly host?: string;
  /** 1-65535. Default 443 with `region` and `instanceId`, with `host` 8883, without TLS 1883. */
  readonly port?: number;
  /** `false`: plain TCP, only with `host`. Default: TLS with the runtime's CA list. */
  readonly tls?: boolean | TlsOptions;

  /** Default `hmacsha256`. */
  readonly signMethod?: SignMethod;
  /** Base of the MQTT client id, 1-64 characters. Default `productKey.deviceName`. */
  readonly clientId?: string;
  /**
   * Milliseconds since the epoch, part of what is signed; 0: none is sent. Default: now. A fixed
   * one makes a password that stays the same, for brokers that keep a list of passwords.
   */
  readonly timestamp?: number;
  /** Seconds, 1-1,200; the platform itself takes 30 and more. Default 300. */
  readonly keepAlive?: number;
  /** `false`: the broker keeps messages while the device is away. Default true. */
  readonly cleanSession?: boolean;
  /**
   * Milliseconds until {@link connect} gives up on causes that may pass, 1-3,600,000. Default
   * 30,000.
   */
  readonly connectTimeout?: number;
  readonly reconnect?: ReconnectOptions;
  /** How firmware is fetched. */
  readonly fetch?: FetchOptions;
  /** Cancels {@link connect}; of no effect once connected. */
  readonly signal?: AbortSignal;
}

/** @internal Checked options with every default that is not the C SDK's. */
export interface Checked {
  readonly productKey: string;
  readonly deviceName: string;
  readonly deviceSecret: string;
  readonly host: string;
  readonly port: number;
  readonly tls: CheckedTls | undefined;
  readonly signMethod: SignMethod;
  readonly clientId: string;
  readonly timestamp: number;
  readonly keepAliveS: number;
  readonly cleanSession: boolean;
  readonly connectTimeoutMs: number;
  readonly reconnectMinMs: number;
  readonly reconnectMaxMs: number;
  readonly fetch: CheckedFetch;
  readonly signal: AbortSignal | undefined;
}

/** @internal `''` is absent. */
export interface CheckedTls {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  readonly passphrase: string;
  readonly certName: string;
}

/** @internal 0 is the C SDK's default. */
export interface CheckedFetch {
  readonly ca: string;
  readonly connectTimeoutMs: number;
  readonly responseTimeoutMs: number;
  readonly idleTimeoutMs: number;
  readonly lowSpeedBytes: number;
  readonly lowSpeedMs: number;
  readonly maxRetries: number;
  readonly retryMinMs: number;
  readonly retryMaxMs: number;
  readonly maxRedirects: number;
  readonly httpsOnly: boolean;
}

const HOUR_MS = 3_600_000;
const DEFAULT_CONNECT_TIMEOUT_MS = 30_000;
const signMethods = ['hmacsha256', 'hmacsha1', 'hmacmd5'] as const;
const hostPattern = /^[A-Za-z0-9._:%-]+$/;

const connectKeys = [
  'productKey',
  'deviceName',
  'deviceSecret',
  'region',
  'instanceId',
  'url',
  'host',
  'port',
  'tls',
  'signMethod',
  'clientId',
  'timestamp',
  'keepAlive',
  'cleanSession',
  'connectTimeout',
  'reconnect',
  'fetch',
  'signal',
] as const;

/** @internal Throws a TypeError or RangeError that names the option. */
export function checkConnectOptions(given: ConnectOptions): Checked {
  if (given === undefined) throw wrongType('options', 'an object', given);
  const options = checkOptions('options', given, connectKeys);
  const productKey = text('productKey', options.productKey, {
    max: 20,
    pattern: /^[A-Za-z0-9]+$/,
    expected: '1-20 letters and digits',
  });
  const reconnectMinMs = milliseconds('reconnect.min', options.reconnect?.min, 1_000);
  const reconnectMaxMs = milliseconds(
    'reconnect.max',
    options.reconnect?.max,
    Math.max(60_000, reconnectMinMs),
  );
  checkOptions('reconnect', options.reconnect, ['min', 'max']);
  notBelow('reconnect.max', reconnectMaxMs, 'reconnect.min', reconnectMinMs);
  const tls = checkTls(options.tls);
  return {
    productKey,
    deviceName: text('deviceName', options.deviceName, {
      max: 32,
      pattern: /^[A-Za-z0-9_@.:-]+$/,
      expected: '1-32 characters of letters, digits and -_@.:',
    }),
    deviceSecret: text('deviceSecret', options.deviceSecret, { max: 64, secret: true }),
    ...checkPlace(options, productKey, tls),
    signMethod: oneOf('signMethod', options.signMethod ?? 'hmacsha256', signMethods),
    clientId: optional(options.clientId, checkClientId) ?? '',
    timestamp: integer('timestamp', options.timestamp ?? Date.now(), {
      min: 0,
      max: Number.MAX_SAFE_INTEGER,
    }),
    keepAliveS: integer('keepAlive', options.keepAlive ?? 300, { min: 1, max: 1200 }),
    cleanSession: flag('cleanSession', options.cleanSession ?? true),
    connectTimeoutMs: milliseconds(
      'connectTimeout',
      options.connectTimeout,
      DEFAULT_CONNECT_TIMEOUT_MS,
    ),
    reconnectMinMs,
    reconnectMaxMs,
    fetch: checkFetch(options.fetch, tls),
    signal: abortSignal('signal', options.signal),
  };
}

function checkClientId(value: string): string {
  return text('clientId', value, {
    max: 64,
    pattern: /^[^|,=\0]+$/,
    expected: "1-64 characters without '|', ',' and '='",
  });
}

function milliseconds(name: string, value: number | undefined, otherwise: number): number {
  return integer(name, value ?? otherwise, { min: 1, max: HOUR_MS });
}

function notBelow(name: string, value: number, floorName: string, floor: number): void {
  if (value < floor) throw outOfRange(name, `at least ${floorName} (${floor})`, value);
}

type Place = Pick<Checked, 'host' | 'port' | 'tls'>;

function checkPlace(
  options: Partial<ConnectOptions>,
  productKey: string,
  tls: CheckedTls | undefined,
): Place {
  const places = (['region', 'instanceId', 'url', 'host'] as const).filter(
    (key) => options[key] !== undefined,
  );
  const [place] = places;
  if (place === undefined || places.length > 1) {
    const got = places.length === 0 ? 'none' : places.join(' and ');
    throw conflict(`exactly one of region, instanceId, url and host must be given, got ${got}`);
  }
  if (place === 'url') return checkUrl(options, tls);
  const port = optional(options.port, checkPort);
  if (place === 'host') {
    const host = text('host', options.host, {
      max: 253,
      pattern: hostPattern,
      expected: 'a host name or address',
    });
    return { host, port: port ?? (tls === undefined ? 1883 : 8883), tls };
  }
  if (tls === undefined) throw conflict(`tls: false is not possible with ${place}`);
  const label = text(place, options[place], {
    max: 63,
    pattern: /^[A-Za-z0-9-]+$/,
    expected: '1-63 letters, digits and -',
  });
  const host =
    place === 'region'
      ? `${productKey}.iot-as-mqtt.${label}.aliyuncs.com`
      : `${label}.mqtt.iothub.aliyuncs.com`;
  return { host, port: port ?? 443, tls };
}

function checkPort(value: number): number {
  return integer('port', value, { min: 1, max: 65_535 });
}

function checkUrl(options: Partial<ConnectOptions>, tls: CheckedTls | undefined): Place {
  const expected = 'mqtts://host[:port] or mqtt://host[:port]';
  const given = text('url', options.url, { max: 512, expected });
  const url = URL.canParse(given) ? new URL(given) : undefined;
  const plain = url?.protocol === 'mqtt:';
  const bare =
    url !== undefined &&
    (plain || url.protocol === 'mqtts:') &&
    url.hostname !== '' &&
    url.username === '' &&
    url.password === '' &&
    (url.pathname === '' || url.pathname === '/') &&
    url.search === '' &&
    url.hash === '';
  // The URL is not shown: somebody may have put a password into it.
  if (!bare) throw conflict(`url must be ${expected}, without credentials, path and query`);
  if (options.port !== undefined) throw conflict('port belongs to host; with url it is part of it');
  if (plain && typeof options.tls === 'object') throw conflict('tls options need an mqtts: url');
  if (plain && options.tls === true) throw conflict('tls: true needs an mqtts: url');
  if (!plain && tls === undefined) throw conflict('tls: false needs an mqtt: url');
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  const port = url.port === '' ? (plain ? 1883 : 8883) : checkPort(Number(url.port));
  return { host, port, tls: plain ? undefined : tls };
}

function checkTls(given: ConnectOptions['tls']): CheckedTls | undefined {
  if (given === false) return undefined;
  const asked = given === true || given === undefined ? {} : given;
  const options = checkOptions('tls', asked, ['ca', 'cert', 'key', 'passphrase', 'servername']);
  const { cert, key, passphrase } = options;
  if ((cert === undefined) !== (key === undefined)) {
    throw conflict('tls.cert and tls.key must be given together');
  }
  if (passphrase !== undefined && key === undefined) {
    throw conflict('tls.passphrase needs tls.key');
  }
  return {
    ca: pemList('tls.ca', options.ca),
    cert: pem('tls.cert', cert),
    key: pem('tls.key', key),
    passphrase:
      optional(passphrase, (value) => text('tls.passphrase', value, { max: 1024, secret: true })) ??
      '',
    certName:
      optional(options.servername, (value) =>
        text('tls.servername', value, {
          max: 253,
          pattern: hostPattern,
          expected: 'a host name or address',
        }),
      ) ?? '',
  };
}

function pem(name: string, value: unknown): string {
  if (value === undefined) return '';
  const string = value instanceof Uint8Array ? new TextDecoder('latin1').decode(value) : value;
  if (typeof string !== 'string') throw wrongType(name, 'PEM text or bytes', Symbol());
  if (!string.includes('-----BEGIN ') || string.includes('\0')) {
    throw conflict(`${name} must be PEM text (-----BEGIN …)`);
  }
  return string;
}

function pemList(name: string, value: unknown): string {
  if (!Array.isArray(value)) return pem(name, value);
  if (value.length === 0) throw conflict(`${name} must not be an empty list`);
  return value.map((part, index) => pem(`${name}[${index}]`, part)).join('\n');
}

const fetchKeys = [
  'ca',
  'connectTimeout',
  'responseTimeout',
  'idleTimeout',
  'lowSpeed',
  'maxRetries',
  'retry',
  'maxRedirects',
  'httpsOnly',
] as const;

function checkFetch(given: FetchOptions | undefined, tls: CheckedTls | undefined): CheckedFetch {
  const options = checkOptions('fetch', given, fetchKeys);
  const time = (key: 'connectTimeout' | 'responseTimeout' | 'idleTimeout') =>
    optional(options[key], (value) => milliseconds(`fetch.${key}`, value, 0)) ?? 0;
  const lowSpeed = checkOptions('fetch.lowSpeed', options.lowSpeed, ['bytesPerSecond', 'duration']);
  const slow = options.lowSpeed !== undefined;
  const retry = checkOptions('fetch.retry', options.retry, ['min', 'max']);
  const retryMinMs = milliseconds('fetch.retry.min', retry.min, 500);
  const retryMaxMs = milliseconds('fetch.retry.max', retry.max, Math.max(60_000, retryMinMs));
  notBelow('fetch.retry.max', retryMaxMs, 'fetch.retry.min', retryMinMs);
  return {
    ca: pemList('fetch.ca', options.ca) || (tls?.ca ?? ''),
    connectTimeoutMs: time('connectTimeout'),
    responseTimeoutMs: time('responseTimeout'),
    idleTimeoutMs: time('idleTimeout'),
    lowSpeedBytes: slow
      ? integer('fetch.lowSpeed.bytesPerSecond', lowSpeed.bytesPerSecond, {
          min: 1,
          max: 0xffff_ffff,
        })
      : 0,
    lowSpeedMs: slow
      ? integer('fetch.lowSpeed.duration', lowSpeed.duration, { min: 1, max: HOUR_MS })
      : 0,
    maxRetries: integer('fetch.maxRetries', options.maxRetries ?? 5, { min: 1, max: 1000 }),
    retryMinMs,
    retryMaxMs,
    maxRedirects: integer('fetch.maxRedirects', options.maxRedirects ?? 5, { min: 1, max: 20 }),
    httpsOnly: flag('fetch.httpsOnly', options.httpsOnly ?? false),
  };
}
