import { createPrivateKey, type KeyLike, type KeyObject, sign } from 'node:crypto';
import { invalid } from '../base/errors';
import { checkProductKey, isVersion, moduleKey, normalModule } from '../devices/names';
import type { SignMethod } from '../types/firmware';

/** Member of `extData` that brings the signature of a statement to a device. */
export const STATEMENT_FIELD = 'iotkit.statement.v1';

/** What a statement says of an image, or of one file of several. */
export interface Statement {
  readonly productKey: string;
  readonly version: string;
  /** Absent: the default module. */
  readonly module?: string;
  /** Default false. */
  readonly isDiff?: boolean;
  /** Bytes. */
  readonly size: number;
  /** Default `'SHA256'`. */
  readonly signMethod?: SignMethod;
  /** Of `signMethod`, hex. */
  readonly digest: string;
  /** Of one file of several its name. */
  readonly fileName?: string;
}

/**
 * The text that is signed; the device writes the same from what is announced. Throws
 * ERR_INVALID_ARGUMENT for what no notice could announce.
 */
export function statementText(statement: Statement): string {
  const { productKey, version, module, isDiff = false, size, fileName } = statement;
  const { signMethod = 'SHA256' } = statement;
  checkProductKey(productKey);
  if (!isVersion(version)) throw invalid('version must be 1-64 letters, digits, ".", "-", "_"');
  const named = normalModule(module);
  if (named !== undefined && !isVersion(named)) {
    throw invalid('module must be 1-64 letters, digits, ".", "-", "_"');
  }
  if (!Number.isSafeInteger(size) || size < 1) throw invalid('size must be a whole number');
  if (fileName !== undefined && !/^[^/\p{Cc}]+$/u.test(fileName)) {
    throw invalid('fileName must be a name without a directory');
  }
  const lines = [
    'iotkit-ota statement 1',
    `product ${productKey}`,
    `module ${moduleKey(named)}`,
    `version ${version}`,
    `kind ${isDiff ? 'diff' : 'full'}`,
    `size ${size}`,
    digestLine(signMethod, statement.digest),
    ...(fileName === undefined ? [] : [`file ${fileName}`]),
  ];
  return lines.map((line) => `${line}\n`).join('');
}

/**
 * The signature for {@link STATEMENT_FIELD}, base64. `key`: PEM or key object of RSA, ECDSA on P-256
 * or Ed25519. It is best kept where no platform is: whoever has it can sign any image.
 */
export function signStatement(statement: Statement, key: KeyLike): string {
  const message = Buffer.from(statementText(statement));
  const privateKey = readKey(key);
  const isEd25519 = privateKey.asymmetricKeyType === 'ed25519';
  return sign(isEd25519 ? null : 'sha256', message, privateKey).toString('base64');
}

function digestLine(signMethod: SignMethod, digest: string): string {
  const [name, digits] = signMethod === 'MD5' ? ['md5', 32] : ['sha256', 64];
  if (!/^[0-9a-f]+$/i.test(digest) || digest.length !== digits) {
    throw invalid(`digest must be ${digits} hexadecimal digits`);
  }
  return `${name} ${digest.toLowerCase()}`;
}

function readKey(key: KeyLike): KeyObject {
  let privateKey: KeyObject;
  try {
    privateKey = typeof key === 'object' && 'type' in key ? key : createPrivateKey(key);
  } catch {
    // The cause would quote what it could not read.
    throw invalid('the key of a statement must be a private key in PEM');
  }
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = privateKey;
  const fits =
    (type === 'rsa' && (details?.modulusLength ?? 0) >= 2048) ||
    (type === 'ec' && details?.namedCurve === 'prime256v1') ||
    type === 'ed25519';
  if (privateKey.type === 'private' && fits) return privateKey;
  throw invalid('the key of a statement must be RSA of 2048 bits and more, P-256 or Ed25519');
}
