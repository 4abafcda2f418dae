import { options as checkOptions, conflict, optional, text, wrongType } from '../arguments';
import { hostRule } from './values';

/** PEM text, one or more certificates or keys. */
export type Pem = string | Uint8Array;

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

/** @internal Who we are; `''` is absent. */
export interface CheckedIdentity {
  readonly cert: string;
  readonly key: string;
  readonly passphrase: string;
}

/** @internal `''` is absent. */
export interface CheckedTls extends CheckedIdentity {
  readonly ca: string;
  readonly certName: string;
}

/** @internal undefined: without TLS. */
export function checkTls(given: boolean | TlsOptions | undefined): CheckedTls | undefined {
  if (given === false) return undefined;
  const asked = given === true || given === undefined ? {} : given;
  const options = checkOptions('tls', asked, ['ca', 'cert', 'key', 'passphrase', 'servername']);
  return {
    ...checkIdentity('tls', options),
    ca: pemList('tls.ca', options.ca),
    certName: optional(options.servername, (name) => text('tls.servername', name, hostRule)) ?? '',
  };
}

/** @internal */
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
  const string = value instanceof Uint8Array ? new TextDecoder('latin1').decode(value) : value;
  if (typeof string !== 'string') throw wrongType(name, 'PEM text or bytes', Symbol());
  if (!string.includes('-----BEGIN ') || string.includes('\0')) {
    throw conflict(`${name} must be PEM text (-----BEGIN …)`);
  }
  return string;
}

/** @internal One text of all; `''` is absent. */
export function pemList(name: string, value: unknown): string {
  if (!Array.isArray(value)) return pem(name, value);
  if (value.length === 0) throw conflict(`${name} must not be an empty list`);
  return value.map((part, index) => pem(`${name}[${index}]`, part)).join('\n');
}
