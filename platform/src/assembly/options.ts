import { createPrivateKey, type KeyObject } from 'node:crypto';
import { type Clock, systemClock } from '../base/clock';
import { invalid } from '../base/errors';
import type { Log } from '../base/log';
import type { ExternalBroker } from '../broker/external-client';
import type { Fault, FaultKind } from '../faults/fault-types';
import type { ObjectStoreOptions, ObjectStoreRules } from '../firmware/object-store';
import type { TlsIdentity } from '../listen/ca';
import type { ConnectionLimits, TimeLimits } from '../listen/limits';

/** What `Platform.start` takes; everything has a default. */
export interface PlatformOptions {
  /** Address to listen on. Default `'127.0.0.1'`. */
  readonly host?: string;
  /**
   * Host name in the addresses given out. Default: `host`, or `localhost` when that is a wildcard.
   */
  readonly publicHost?: string;
  /** Default: a fresh temporary directory, removed on close. */
  readonly stateDir?: string;
  /**
   * Port 0 (the default) takes any free one; `false` leaves the listener out. `rules` are for wills and
   * retained messages, which the real platform has not on MQTT 3.1.1: `'lenient'` (default) ignores a
   * will and takes a retained message as any other, `'strict'` refuses the connection (code 5) or ends
   * it. QoS 2 is refused by both.
   */
  readonly mqtt?: {
    readonly port?: number | false;
    readonly tlsPort?: number | false;
    readonly rules?: 'strict' | 'lenient';
  };
  /** Firmware, for devices. Port 0 (the default) takes any free one; `false` leaves it out. */
  readonly http?: { readonly port?: number | false; readonly tlsPort?: number | false };
  /**
   * The operator's API, on listeners of its own. `host` is `'127.0.0.1'` by default, whatever the
   * devices' is; `port` 0, any free one; `tlsPort` `false`: none.
   */
  readonly api?: {
    readonly host?: string;
    readonly port?: number | false;
    readonly tlsPort?: number | false;
  };
  /** What connections may cost. */
  readonly limits?: LimitOptions;
  /** Default: an own CA, made on the first start and kept in `stateDir`. */
  readonly tls?: TlsIdentity;
  readonly broker?: ExternalBroker;
  /**
   * Accepted keep-alive, seconds. Default `{ min: 30, max: 1200 }`; `min: 0` accepts "none" too.
   */
  readonly keepAliveSeconds?: { readonly min?: number; readonly max?: number };
  /**
   * How long a device that has connected may take to report its versions before those it reported
   * earlier decide what it is sent, milliseconds. Default 2000; at most 60,000.
   */
  readonly versionGraceMs?: number;
  /** Scheme of the firmware URLs in notices. Default `'https'`, if its listener is on. */
  readonly firmwareScheme?: 'http' | 'https';
  /** Firmware is served elsewhere: URLs become this and `/{id}.bin`, unsigned. */
  readonly firmwareBaseUrl?: string;
  /** How long addresses of firmware are valid. Default 86,400; those of configurations: at most 1,800. */
  readonly urlLifetimeSeconds?: number;
  /** How closely files are served as the real platform's object store serves them. */
  readonly objectStore?: ObjectStoreOptions;
  /** Firmware URLs are padded to at least this many characters. Default 0; at most 4,000. */
  readonly urlMinLength?: number;
  /** Largest firmware accepted. Default 1000 MiB. */
  readonly maxFirmwareBytes?: number;
  /** PEM of an RSA private key of 2048 bits; notices then carry `digestsign`. */
  readonly signingKey?: string;
  /** Bearer token of the operator API. Default: random, kept in `stateDir`. */
  readonly operatorToken?: string;
  /** Takes a line for each request of the operator API; never a secret. Default: none. */
  readonly log?: Log;
  /** Default: the system's clock. */
  readonly clock?: Clock;
  /** Faults set from the start. */
  readonly faults?: readonly Fault[];
}

/** What connections may cost; at a cap the one that has been idle longest makes room. */
export interface LimitOptions {
  /** For a TLS handshake, the head of a request, a device's sign-in, milliseconds. Default 10,000. */
  readonly headMs?: number;
  /** Between two requests, or with nothing of an answer taken, milliseconds. Default 60,000. */
  readonly idleMs?: number;
  /** An upload that comes more slowly than this for ten seconds is given up. Default 1024. */
  readonly minUploadBytesPerSecond?: number;
  /** Connections of each listener of devices. Default `{ total: 20000, perAddress: 5000 }`. */
  readonly devices?: Partial<ConnectionLimits>;
  /** Connections of each listener of the operator. Default `{ total: 1024, perAddress: 512 }`. */
  readonly operators?: Partial<ConnectionLimits>;
  /** Sub-devices of a gateway. Default 2000. */
  readonly subDevices?: number;
}

/** The options with their defaults, checked. Ports that are undefined are left out. */
export interface Settings {
  readonly stateDir: string | undefined;
  readonly tls: TlsIdentity | undefined;
  readonly broker: ExternalBroker | undefined;
  readonly operatorToken: string | undefined;
  readonly faults: readonly Fault[];
  readonly host: string;
  readonly publicHost: string;
  readonly ports: {
    readonly mqtt: number | undefined;
    readonly mqtts: number | undefined;
    readonly http: number | undefined;
    readonly https: number | undefined;
    readonly api: number | undefined;
    readonly apiTls: number | undefined;
  };
  /** Where the operator's API listens, and its name in addresses. */
  readonly apiListenHost: string;
  readonly apiHost: string;
  readonly times: TimeLimits;
  readonly connections: {
    readonly devices: ConnectionLimits;
    readonly operators: ConnectionLimits;
  };
  readonly maxSubDevices: number;
  readonly keepAliveSeconds: { readonly min: number; readonly max: number };
  readonly mqttRules: 'strict' | 'lenient';
  readonly versionGraceMs: number;
  readonly firmwareScheme: 'http' | 'https';
  readonly firmwareBaseUrl: string | undefined;
  readonly urlLifetimeSeconds: number;
  readonly objectStore: ObjectStoreRules;
  readonly urlMinLength: number;
  readonly maxFirmwareBytes: number;
  readonly signingKey: KeyObject | undefined;
  readonly log: Log | undefined;
  readonly clock: Clock;
}

const WILDCARDS: readonly string[] = ['0.0.0.0', '::'];

export function settingsOf(options: PlatformOptions): Settings {
  const host = options.host ?? '127.0.0.1';
  const isEmbedded = options.broker === undefined;
  const ports = {
    mqtt: port('mqtt.port', isEmbedded ? options.mqtt?.port : false),
    mqtts: port('mqtt.tlsPort', isEmbedded ? options.mqtt?.tlsPort : false),
    http: port('http.port', options.http?.port),
    https: port('http.tlsPort', options.http?.tlsPort),
    api: port('api.port', options.api?.port),
    apiTls: port('api.tlsPort', options.api?.tlsPort ?? false),
  };
  const apiListenHost = options.api?.host ?? '127.0.0.1';
  const publicHost = options.publicHost ?? nameOf(host);
  return {
    stateDir: options.stateDir,
    tls: options.tls,
    broker: options.broker,
    operatorToken: options.operatorToken,
    faults: options.faults ?? [],
    host,
    publicHost,
    ports,
    apiListenHost,
    apiHost: WILDCARDS.includes(apiListenHost) ? publicHost : apiListenHost,
    ...limits(options.limits),
    keepAliveSeconds: {
      min: wholeNumber('keepAliveSeconds.min', options.keepAliveSeconds?.min ?? 30, 0, 65_535),
      max: wholeNumber('keepAliveSeconds.max', options.keepAliveSeconds?.max ?? 1200, 1, 65_535),
    },
    mqttRules: oneOf('mqtt.rules', options.mqtt?.rules ?? 'lenient', ['strict', 'lenient']),
    versionGraceMs: wholeNumber('versionGraceMs', options.versionGraceMs ?? 2000, 0, 60_000),
    firmwareScheme: scheme(options, ports),
    firmwareBaseUrl: baseUrl(options.firmwareBaseUrl),
    urlLifetimeSeconds: wholeNumber(
      'urlLifetimeSeconds',
      options.urlLifetimeSeconds ?? 86_400,
      1,
      10 * 365 * 86_400,
    ),
    objectStore: objectStore(options.objectStore),
    urlMinLength: wholeNumber('urlMinLength', options.urlMinLength ?? 0, 0, 4000),
    maxFirmwareBytes: wholeNumber(
      'maxFirmwareBytes',
      options.maxFirmwareBytes ?? 1000 * 1024 * 1024,
      1,
      Number.MAX_SAFE_INTEGER,
    ),
    signingKey: signingKey(options.signingKey),
    log: options.log,
    clock: options.clock ?? systemClock,
  };
}

/** Why a kind of fault cannot strike a platform that is set up so; undefined when it can. */
export function unsupportedFault(
  { broker, firmwareBaseUrl }: Pick<Settings, 'broker' | 'firmwareBaseUrl'>,
  kind: FaultKind,
): string | undefined {
  const isOfBroker = kind.startsWith('mqtt-') && !kind.startsWith('mqtt-block-');
  if (isOfBroker && broker !== undefined) {
    return 'an external broker cannot be made to misbehave';
  }
  if (kind.startsWith('http-') && firmwareBaseUrl !== undefined) {
    return 'firmware is served elsewhere, which cannot be made to misbehave';
  }
  return undefined;
}

/** How a platform that listens on a host is reached from it. */
function nameOf(host: string): string {
  return WILDCARDS.includes(host) ? 'localhost' : host;
}

function limits({
  headMs,
  idleMs,
  minUploadBytesPerSecond,
  devices,
  operators,
  subDevices,
}: LimitOptions = {}): Pick<Settings, 'times' | 'connections' | 'maxSubDevices'> {
  const ms = (name: string, value: number): number => wholeNumber(name, value, 1, 3_600_000);
  return {
    times: {
      headMs: ms('limits.headMs', headMs ?? 10_000),
      idleMs: ms('limits.idleMs', idleMs ?? 60_000),
      minUploadBytesPerSecond: wholeNumber(
        'limits.minUploadBytesPerSecond',
        minUploadBytesPerSecond ?? 1024,
        0,
        Number.MAX_SAFE_INTEGER,
      ),
    },
    maxSubDevices: wholeNumber('limits.subDevices', subDevices ?? 2000, 1, 100_000),
    connections: {
      devices: caps('limits.devices', { total: 20_000, perAddress: 5000, ...devices }),
      operators: caps('limits.operators', { total: 1024, perAddress: 512, ...operators }),
    },
  };
}

function caps(name: string, { total, perAddress }: ConnectionLimits): ConnectionLimits {
  return {
    total: wholeNumber(`${name}.total`, total, 1, 1_000_000),
    perAddress: wholeNumber(`${name}.perAddress`, perAddress, 1, 1_000_000),
  };
}

function port(name: string, value: number | false | undefined): number | undefined {
  return value === false ? undefined : wholeNumber(name, value ?? 0, 0, 65_535);
}

function wholeNumber(name: string, value: unknown, least: number, most: number): number {
  if (Number.isInteger(value) && (value as number) >= least && (value as number) <= most) {
    return value as number;
  }
  throw invalid(`${name} must be a whole number ${least}-${most}`);
}

function scheme(options: PlatformOptions, ports: Settings['ports']): 'http' | 'https' {
  const wanted = options.firmwareScheme ?? (ports.https === undefined ? 'http' : 'https');
  if (wanted !== 'http' && wanted !== 'https') {
    throw invalid("firmwareScheme must be 'http' or 'https'");
  }
  if (options.firmwareBaseUrl === undefined && ports[wanted] === undefined) {
    throw invalid(`there is no listener to serve firmware by ${wanted}`);
  }
  return wanted;
}

function objectStore({ badRange, signedRequests }: ObjectStoreOptions = {}): ObjectStoreRules {
  return {
    badRange: oneOf('objectStore.badRange', badRange ?? 'whole', ['whole', 'refused']),
    signedRequests: oneOf('objectStore.signedRequests', signedRequests ?? 'strict', [
      'strict',
      'lenient',
    ]),
  };
}

function oneOf<T extends string>(name: string, value: T, allowed: readonly T[]): T {
  if (allowed.includes(value)) return value;
  throw invalid(`${name} must be ${allowed.map((each) => `'${each}'`).join(' or ')}`);
}

function baseUrl(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  if (!URL.canParse(text) || !/^https?:/.test(text)) {
    throw invalid('firmwareBaseUrl must be an http or https address');
  }
  return text.replace(/\/+$/, '');
}

function signingKey(pem: string | undefined): KeyObject | undefined {
  if (pem === undefined) return undefined;
  let key: KeyObject;
  try {
    key = createPrivateKey(pem);
  } catch {
    // The cause would quote what it could not read.
    throw invalid('signingKey must be a private key in PEM');
  }
  if (key.asymmetricKeyType !== 'rsa' || key.asymmetricKeyDetails?.modulusLength !== 2048) {
    throw invalid('signingKey must be an RSA key of 2048 bits');
  }
  return key;
}
