/** The options of `tls`, and PEM texts. */
import { isUint8Array } from 'node:util/types';
import { options as checkOptions, conflict, optional, text, wrongSecret } from '../base/arguments';
import { hostRule } from './values';

/** PEM text, one or more certificates or keys. */
export type Pem = string | Uint8Array;

/** Whom to trust and who we are. TLS 1.2 is the floor; chain and host name are always verified. */
export interface TlsOptions {
  /**
   * Certificates to trust **instead of** the default ones. By default: the runtime's own list
   * (`tls.rootCertificates` or what `tls.getCACertificates('default')` says) and the file named by
   * `NODE_EXTRA_CA_CERTS`; for hosts of the platform (`*.aliyuncs.com`) also GlobalSign Root CA - R1,
   * at which their certificates end and which runtimes no longer have in their lists.
   */
  readonly ca?: Pem | readonly Pem[] | undefined;
  /** Our certificate and its chain, for brokers that ask for one. */
  readonly cert?: Pem | undefined;
  /** The private key of `cert`. */
  readonly key?: Pem | undefined;
  /** The passphrase of `key`, 1-1024 characters. */
  readonly passphrase?: string | undefined;
  /** Verify the server's certificate for this name instead of the host's. */
  readonly servername?: string | undefined;
}

/** @internal Who we are. An empty string means: option not set. */
export interface CheckedIdentity {
  readonly cert: string;
  readonly key: string;
  readonly passphrase: string;
}

/** @internal An empty string means: option not set. */
export interface CheckedTls extends CheckedIdentity {
  readonly ca: string;
  /** What is trusted besides the default list, where that is trusted. */
  readonly also: string;
  readonly certName: string;
}

/** @internal undefined: the connection is without TLS. */
export function checkTls(given: boolean | TlsOptions | undefined): CheckedTls | undefined {
  if (given === false) return undefined;
  const asked = given === true || given === undefined ? {} : given;
  const options = checkOptions('tls', asked, ['ca', 'cert', 'key', 'passphrase', 'servername']);
  return {
    ...checkIdentity('tls', options),
    ca: pemList('tls.ca', options.ca),
    also: '',
    certName: optional(options.servername, (name) => text('tls.servername', name, hostRule)) ?? '',
  };
}

/** @internal `group` is what messages call it. */
export function checkIdentity(
  group: string,
  { cert, key, passphrase }: Pick<TlsOptions, 'cert' | 'key' | 'passphrase'>,
): CheckedIdentity {
  if ((cert === undefined) !== (key === undefined)) {
    throw conflict(`${group}.cert and ${group}.key must be given together`);
  }
  if (passphrase !== undefined && key === undefined) {
    throw conflict(`${group}.passphrase needs ${group}.key`);
  }
  const secret = { max: 1024, secret: true };
  return {
    cert: pem(`${group}.cert`, cert),
    key: pem(`${group}.key`, key),
    passphrase: optional(passphrase, (it) => text(`${group}.passphrase`, it, secret)) ?? '',
  };
}

function pem(name: string, value: unknown): string {
  if (value === undefined) return '';
  const string = isUint8Array(value) ? new TextDecoder('latin1').decode(value) : value;
  if (typeof string !== 'string') throw wrongSecret(name, 'PEM text or bytes', value);
  if (!string.includes('-----BEGIN ') || string.includes('\0')) {
    throw conflict(`${name} must be PEM text (-----BEGIN …)`);
  }
  return string;
}

/** @internal Joins all into one text; `''`: option not set. */
export function pemList(name: string, value: unknown): string {
  if (!Array.isArray(value)) return pem(name, value);
  if (value.length === 0) throw conflict(`${name} must not be an empty list`);
  return value.map((part, index) => pem(`${name}[${index}]`, part)).join('\n');
}
