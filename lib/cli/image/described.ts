// Tested by test/unit/cli/image/described.test.ts
/**
 * What an image on the command line has to be, said as the platform's notice says it: by options, and by a
 * description, a JSON file with members of such a notice.
 */
import { readFileSync } from 'node:fs';
import { type Json, parseJson, textOf } from '../agent/file';
import { ConfigError, UsageError } from '../errors';
import { unreadable } from '../exit-codes';

/** What the platform's notice calls `data`, without where the image is. */
export interface ImageNotice {
  readonly version: string;
  readonly module?: string;
  readonly size?: number;
  readonly signMethod: 'SHA256' | 'MD5';
  readonly sign: string;
  readonly digestsign?: string;
  readonly isDiff?: boolean | number;
  readonly extData?: Json;
}

/** What the options of a command say of an image. */
export interface ImageOptions {
  readonly sha256?: string | undefined;
  readonly size?: string | undefined;
  readonly version?: string | undefined;
  readonly module?: string | undefined;
  /** Base64 over the digest, or the name of a file with that or with the bytes themselves. */
  readonly signature?: string | undefined;
}

/** What a description is believed for. */
export interface Trust {
  /** Whether there are public keys that signatures are verified with. */
  readonly isVerified: boolean;
  /** Whether somebody has named it; or it was found beside the image, wherever that is from. */
  readonly isNamed: boolean;
}

const members = [
  'version',
  'module',
  'size',
  'sign',
  'signMethod',
  'md5',
  'digestsign',
  'isDiff',
  'extData',
];
/** A whole notice may be the description; where the platform has the image does not matter. */
const elsewhere = ['url', 'dProtocol', 'streamId', 'streamFileId'];
const digests = { SHA256: /^[0-9a-f]{64}$/i, MD5: /^[0-9a-f]{32}$/i } as const;
const base64 = /^[A-Za-z0-9+/\s]+={0,2}\s*$/;
const TEXT_MAX = 64 * 1024;
/** Bytes; the largest image that the engine takes. */
export const SIZE_MAX = 2 ** 50;
const STATEMENT = 'iotkit.statement.v1';

/** @throws ConfigError; CommandError (it is not there) */
export function readDescription(file: string): Json {
  const refused = (why: string): ConfigError => new ConfigError(`${file}: ${why}`);
  const given = jsonIn(file);
  if (!isObject(given)) throw refused('must be a JSON object');
  const data = isObject(given.data) ? given.data : given;
  const other = Object.keys(data).find((key) => ![...members, ...elsewhere].includes(key));
  if (other !== undefined) {
    throw refused(`has a member ${other}, which is none of ${members.join(', ')}`);
  }
  return Object.fromEntries(Object.entries(data).filter(([key]) => members.includes(key)));
}

function jsonIn(file: string): unknown {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    throw unreadable(file, error);
  }
  try {
    if (bytes.length > TEXT_MAX) throw new ConfigError('is too long for a description');
    return parseJson(textOf(bytes));
  } catch (error) {
    throw new ConfigError(`${file}: ${(error as ConfigError).message}`);
  }
}

/**
 * Whoever can exchange an image can exchange what lies beside it. So a description says the digest only where it is
 * signed, which the engine verifies; and one that nobody has named says then alone which version it is, and for
 * which module. What else it says, the digest proves.
 *
 * @throws ConfigError
 */
export function noticeOf(
  options: ImageOptions,
  description: Json,
  { isVerified, isNamed }: Trust,
): ImageNotice {
  const isBelieved = isNamed || (isVerified && isSigned(description));
  const told = (member: 'version' | 'module'): unknown => {
    if (options[member] !== undefined) return options[member];
    if (isBelieved || description[member] === undefined) return description[member];
    const why = `the description beside the image is not signed: give its ${member} with --${member}`;
    throw new UsageError(`${why}, or the description with --description`);
  };
  const version = told('version');
  if (typeof version !== 'string' || version === '') {
    throw new UsageError('give the version of the image with --version, or in its description');
  }
  const module = told('module');
  const size = options.size === undefined ? description.size : sizeOf(options.size);
  if (options.signature !== undefined && !isVerified) throw unverified();
  const digestsign =
    options.signature === undefined ? description.digestsign : signatureOf(options.signature);
  return {
    ...digestOf(options, { ...description, digestsign }, isVerified),
    version,
    ...(module !== undefined && module !== 'default' && { module: String(module) }),
    ...(size !== undefined && { size: Number(size) }),
    ...(digestsign !== undefined && { digestsign: String(digestsign) }),
    ...(description.isDiff !== undefined && { isDiff: description.isDiff as boolean }),
    ...(isObject(description.extData) && { extData: description.extData }),
  };
}

/** Whoever gives a signature expects it to be verified. */
function unverified(): UsageError {
  const keys =
    '--public-key for download, device.verify.publicKeys of the configuration for install';
  return new UsageError(`no public key verifies --signature: give one (${keys})`);
}

function digestOf(
  { sha256 }: ImageOptions,
  description: Json,
  isVerified: boolean,
): Pick<ImageNotice, 'sign' | 'signMethod'> {
  if (sha256 !== undefined) return { signMethod: 'SHA256', sign: digest('SHA256', sha256) };
  const isSha256 = /^sha-?256$/i.test(String(description.signMethod));
  const method = isSha256 ? 'SHA256' : 'MD5';
  const sign = description.sign ?? description.md5;
  const help = 'give it with --sha256, or in a signed description';
  if (sign === undefined) throw new UsageError(`nothing says the digest of the image: ${help}`);
  // Where verify.allowUnsigned is set the engine takes what has none; here it is what the digest is believed for.
  if (!isSigned(description)) {
    throw new UsageError(`the description is not signed: give the digest with --sha256`);
  }
  if (!isVerified) {
    throw new UsageError('no public key verifies the description: give the digest with --sha256');
  }
  return { signMethod: method, sign: digest(method, String(sign)) };
}

/** Whether the engine has a signature to verify. */
function isSigned({ extData, digestsign }: Json): boolean {
  return isSignature(digestsign) || (isObject(extData) && isSignature(extData[STATEMENT]));
}

function isSignature(value: unknown): boolean {
  return typeof value === 'string' && value !== '';
}

function digest(method: keyof typeof digests, text: string): string {
  if (digests[method].test(text)) return text.toLowerCase();
  const count = method === 'SHA256' ? 64 : 32;
  throw new UsageError(`a digest of ${method} has ${count} hexadecimal digits`);
}

/** @throws ConfigError */
export function sizeOf(text: string): number {
  const size = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (size > 0 && size <= SIZE_MAX) return size;
  throw new UsageError(`--size must be a whole number of bytes from 1 to ${SIZE_MAX}`);
}

/** Base64 is also the name of no file; a file that is not base64 holds the bytes themselves. */
function signatureOf(given: string): string {
  let bytes: Buffer;
  try {
    bytes = readFileSync(given);
  } catch {
    if (base64.test(given) && given.length >= 64) return given.replace(/\s/g, '');
    throw new UsageError('--signature must be base64, or a file that can be read');
  }
  if (bytes.length > TEXT_MAX) throw new UsageError('--signature: the file is too long');
  const text = bytes.toString('latin1');
  // The engine takes an empty one for none, which verify.allowUnsigned may allow.
  if (text.trim() === '') throw new UsageError('--signature: the file is empty');
  return base64.test(text) ? text.replace(/\s/g, '') : bytes.toString('base64');
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
