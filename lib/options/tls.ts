/** The options of `tls`, and PEM texts. */
import { isUint8Array } from 'node:util/types';
import {
  callback,
  options as checkOptions,
  conflict,
  optional,
  text,
  wrongSecret,
} from '../base/arguments';
import { hostRule } from './values';

/** PEM text, one or more certificates or keys. */
export type Pem = string | Uint8Array;

/** What a {@link SignFunction} is to sign. Its bytes are copies: they may be kept. */
export interface SignRequest {
  /**
   * Decided by the key and by the handshake: `ecdsa` for EC keys; for RSA keys `rsa-pss` with TLS 1.3 and mostly with
   * 1.2, and `rsa-pkcs1` with servers of TLS 1.2 that know nothing else.
   */
  readonly algorithm: 'ecdsa' | 'rsa-pkcs1' | 'rsa-pss';
  /** The digest that goes with it. */
  readonly hash: 'sha256' | 'sha384' | 'sha512';
  /** What is to be signed, for keys that make the digest themselves: 130 bytes, with TLS 1.2 some thousands. */
  readonly message: Uint8Array;
  /** Its digest by `hash`, for keys that sign digests. */
  readonly digest: Uint8Array;
  /**
   * Of `rsa-pss` alone: the padded block, as long as the modulus, for keys that know the private operation and nothing
   * else (PKCS#11's CKM_RSA_X_509).
   */
  readonly block?: Uint8Array | undefined;
  /** As `sign()` of node:crypto takes it; undefined for `ecdsa`. */
  readonly padding?: number | undefined;
  /** Bytes of the salt, as `sign()` of node:crypto takes it: with `rsa-pss` as many as the digest has. */
  readonly saltLength?: number | undefined;
  /** Aborts when nobody waits for the signature any longer: the connection was given up. */
  readonly signal: AbortSignal;
}

/**
 * Signs with a private key that no program can read: in a TPM, a secure element, an HSM, at another process. Called
 * once for each connection in which the server asks for the certificate (not where TLS resumes an earlier one);
 * several may be under way at a time. Nothing else waits meanwhile: messages and downloads of all devices go on.
 *
 * Gives the signature: for RSA as long as the modulus; for `ecdsa` the DER SEQUENCE of r and s, or r and s one after
 * the other, as PKCS#11 has them. It is verified by the certificate before it is sent.
 *
 * What it throws or rejects with is named in the error by its `code` or `name`, never by its message.
 *
 * @example
 * const sign = ({ hash, message, padding, saltLength }) =>
 *   crypto.sign(hash, message, { key, padding, saltLength });
 */
export type SignFunction = (request: SignRequest) => Uint8Array | PromiseLike<Uint8Array>;

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
  /** Signs in place of `key`. Needs an OpenSSL in the runtime or the system, else `ERR_TLS_UNAVAILABLE`. */
  readonly sign?: SignFunction | undefined;
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
  readonly sign?: SignFunction;
}

/** @internal An empty string means: option not set. */
export interface CheckedTls extends CheckedIdentity {
  readonly ca: string;
  /** What is trusted besides the default list, where that is trusted. */
  readonly also: string;
  readonly certName: string;
}

const tlsKeys = ['ca', 'cert', 'key', 'sign', 'passphrase', 'servername'] as const;

/** @internal undefined: the connection is without TLS. */
export function checkTls(given: boolean | TlsOptions | undefined): CheckedTls | undefined {
  if (given === false) return undefined;
  const asked = given === true || given === undefined ? {} : given;
  const options = checkOptions('tls', asked, tlsKeys);
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
  { cert, key, passphrase, sign }: Pick<TlsOptions, 'cert' | 'key' | 'passphrase' | 'sign'>,
): CheckedIdentity {
  if (key !== undefined && sign !== undefined) {
    throw conflict(`${group}.sign takes the place of ${group}.key`);
  }
  if (sign !== undefined && cert === undefined) throw conflict(`${group}.sign needs ${group}.cert`);
  if ((cert === undefined) !== (key === undefined && sign === undefined)) {
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
    ...(sign !== undefined && { sign: callback(`${group}.sign`, sign) }),
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
