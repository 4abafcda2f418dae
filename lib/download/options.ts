/** The options of Upgrade.download() and chunks(), checked. */
import { isUint8Array } from 'node:util/types';
import type { NativeSignature } from '../addon/binding';
import {
  abortSignal,
  callback,
  options as checkOptions,
  flag,
  integer,
  oneOf,
  optional,
  orElse,
  outOfRange,
  wrongType,
} from '../base/arguments';
import type { DeltaImage, DeltaInfo } from '../delta';
import type { Progress } from './progress';
import { checkPath, type Path } from './targets';

export type { DeltaImage, DeltaInfo };

/** A signature of your own, made with the private key of one of `verify.publicKeys`. */
export interface Signature {
  /** Its bytes (of ECDSA in DER form), or those in base64; at most 1,024. */
  readonly value: Uint8Array | string;
  /**
   * - `'digest'` (default): over the announced digest, 16 or 32 bytes
   * - `'image'`: over the image, as `openssl dgst -sha256 -sign` makes it; needs a SHA-256 digest
   *   in the notice, and a key of RSA or ECDSA
   * - `'statement'`: over the statement, which names product, module and version besides the digest
   */
  readonly over?: 'digest' | 'image' | 'statement' | undefined;
}

/** How a download reports its progress to the platform. */
export interface ReportOptions {
  /**
   * How much of the update the download is, percent, 1-100. What comes after it, such as flashing,
   * your program reports. Default 100.
   */
  readonly upTo: number;
}

/** What every consumption of an upgrade takes. */
export interface ConsumptionOptions {
  /** Cancels the download, which then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Called when the download begins, with the bytes already on disk from an earlier one; then at
   * most every 100 ms; and at 100 %. If it throws, that cancels the download as long as bytes are
   * missing.
   */
  readonly onProgress?: ((progress: Progress) => void) | undefined;
  /**
   * Whether progress is reported to the platform: 0, growing percentages, 100 or the code of the
   * failure. Default true.
   */
  readonly report?: boolean | ReportOptions | undefined;
  /**
   * A signature that is verified besides the platform's own, before anything is fetched. With
   * several files see {@link DownloadOptions.signatures}.
   */
  readonly signature?: Signature | undefined;
  /**
   * The image that is installed: a path or `file:` URL of a file, or of the block device it stands
   * in. An upgrade that is a difference ({@link Upgrade.isDiff}) is then applied to it while it is
   * downloaded, and what comes out is the full image; progress counts the bytes of the difference.
   * Without effect on other upgrades. Default: none, a difference is handed out as it is.
   */
  readonly base?: Path | undefined;
  /**
   * With `base`: called once with what the difference is applied to and what that gives, when the
   * base is proven and before the first byte of the image. Not called for other upgrades.
   */
  readonly onBase?: ((info: DeltaInfo) => void) | undefined;
}

/** What {@link Upgrade.download} takes. */
export interface DownloadOptions extends ConsumptionOptions {
  /**
   * Whether to continue where an earlier download of the same image to the same target has ended,
   * and to keep the received bytes if this one ends early. Default true. A writer needs every byte:
   * with one it is always false.
   */
  readonly resume?: boolean | undefined;
  /**
   * Whether to wait where another download of this process, of any device, fetches the same image into
   * a file, and to copy it then instead of fetching it again. The device's own rules (`fetch`,
   * `verify`, signatures) hold all the same, and the copy is verified. Shared are downloads into
   * files alone, without a device or writer; several files where all of them are the same. Default
   * true.
   *
   * `'link'`: the file becomes a hard link of the other one instead of a copy, where it can: on the same
   * file system, if the other one is yours, has the owner and mode that this one would get, and is
   * unchanged since it was verified; not of several files. Else it is copied; {@link UpgradeState} says which
   * (`sharedAs` of `done`). The two are then one file: what is written into it by one name is in
   * all of them, while a later download replaces its own name alone. So it is for files that are
   * read and replaced, not for one that is patched.
   */
  readonly share?: boolean | 'link' | undefined;
  /** For several files, by their names; each is verified before anything of its file is fetched. */
  readonly signatures?: Readonly<Record<string, Signature>> | undefined;
}

/** What {@link Upgrade.chunks} takes. */
export interface ChunksOptions extends ConsumptionOptions {
  /**
   * `true`: a chunk is valid until the next one is asked for, then its memory is used again.
   * Default `false`: each chunk has memory of its own.
   */
  readonly recycle?: boolean | undefined;
  /**
   * Upper bound of a chunk, bytes, 4,096-16,777,216. Default 1,048,576; 524,288 with `recycle`, 262,144 with
   * `base`. Each chunk costs the event loop about the same: larger ones cost it less and hold more memory.
   */
  readonly chunkSize?: number | undefined;
}

/** @internal The user's signatures. */
export interface ImageSignatures {
  readonly signature: NativeSignature | undefined;
  /** By the names of the files. */
  readonly signatures: ReadonlyMap<string, NativeSignature>;
}

/** @internal The checked options of a consumption. */
export interface CheckedConsumption extends ImageSignatures {
  readonly signal: AbortSignal | undefined;
  readonly onProgress: ((progress: Progress) => void) | undefined;
  /** An absolute path. */
  readonly base: string | undefined;
  readonly onBase: ((info: DeltaInfo) => void) | undefined;
  /** The percentage reported for the complete image; 0: nothing is reported. */
  readonly reportUpTo: number;
  readonly resume: boolean;
  readonly share: boolean | 'link';
}

/** @internal Of chunks that are the program's: each hand-over costs the event loop the same, so there are few. */
export const CHUNK_SIZE = 1024 * 1024;
/** @internal Of chunks in memory that is used again: two hold bytes and two are being filled. */
export const RECYCLED_CHUNK_SIZE = 512 * 1024;
/** @internal Of chunks that wait for a writer, or for their part of a difference: what they hold stays small. */
export const SMALL_CHUNK_SIZE = 256 * 1024;
const SIGNATURE_MAX = 1024;
/** In the order of `enum iotkit_signed`. */
const signed = ['digest', 'image', 'statement'] as const;
const common = ['signal', 'onProgress', 'report', 'signature', 'base', 'onBase'] as const;
// Of both alphabets, without its blanks and line breaks; the padding may be missing.
const base64Pattern = /^(?:[\w+/-]{4})*(?:[\w+/-]{2}={0,2}|[\w+/-]{3}=?)?$/;

/** @internal Throws an {@link InvalidArgument} that names the option. */
export function checkDownload(given: DownloadOptions | undefined): CheckedConsumption {
  const options = checkOptions('options', given, [...common, 'resume', 'share', 'signatures']);
  const resume = flag('resume', orElse(options.resume, true));
  const share = checkShare(options.share);
  const signatures = checkSignatures(options.signatures);
  return { ...checkConsumption(options, resume), share, signatures };
}

/** @internal */
export interface CheckedChunks extends CheckedConsumption {
  readonly recycle: boolean;
  readonly chunkSize: number;
}

/** @internal Throws an {@link InvalidArgument} that names the option. */
export function checkChunks(given: ChunksOptions | undefined): CheckedChunks {
  const options = checkOptions('options', given, [...common, 'recycle', 'chunkSize']);
  const recycle = flag('recycle', orElse(options.recycle, false));
  const whole = recycle ? RECYCLED_CHUNK_SIZE : CHUNK_SIZE;
  const normal = options.base === undefined ? whole : SMALL_CHUNK_SIZE;
  return {
    ...checkConsumption(options, false),
    recycle,
    chunkSize: integer('chunkSize', orElse(options.chunkSize, normal), {
      min: 4096,
      max: 16 * 1024 * 1024,
    }),
  };
}

function checkShare(given: DownloadOptions['share']): boolean | 'link' {
  if (typeof given === 'string') return oneOf('share', given, ['link'] as const);
  const share = orElse(given, true);
  if (typeof share !== 'boolean') throw wrongType('share', "a boolean or 'link'", share);
  return share;
}

function checkConsumption(options: ConsumptionOptions, resume: boolean): CheckedConsumption {
  return {
    signal: abortSignal('signal', options.signal),
    onProgress: optional(options.onProgress, (value) => callback('onProgress', value)),
    base: optional(options.base, (value) => checkPath('base', value)),
    onBase: optional(options.onBase, (value) => callback('onBase', value)),
    reportUpTo: checkReport(options.report),
    resume,
    share: false,
    signature: optional(options.signature, (value) => checkSignature('signature', value)),
    signatures: new Map(),
  };
}

function checkReport(report: boolean | ReportOptions | undefined): number {
  if (typeof report !== 'object') {
    return flag('report', orElse(report, true)) ? 100 : 0;
  }
  const { upTo } = checkOptions('report', report, ['upTo']);
  return integer('report.upTo', upTo, { min: 1, max: 100 });
}

function checkSignatures(
  given: Readonly<Record<string, Signature>> | undefined,
): ReadonlyMap<string, NativeSignature> {
  if (given === undefined) return new Map();
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw wrongType('signatures', 'an object', given);
  }
  return new Map(
    Object.entries(given).map(([name, signature]) => [
      name,
      checkSignature(`signatures[${JSON.stringify(name)}]`, signature),
    ]),
  );
}

function checkSignature(name: string, given: Signature): NativeSignature {
  const { value, over } = checkOptions(name, given, ['value', 'over']);
  const bytes = typeof value === 'string' ? fromBase64(name, value) : value;
  if (!isUint8Array(bytes)) {
    throw wrongType(`${name}.value`, 'a Uint8Array or base64', value);
  }
  if (bytes.length < 1 || bytes.length > SIGNATURE_MAX) {
    throw outOfRange(`${name}.value`, `1-${SIGNATURE_MAX} bytes`, bytes.length);
  }
  const what = oneOf(`${name}.over`, orElse(over, 'digest'), signed);
  // Copied: the caller may change or detach its own before the addon reads them.
  return { value: Uint8Array.from(bytes), over: signed.indexOf(what) as NativeSignature['over'] };
}

function fromBase64(name: string, value: string): Uint8Array {
  if (!base64Pattern.test(value.replace(/[ \t\r\n]/g, '')))
    throw outOfRange(`${name}.value`, 'base64', value);
  return Buffer.from(value, 'base64');
}
