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
  wrongType,
} from '../base/arguments';
import type { CheckedRegistration } from '../identity/registration';
import {
  checkWho,
  registeredInstance,
  type Who,
  type WhoOptions,
  type X509Options,
} from '../identity/who';
import {
  type CheckedMessages,
  checkMessages,
  checkWill,
  type MessagesOptions,
  type WillOptions,
} from '../messaging/options';
import {
  checkPlace,
  type Endpoint,
  type EndpointOptions,
  endpointKeys,
  hostsOfCertificates,
  hostsOfProduct,
  type Place,
} from '../options/endpoint';
import { type CheckedFetch, checkFetch, type FetchOptions } from '../options/fetch';
import { type CheckedTls, checkTls } from '../options/tls';
import { milliseconds, notBelow } from '../options/values';
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
  /**
   * So often it signs in within a minute, 0-10; then it waits for the rest of that minute. 0: any number. Default:
   * 5 with `region` or `instanceId`, which is what the platform takes of a device; otherwise 0.
   */
  readonly perMinute?: number | undefined;
}

/** Who the device is, by its secret, and how it behaves. */
export interface DeviceOptions extends BehaviorOptions {
  /** 1-20 letters and digits, as on the platform's console. */
  readonly productKey: string;
  /** 1-32 characters of letters, digits and `-_@.:`. */
  readonly deviceName: string;
  /** 1-64 characters. Never logged, never part of an error. */
  readonly deviceSecret: string;
}

/** Who the device is, by the token that {@link register} brought, and how it behaves. */
export interface TokenDeviceOptions extends BehaviorOptions {
  /** 1-20 letters and digits, as on the platform's console. */
  readonly productKey: string;
  /** 1-32 characters of letters, digits and `-_@.:`. */
  readonly deviceName: string;
  /** The one that came with the token, 1-128 characters: the whole MQTT client id. */
  readonly clientId: string;
  /** 1-256 characters. Never logged, never part of an error. */
  readonly deviceToken: string;
}

/**
 * Who the device is, by an X.509 certificate and its names, and how it behaves. The platform has such
 * products in the region `cn-shanghai`.
 */
export interface X509DeviceOptions extends BehaviorOptions {
  /** Certificate and private key. */
  readonly x509: X509Options;
  /** 1-20 letters and digits, as on the platform's console. */
  readonly productKey: string;
  /** 1-32 characters of letters, digits and `-_@.:`. */
  readonly deviceName: string;
}

/**
 * The same without its names: {@link connect} asks the platform for them, by a connection more each
 * time. {@link Device.productKey} and {@link Device.deviceName} then say them.
 */
export interface X509UnnamedOptions extends BehaviorOptions {
  /** Certificate and private key. */
  readonly x509: X509Options;
  /** @hidden */
  readonly productKey?: undefined;
  /** @hidden */
  readonly deviceName?: undefined;
}

/**
 * Who the device is to become, by the secret of its product, and how it behaves: {@link connect}
 * registers it once, keeps its credentials in a file, and signs in with them from then on.
 */
export interface ProductDeviceOptions extends BehaviorOptions {
  /** 1-20 letters and digits, as on the platform's console. */
  readonly productKey: string;
  /** 1-32 characters of letters, digits and `-_@.:`. */
  readonly deviceName: string;
  /** Of the product, 1-64 characters. Never logged, never part of an error. */
  readonly productSecret: string;
  /** Whether the platform knows the device's name already. Default true. */
  readonly preregistered?: boolean | undefined;
  /**
   * The file, which is made with mode 0600, whole or not at all. One that others may open, that is a
   * link, or that is damaged is refused. Of several processes at once, one registers.
   */
  readonly credentialsFile: string;
}

/** How a device behaves. */
export interface BehaviorOptions {
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
  /**
   * `false`: the broker keeps messages while the device is away. They come with the connection, and
   * wait (1,000 of them) for the subscription that wants them. Default true.
   */
  readonly cleanSession?: boolean | undefined;
  /**
   * Milliseconds of one try to connect, at first and after a drop: name resolution, TCP, TLS and
   * sign-in together, 1-3,600,000. Default 15,000.
   */
  readonly attemptTimeout?: number | undefined;
  /** When it connects again after a drop. */
  readonly reconnect?: ReconnectOptions | undefined;
  /**
   * What the broker publishes when the connection ends without a goodbye. The platform has no wills:
   * with `region` or `instanceId` it is refused with `ERR_UNSUPPORTED`.
   */
  readonly will?: WillOptions | undefined;
  /** What becomes of messages that cannot be sent at once. */
  readonly messages?: MessagesOptions | undefined;
  /** How firmware is fetched. */
  readonly fetch?: FetchOptions | undefined;
  /** What may be installed: signatures and versions. */
  readonly verify?: VerifyOptions | undefined;
  /** Where the device writes what happens to it, such as a pino logger. Default: nowhere. */
  readonly logger?: Logger | undefined;
}

/** What {@link open} takes. */
export type OpenOptions = (DeviceOptions | TokenDeviceOptions | X509DeviceOptions) & Endpoint;

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
export type ConnectOptions = (
  | OpenOptions
  | ((ProductDeviceOptions | X509UnnamedOptions) & Endpoint)
) &
  FirstConnectionOptions;

/** Options that the addon takes as they are, once they are checked. */
type Unchanged = Omit<
  NativeDeviceOptions,
  'x509' | 'tls' | 'signMethod' | 'fetch' | 'bytesPerSecond' | 'connectTimeoutMs'
>;

/** @internal The checked options, with every default that is not the C SDK's. */
export interface CheckedOpen extends Unchanged {
  readonly tls: CheckedTls | undefined;
  readonly x509: boolean;
  /** What has to come first, or to be read from a file; undefined: the device is known. */
  readonly registration: CheckedRegistration | undefined;
  readonly signMethod: SignMethod;
  readonly fetch: CheckedFetch;
  readonly verify: CheckedVerify;
  readonly messages: CheckedMessages;
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
/** That the platform takes of a device. */
const CONNECTS_PER_MINUTE = 5;
/** Bit of `ext` in the client id. */
const CUSTOM_RPC = 1;
const signMethods = ['hmacsha256', 'hmacsha1', 'hmacmd5'] as const;

const openKeys = [
  'productKey',
  'deviceName',
  'deviceSecret',
  'deviceToken',
  'x509',
  ...endpointKeys,
  'signMethod',
  'clientId',
  'timestamp',
  'keepAlive',
  'cleanSession',
  'attemptTimeout',
  'reconnect',
  'will',
  'messages',
  'fetch',
  'verify',
  'logger',
] as const;
const connectKeys = [
  ...openKeys,
  'productSecret',
  'preregistered',
  'credentialsFile',
  'connectTimeout',
  'signal',
] as const;

/** Any of them; which go together is checked. */
type AnyOptions = BehaviorOptions & WhoOptions & EndpointOptions & FirstConnectionOptions;

type Environment = Readonly<Record<string, string | undefined>>;

/** @internal Throws a TypeError or RangeError that names the option. */
export function checkOpenOptions(given: OpenOptions, environment: Environment): CheckedOpen {
  if (given === undefined) throw wrongType('options', 'an object', given);
  const checked = checkDevice(checkOptions<AnyOptions>('options', given, openKeys), environment);
  if (checked.registration !== undefined) {
    throw conflict('open() needs productKey and deviceName with x509; connect() asks for them');
  }
  return checked;
}

/** @internal Throws a TypeError or RangeError that names the option. */
export function checkConnectOptions(
  given: ConnectOptions,
  environment: Environment,
): readonly [CheckedOpen, CheckedFirst] {
  if (given === undefined) throw wrongType('options', 'an object', given);
  const options = checkOptions<AnyOptions>('options', given, connectKeys);
  const { connectTimeout } = options;
  const first = {
    connectTimeoutMs: milliseconds('connectTimeout', connectTimeout, DEFAULT_CONNECT_TIMEOUT_MS),
    signal: abortSignal('signal', options.signal),
  };
  return [checkDevice(options, environment), first];
}

function checkDevice(options: AnyOptions, environment: Environment): CheckedOpen {
  const who = checkWho(options);
  const reconnectMinMs = milliseconds('reconnect.min', options.reconnect?.min, 1_000);
  const reconnectMaxMs = milliseconds(
    'reconnect.max',
    options.reconnect?.max,
    Math.max(60_000, reconnectMinMs),
  );
  checkOptions('reconnect', options.reconnect, ['min', 'max', 'perMinute']);
  notBelow('reconnect.max', reconnectMaxMs, 'reconnect.min', reconnectMinMs);
  const tls = checkTls(options.tls);
  const place = checkPlaceOf(who, options, tls);
  const { productKey, deviceName, deviceSecret, deviceToken, clientId } = who;
  const signMethod = oneOf('signMethod', orElse(options.signMethod, 'hmacsha256'), signMethods);
  const attemptTimeoutMs = milliseconds(
    'attemptTimeout',
    options.attemptTimeout,
    DEFAULT_ATTEMPT_TIMEOUT_MS,
  );
  const cleanSession = flag('cleanSession', orElse(options.cleanSession, true));
  const isPlatform = options.region !== undefined || options.instanceId !== undefined;
  const connectsPerMinute = integer(
    'reconnect.perMinute',
    orElse(options.reconnect?.perMinute, isPlatform ? CONNECTS_PER_MINUTE : 0),
    { min: 0, max: 10 },
  );
  const messages = checkMessages(options.messages, { isPlatform, isPersistent: !cleanSession });
  return {
    ...{ productKey, deviceName, deviceSecret, deviceToken, clientId },
    x509: who.x509 !== undefined,
    ...place,
    registration: checkRegistration(who, place, {
      instanceId: registeredInstance(who, options.instanceId),
      signMethod,
      connectTimeoutMs: attemptTimeoutMs,
      answerTimeoutMs: attemptTimeoutMs,
    }),
    signMethod,
    timestamp: integer('timestamp', orElse(options.timestamp, Date.now()), {
      min: 0,
      max: Number.MAX_SAFE_INTEGER,
    }),
    keepAliveS: integer('keepAlive', orElse(options.keepAlive, 300), { min: 1, max: 1200 }),
    cleanSession,
    attemptTimeoutMs,
    reconnectMinMs,
    reconnectMaxMs,
    connectsPerMinute,
    ...checkWill(options.will, isPlatform),
    ext: messages.customRpc ? CUSTOM_RPC : 0,
    messages,
    fetch: checkFetch(options.fetch, tls, environment),
    verify: checkVerify(options.verify),
    logger: optional(options.logger, checkLogger),
  };
}

/** Where it connects to. A certificate that is its identity is shown there, and to no other server. */
function checkPlaceOf(who: Who, options: EndpointOptions, tls: CheckedTls | undefined): Place {
  if (who.x509 === undefined) {
    const place = checkPlace(options, hostsOfProduct(who.productKey), tls);
    const [way] = [
      ...(who.deviceToken === '' ? [] : ['deviceToken']),
      ...(who.productSecret === '' ? [] : ['productSecret']),
    ];
    if (way !== undefined && place.tls === undefined) throw conflict(`${way} needs TLS`);
    return place;
  }
  if (tls?.cert !== undefined && tls.cert !== '')
    throw conflict('x509 takes the place of tls.cert');
  const place = checkPlace(options, hostsOfCertificates, tls && { ...tls, ...who.x509 });
  if (place.tls === undefined) throw conflict('x509 needs TLS');
  return place;
}

function checkRegistration(
  who: Who,
  { host, port, tls }: Place,
  more: Omit<CheckedRegistration, 'who' | 'host' | 'port' | 'tls'>,
): CheckedRegistration | undefined {
  const unnamed = who.x509 !== undefined && who.productKey === '';
  if (tls === undefined || (who.productSecret === '' && !unnamed)) return undefined;
  if (!unnamed && who.credentialsFile === '') {
    throw conflict('productSecret needs credentialsFile; or keep what register() brings');
  }
  return { who, host, port, tls, ...more };
}
