/** The options of open() and connect(): who the device is and where its platform is. */
import type { NativeDeviceOptions } from '../addon/binding';
import {
  abortSignal,
  options as checkOptions,
  conflict,
  flag,
  integer,
  oneOf,
  optional,
  orElse,
  text,
  wrongType,
} from '../base/arguments';
import { type CheckedFetch, checkFetch, type FetchOptions } from '../options/fetch';
import { isPlatformHost, PLATFORM_ROOT } from '../options/platform-root';
import { type CheckedTls, checkTls, type TlsOptions } from '../options/tls';
import { hostRule, milliseconds, notBelow } from '../options/values';
import { type CheckedVerify, checkVerify, type VerifyOptions } from '../options/verify';
import { checkLogger, type Logger } from './logger';

/** How the sign-in is signed with the device secret. */
export type SignMethod = 'hmacsha256' | 'hmacsha1' | 'hmacmd5';

/** How long to wait before connecting again after a drop: exponential with full jitter. */
export interface ReconnectOptions {
  /** Upper bound of the first wait, milliseconds, 1-3,600,000. Default 1,000. */
  readonly min?: number | undefined;
  /** Upper bound of every wait, milliseconds, 1-3,600,000. Default 60,000. */
  readonly max?: number | undefined;
}

/** A public instance of the platform. */
export interface RegionEndpoint {
  /** Its region, such as `cn-shanghai`. */
  readonly region: string;
  /** @hidden */
  readonly instanceId?: undefined;
  /** @hidden */
  readonly url?: undefined;
  /** @hidden */
  readonly host?: undefined;
  /** 1-65535. Default 443. */
  readonly port?: number | undefined;
  /** Default: TLS with the runtime's CA list. */
  readonly tls?: true | TlsOptions | undefined;
}

/** An enterprise instance of the platform. */
export interface InstanceEndpoint {
  /** @hidden */
  readonly region?: undefined;
  /** Its id, such as `iot-060a0bgd`. */
  readonly instanceId: string;
  /** @hidden */
  readonly url?: undefined;
  /** @hidden */
  readonly host?: undefined;
  /** 1-65535. Default 443. */
  readonly port?: number | undefined;
  /** Default: TLS with the runtime's CA list. */
  readonly tls?: true | TlsOptions | undefined;
}

/** A broker by its URL. */
export interface UrlEndpoint {
  /** @hidden */
  readonly region?: undefined;
  /** @hidden */
  readonly instanceId?: undefined;
  /** `mqtts://host[:8883]` or `mqtt://host[:1883]` (plain TCP). */
  readonly url: string;
  /** @hidden */
  readonly host?: undefined;
  /** @hidden */
  readonly port?: undefined;
  /** Only with `mqtts:`. Default: TLS with the runtime's CA list. */
  readonly tls?: boolean | TlsOptions | undefined;
}

/** A broker by its name or address. */
export interface HostEndpoint {
  /** @hidden */
  readonly region?: undefined;
  /** @hidden */
  readonly instanceId?: undefined;
  /** @hidden */
  readonly url?: undefined;
  /** Its name or address. */
  readonly host: string;
  /** 1-65535. Default 8883, without TLS 1883. */
  readonly port?: number | undefined;
  /** `false`: plain TCP. Default: TLS with the runtime's CA list. */
  readonly tls?: boolean | TlsOptions | undefined;
}

/** Where the device's platform is: one of `region`, `instanceId`, `url` and `host`. */
export type Endpoint = RegionEndpoint | InstanceEndpoint | UrlEndpoint | HostEndpoint;

/** Who the device is, and how it behaves. */
export interface DeviceOptions {
  /** 1-20 letters and digits, as on the platform's console. */
  readonly productKey: string;
  /** 1-32 characters of letters, digits and `-_@.:`. */
  readonly deviceName: string;
  /** 1-64 characters. Never logged, never part of an error. */
  readonly deviceSecret: string;

  /** Default `hmacsha256`. */
  readonly signMethod?: SignMethod | undefined;
  /** Base of the MQTT client id, 1-64 characters. Default `productKey.deviceName`. */
  readonly clientId?: string | undefined;
  /**
   * Milliseconds since the epoch, part of what is signed; 0: none is sent. Default: now. A fixed
   * timestamp makes a password that stays the same, for brokers with a list of passwords.
   */
  readonly timestamp?: number | undefined;
  /** Seconds, 1-1,200; the platform itself takes 30 and more. Default 300. */
  readonly keepAlive?: number | undefined;
  /** `false`: the broker keeps messages while the device is away. Default true. */
  readonly cleanSession?: boolean | undefined;
  /**
   * Milliseconds of one try to connect, at first and after a drop: name resolution, TCP, TLS and
   * sign-in together, 1-3,600,000. Default 15,000.
   */
  readonly attemptTimeout?: number | undefined;
  /** When it connects again after a drop. */
  readonly reconnect?: ReconnectOptions | undefined;
  /** How firmware is fetched. */
  readonly fetch?: FetchOptions | undefined;
  /** What may be installed: signatures and versions. */
  readonly verify?: VerifyOptions | undefined;
  /** Where the device writes what happens to it, such as a pino logger. Default: nowhere. */
  readonly logger?: Logger | undefined;
}

/** What {@link open} takes. */
export type OpenOptions = DeviceOptions & Endpoint;

/** What {@link connect} takes besides. */
export interface FirstConnectionOptions {
  /**
   * Milliseconds until {@link connect} gives up after failures that may pass, all tries together,
   * 1-3,600,000. Default 30,000.
   */
  readonly connectTimeout?: number | undefined;
  /** Cancels {@link connect}; of no effect once connected. */
  readonly signal?: AbortSignal | undefined;
}

/** What {@link connect} takes. */
export type ConnectOptions = OpenOptions & FirstConnectionOptions;

/** Options that the addon takes as they are, once they are checked. */
type Unchanged = Omit<
  NativeDeviceOptions,
  'tls' | 'signMethod' | 'fetch' | 'bytesPerSecond' | 'connectTimeoutMs'
>;

/** @internal The checked options, with every default that is not the C SDK's. */
export interface CheckedOpen extends Unchanged {
  readonly tls: CheckedTls | undefined;
  readonly signMethod: SignMethod;
  readonly fetch: CheckedFetch;
  readonly verify: CheckedVerify;
  readonly logger: Logger | undefined;
  /** Of one try. */
  readonly attemptTimeoutMs: number;
}

/** @internal Of the first connection. */
export interface CheckedFirst {
  /** Of all tries. */
  readonly connectTimeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

const DEFAULT_CONNECT_TIMEOUT_MS = 30_000;
const DEFAULT_ATTEMPT_TIMEOUT_MS = 15_000;
const signMethods = ['hmacsha256', 'hmacsha1', 'hmacmd5'] as const;

const openKeys = [
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
  'attemptTimeout',
  'reconnect',
  'fetch',
  'verify',
  'logger',
] as const;
const connectKeys = [...openKeys, 'connectTimeout', 'signal'] as const;

type Environment = Readonly<Record<string, string | undefined>>;

/** @internal Throws a TypeError or RangeError that names the option. */
export function checkOpenOptions(given: OpenOptions, environment: Environment): CheckedOpen {
  if (given === undefined) throw wrongType('options', 'an object', given);
  return checkDevice(checkOptions('options', given, openKeys), environment);
}

/** @internal Throws a TypeError or RangeError that names the option. */
export function checkConnectOptions(
  given: ConnectOptions,
  environment: Environment,
): readonly [CheckedOpen, CheckedFirst] {
  if (given === undefined) throw wrongType('options', 'an object', given);
  const options = checkOptions('options', given, connectKeys);
  const { connectTimeout } = options;
  const first = {
    connectTimeoutMs: milliseconds('connectTimeout', connectTimeout, DEFAULT_CONNECT_TIMEOUT_MS),
    signal: abortSignal('signal', options.signal),
  };
  return [checkDevice(options, environment), first];
}

function checkDevice(options: Partial<OpenOptions>, environment: Environment): CheckedOpen {
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
    signMethod: oneOf('signMethod', orElse(options.signMethod, 'hmacsha256'), signMethods),
    clientId: optional(options.clientId, checkClientId) ?? '',
    timestamp: integer('timestamp', orElse(options.timestamp, Date.now()), {
      min: 0,
      max: Number.MAX_SAFE_INTEGER,
    }),
    keepAliveS: integer('keepAlive', orElse(options.keepAlive, 300), { min: 1, max: 1200 }),
    cleanSession: flag('cleanSession', orElse(options.cleanSession, true)),
    attemptTimeoutMs: milliseconds(
      'attemptTimeout',
      options.attemptTimeout,
      DEFAULT_ATTEMPT_TIMEOUT_MS,
    ),
    reconnectMinMs,
    reconnectMaxMs,
    fetch: checkFetch(options.fetch, tls, environment),
    verify: checkVerify(options.verify),
    logger: optional(options.logger, checkLogger),
  };
}

function checkClientId(value: string): string {
  return text('clientId', value, {
    max: 64,
    pattern: /^[^|,=\0]+$/,
    expected: "1-64 characters without '|', ',' and '='",
  });
}

type Place = Pick<CheckedOpen, 'host' | 'port' | 'tls'>;

function checkPlace(
  options: Partial<OpenOptions>,
  productKey: string,
  tls: CheckedTls | undefined,
): Place {
  const place = choosePlace(options, productKey, tls);
  const isDefault = place.tls?.ca === '' && isPlatformHost(place.host);
  return isDefault ? { ...place, tls: { ...place.tls, also: PLATFORM_ROOT.pem } } : place;
}

function choosePlace(
  options: Partial<OpenOptions>,
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

function checkUrl(options: Partial<OpenOptions>, tls: CheckedTls | undefined): Place {
  const expected = 'mqtts://host[:port] or mqtt://host[:port]';
  const given = text('url', options.url, { max: 512, expected, secret: true });
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
  // The URL is not shown: it may hold a password.
  if (!bare) throw conflict(`url must be ${expected}, without credentials, path and query`);
  if (options.port !== undefined) throw conflict('port belongs to host; with url it is part of it');
  if (plain && typeof options.tls === 'object') throw conflict('tls options need an mqtts: url');
  if (plain && options.tls === true) throw conflict('tls: true needs an mqtts: url');
  if (!plain && tls === undefined) throw conflict('tls: false needs an mqtt: url');
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  const port = url.port === '' ? (plain ? 1883 : 8883) : checkPort(Number(url.port));
  return { host, port, tls: plain ? undefined : tls };
}
