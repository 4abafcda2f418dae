import {
  abortSignal,
  options as checkOptions,
  conflict,
  flag,
  integer,
  oneOf,
  optional,
  text,
  wrongType,
} from '../arguments';
import { type CheckedFetch, checkFetch, type FetchOptions } from './fetch';
import { type CheckedTls, checkTls, type TlsOptions } from './tls';
import { hostRule, milliseconds, notBelow } from './values';
import { type CheckedVerify, checkVerify, type VerifyOptions } from './verify';

/** How the sign-in is signed with the device secret. */
export type SignMethod = 'hmacsha256' | 'hmacsha1' | 'hmacmd5';

/** How long to wait before connecting again after a drop: exponential with full jitter. */
export interface ReconnectOptions {
  /** Upper bound of the first wait, milliseconds, 1-3,600,000. Default 1,000. */
  readonly min?: number;
  /** Upper bound of every wait, milliseconds, 1-3,600,000. Default 60,000. */
  readonly max?: number;
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
  /** What may be installed: signatures and versions. */
  readonly verify?: VerifyOptions;
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
  readonly verify: CheckedVerify;
  readonly signal: AbortSignal | undefined;
}

const DEFAULT_CONNECT_TIMEOUT_MS = 30_000;
const signMethods = ['hmacsha256', 'hmacsha1', 'hmacmd5'] as const;

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
  'verify',
  'signal',
] as const;

/** @internal Throws a TypeError or RangeError that names the option. */
export function checkConnectOptions(
  given: ConnectOptions,
  environment: Readonly<Record<string, string | undefined>>,
): Checked {
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
    fetch: checkFetch(options.fetch, tls, environment),
    verify: checkVerify(options.verify),
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
    const host = text('host', options.host, hostRule);
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
