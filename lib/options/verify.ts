/** The options of `verify`. */
import {
  callback,
  options as checkOptions,
  conflict,
  flag,
  optional,
  orElse,
} from '../base/arguments';
import { type Pem, pemList } from './tls';

/** What `allowVersion` gets to know besides the version. */
export interface VersionContext {
  /** undefined: the default module. */
  readonly module: string | undefined;
  /** The version last reported for the module in this process; undefined: none yet. */
  readonly current: string | undefined;
}

/** What may be installed. A refused upgrade is reported to the platform and never offered. */
export interface VerifyOptions {
  /**
   * Public keys (`PUBLIC KEY` or `CERTIFICATE`), 1-16: RSA of 2,048 bits and more, ECDSA on P-256,
   * Ed25519. The announced `digestsign`, an announced statement, and a `signature` given to a
   * download, must be made with any one of them, so keys can be rotated. Checked before the first
   * byte is fetched. An image that has none of these signatures is refused
   * (`ERR_SIGNATURE_MISSING`) unless `allowUnsigned`; of several files each wants one of your own.
   */
  readonly publicKeys?: Pem | readonly Pem[] | undefined;
  /**
   * Says what `publicKeys` mean by themselves: images without a signature are refused. Needs
   * `publicKeys`; `true` is refused beside `allowUnsigned`.
   */
  readonly requireSignature?: boolean | undefined;
  /**
   * Take also images without any signature, though there are `publicKeys`; one that is there must
   * still be right. Default false.
   */
  readonly allowUnsigned?: boolean | undefined;
  /**
   * Refuse what has no signed statement (`ERR_SIGNATURE_MISSING`), the one form of signature that
   * binds version, module and product too, so that an image signed as another version cannot be
   * announced under this one. Needs `publicKeys`. Default false.
   */
  readonly requireStatement?: boolean | undefined;
  /**
   * Refuse the version last reported for the module, and older ones, in the order of
   * {@link compareVersions}; also an upgrade that came before the report and that nobody has taken.
   * As long as none has been reported in this process, all are allowed. Default false.
   */
  readonly newerOnly?: boolean | undefined;
  /**
   * Called with each announced version; `false` refuses it, and so does throwing. `newerOnly` is
   * applied first.
   */
  readonly allowVersion?: ((version: string, context: VersionContext) => boolean) | undefined;
}

/** @internal The checked options. */
export interface CheckedVerify extends VersionRules {
  /** `''`: none. */
  readonly publicKeys: string;
  readonly requireSignature: boolean;
  readonly allowUnsigned: boolean;
  readonly requireStatement: boolean;
}

/** @internal The rules that lib applies; signatures are verified by the C SDK. */
export interface VersionRules {
  readonly newerOnly: boolean;
  readonly allowVersion: VerifyOptions['allowVersion'];
}

const verifyKeys = [
  'publicKeys',
  'requireSignature',
  'allowUnsigned',
  'requireStatement',
  'newerOnly',
  'allowVersion',
] as const;

/** @internal */
export function checkVerify(given: VerifyOptions | undefined): CheckedVerify {
  const options = checkOptions('verify', given, verifyKeys);
  const publicKeys = pemList('verify.publicKeys', options.publicKeys);
  if (publicKeys.includes('PRIVATE KEY-----')) {
    throw conflict('verify.publicKeys must be public keys, got a private one');
  }
  return {
    publicKeys,
    ...checkSignatureRules(options, publicKeys !== ''),
    newerOnly: flag('verify.newerOnly', orElse(options.newerOnly, false)),
    allowVersion: optional(options.allowVersion, (it) => callback('verify.allowVersion', it)),
  };
}

type SignatureRules = Pick<
  CheckedVerify,
  'requireSignature' | 'allowUnsigned' | 'requireStatement'
>;

function checkSignatureRules(options: VerifyOptions, hasKeys: boolean): SignatureRules {
  const rules = {
    requireSignature: flag('verify.requireSignature', orElse(options.requireSignature, false)),
    allowUnsigned: flag('verify.allowUnsigned', orElse(options.allowUnsigned, false)),
    requireStatement: flag('verify.requireStatement', orElse(options.requireStatement, false)),
  };
  for (const key of ['requireSignature', 'requireStatement'] as const) {
    if (!rules[key]) continue;
    if (!hasKeys) throw conflict(`verify.${key} needs verify.publicKeys`);
    if (rules.allowUnsigned) throw conflict(`verify.allowUnsigned contradicts verify.${key}`);
  }
  return rules;
}
