/** The options of Upgrade.download() and chunks(), checked. */
import { isUint8Array } from 'node:util/types';
import {
  abortSignal,
  callback,
  options as checkOptions,
  flag,
  integer,
  oneOf,
  optional,
  outOfRange,
  wrongType,
} from './arguments';
import type { NativeSignature } from './binding';
import type { Progress } from './progress';

/** A signature of your own, made with the private key of one of `verify.publicKeys`. */
export interface Signature {
  /** Its bytes (of ECDSA in DER form), or those in base64; at most 1,024. */
  readonly value: Uint8Array | string;
  /**
   * - `'digest'` (default): over the announced digest, 16 or 32 bytes
   * - `'image'`: over the image, as `openssl dgst -sha256 -sign` makes it; needs a SHA-256 digest in
   *   the notice, and a key of RSA or ECDSA
   */
  readonly over?: 'digest' | 'image';
}

export interface ReportOptions {
  /**
   * How much of the update the download is, percent, 1-100. What comes after, such as flashing, is
   * yours to report. Default 100.
   */
  readonly upTo: number;
}

/** What every consumption of an upgrade takes. */
export interface ConsumptionOptions {
  /** Cancels the download, which then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /**
   * Called when the download begins, with what is there of an earlier one; then at most every 100
   * ms; and at 100 %. What it throws cancels the download as long as bytes are missing.
   */
  readonly onProgress?: (progress: Progress) => void;
  /**
   * Whether the platform is told: 0, growing percentages, 100 or the code of the failure. Default
   * true.
   */
  readonly report?: boolean | ReportOptions;
  /**
   * Is verified besides the platform's own, before anything is fetched. With several files see
   * {@link DownloadOptions.signatures}.
   */
  readonly signature?: Signature;
}

export interface DownloadOptions extends ConsumptionOptions {
  /**
   * Whether to go on where an earlier download of the same image into the same place has ended, and
   * to keep what came if this one ends early. Default true. A writer needs every byte: with one it
   * is always false.
   */
  readonly resume?: boolean;
  /** Of several files, by their names; each is verified before anything of its file is fetched. */
  readonly signatures?: Readonly<Record<string, Signature>>;
}

export interface ChunksOptions extends ConsumptionOptions {
  /**
   * `true`: a chunk is valid until the next one is asked for, and its memory is used again. Default
   * `false`: each chunk has memory of its own.
   */
  readonly recycle?: boolean;
  /** Upper bound of a chunk, bytes, 4,096-16,777,216. Default 262,144. */
  readonly chunkSize?: number;
}

/** @internal What a run is told of its options. */
export interface Consumption {
  readonly signal: AbortSignal | undefined;
  readonly onProgress: ((progress: Progress) => void) | undefined;
  /** The share of the progress that is reported, percent; 0: nothing is. */
  readonly reportUpTo: number;
  readonly resume: boolean;
  readonly signature: NativeSignature | undefined;
  readonly signatures: ReadonlyMap<string, NativeSignature>;
}

/** @internal */
export const DEFAULT_CHUNK_SIZE = 256 * 1024;
const SIGNATURE_MAX = 1024;
const common = ['signal', 'onProgress', 'report', 'signature'] as const;
const base64Pattern = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** @internal Throws an {@link InvalidArgument} that names the option. */
export function checkDownload(given: DownloadOptions | undefined): Consumption {
  const options = checkOptions('options', given, [...common, 'resume', 'signatures']);
  const resume = flag('resume', options.resume === undefined ? true : options.resume);
  return { ...checkConsumption(options, resume), signatures: checkSignatures(options.signatures) };
}

/** @internal */
export interface Chunks extends Consumption {
  readonly recycle: boolean;
  readonly chunkSize: number;
}

/** @internal Throws an {@link InvalidArgument} that names the option. */
export function checkChunks(given: ChunksOptions | undefined): Chunks {
  const options = checkOptions('options', given, [...common, 'recycle', 'chunkSize']);
  return {
    ...checkConsumption(options, false),
    recycle: flag('recycle', options.recycle === undefined ? false : options.recycle),
    chunkSize: integer('chunkSize', options.chunkSize ?? DEFAULT_CHUNK_SIZE, {
      min: 4096,
      max: 16 * 1024 * 1024,
    }),
  };
}

function checkConsumption(options: ConsumptionOptions, resume: boolean): Consumption {
  return {
    signal: abortSignal('signal', options.signal),
    onProgress: optional(options.onProgress, (value) => callback('onProgress', value)),
    reportUpTo: checkReport(options.report),
    resume,
    signature: optional(options.signature, (value) => checkSignature('signature', value)),
    signatures: new Map(),
  };
}

function checkReport(report: boolean | ReportOptions | undefined): number {
  if (typeof report !== 'object') {
    return flag('report', report === undefined ? true : report) ? 100 : 0;
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
  const what = oneOf(`${name}.over`, over ?? 'digest', ['digest', 'image']);
  return { value: bytes, overImage: what === 'image' };
}

function fromBase64(name: string, value: string): Uint8Array {
  if (!base64Pattern.test(value)) throw outOfRange(`${name}.value`, 'base64', value);
  return Buffer.from(value, 'base64');
}
