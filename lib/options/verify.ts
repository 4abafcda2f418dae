import { callback, options as checkOptions, conflict, flag, optional } from '../arguments';
import { type Pem, pemList } from './tls';

/** What is known when a version is asked about. */
export interface VersionContext {
  /** undefined is the default module. */
  readonly module: string | undefined;
  /** The version last reported for the module in this process; undefined: none was. */
  readonly current: string | undefined;
}

/** What may be installed. What is refused is reported to the platform and never offered. */
export interface VerifyOptions {
  /**
   * Public keys (`PUBLIC KEY` or `CERTIFICATE`), 1-16: RSA of 2,048 bits and more, ECDSA on P-256,
   * Ed25519. The announced `digestsign`, and a `signature` given to a download, must be made with
   * any one of them, so keys can be rotated. Checked before the first byte is fetched.
   */
  readonly publicKeys?: Pem | readonly Pem[];
  /**
   * Refuse images that have no signature, neither in the notice, which has none for several files,
   * nor given to the download. Needs `publicKeys`. Default false: what has one must have a right
   * one.
   */
  readonly requireSignature?: boolean;
  /**
   * Refuse the version last reported for the module, and older ones, in the order of
   * {@link compareVersions}; also what has come before the report and waits to be taken. Where none
   * has been reported in this process, all are allowed. Default false.
   */
  readonly newerOnly?: boolean;
  /**
   * Called with each announced version; `false` refuses it, and so does throwing. `newerOnly` is
   * asked first.
   */
  readonly allowVersion?: (version: string, context: VersionContext) => boolean;
}

/** @internal */
export interface CheckedVerify extends VersionRules {
  /** `''`: none. */
  readonly publicKeys: string;
  readonly requireSignature: boolean;
}

/** @internal */
export interface VersionRules {
  readonly newerOnly: boolean;
  readonly allowVersion: VerifyOptions['allowVersion'];
}

const verifyKeys = ['publicKeys', 'requireSignature', 'newerOnly', 'allowVersion'] as const;

/** @internal */
export function checkVerify(given: VerifyOptions | undefined): CheckedVerify {
  const options = checkOptions('verify', given, verifyKeys);
  const publicKeys = pemList('verify.publicKeys', options.publicKeys);
  if (publicKeys.includes('PRIVATE KEY-----')) {
    throw conflict('verify.publicKeys must be public keys, got a private one');
  }
  const requireSignature = flag('verify.requireSignature', options.requireSignature ?? false);
  if (requireSignature && publicKeys === '') {
    throw conflict('verify.requireSignature needs verify.publicKeys');
  }
  return {
    publicKeys,
    requireSignature,
    newerOnly: flag('verify.newerOnly', options.newerOnly ?? false),
    allowVersion: optional(options.allowVersion, (it) => callback('verify.allowVersion', it)),
  };
}
