import { createPrivateKey, type KeyObject } from 'node:crypto';
import { type Clock, systemClock } from './clock';
import { invalid } from './errors';
import type { PlatformOptions } from './types';

/** The options with their defaults, checked. `undefined` ports are left out. */
export interface Settings {
  readonly host: string;
  readonly publicHost: string;
  readonly ports: {
    readonly mqtt: number | undefined;
    readonly mqtts: number | undefined;
    readonly http: number | undefined;
    readonly https: number | undefined;
  };
  readonly keepAliveSeconds: { readonly min: number; readonly max: number };
  readonly firmwareScheme: 'http' | 'https';
  readonly firmwareBaseUrl: string | undefined;
  readonly urlLifetimeSeconds: number;
  readonly urlMinLength: number;
  readonly maxFirmwareBytes: number;
  readonly signingKey: KeyObject | undefined;
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
  };
  return {
    host,
    publicHost: options.publicHost ?? (WILDCARDS.includes(host) ? 'localhost' : host),
    ports,
    keepAliveSeconds: {
      min: whole('keepAliveSeconds.min', options.keepAliveSeconds?.min ?? 30, 0, 65_535),
      max: whole('keepAliveSeconds.max', options.keepAliveSeconds?.max ?? 1200, 1, 65_535),
    },
    firmwareScheme: scheme(options, ports),
    firmwareBaseUrl: baseUrl(options.firmwareBaseUrl),
    urlLifetimeSeconds: whole(
      'urlLifetimeSeconds',
      options.urlLifetimeSeconds ?? 86_400,
      1,
      10 * 365 * 86_400,
    ),
    urlMinLength: whole('urlMinLength', options.urlMinLength ?? 0, 0, 4000),
    maxFirmwareBytes: whole(
      'maxFirmwareBytes',
      options.maxFirmwareBytes ?? 1000 * 1024 * 1024,
      1,
      Number.MAX_SAFE_INTEGER,
    ),
    signingKey: signingKey(options.signingKey),
    clock: options.clock ?? systemClock,
  };
}

function port(name: string, value: number | false | undefined): number | undefined {
  return value === false ? undefined : whole(name, value ?? 0, 0, 65_535);
}

function whole(name: string, value: unknown, least: number, most: number): number {
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
