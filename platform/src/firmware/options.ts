import { invalid } from '../base/errors';
import { checkProductKey, isVersion } from '../devices/names';
import type { SignMethod } from '../types/firmware';

const MAX_FILES = 20;
/** With the endings that a device gives it on its way it fits a file system's 255. */
const MAX_NAME_BYTES = 242;

/** Where bytes come from. Exactly one is given. */
export interface FirmwareSource {
  /** Path of a file to copy; it is streamed, never held in memory. */
  readonly file?: string;
  readonly data?: Uint8Array;
  readonly stream?: AsyncIterable<Uint8Array>;
}

/** One of several files of a firmware. */
export interface FirmwareFileOptions extends FirmwareSource {
  /** A name without a directory, 1-242 bytes; no two files of a firmware have the same. */
  readonly name: string;
}

/** What `firmware.add` takes. Exactly one of `file`, `data`, `stream` and `files` is given. */
export interface FirmwareOptions extends FirmwareSource {
  readonly productKey: string;
  /** 1-64 letters, digits, `.`, `-`, `_`. */
  readonly version: string;
  /** Same characters as `version`. Absent: the default module. */
  readonly module?: string;
  /** 1-20; the notice then has `files` and no `url`, `size`, `sign` of its own. */
  readonly files?: readonly FirmwareFileOptions[];
  /** Default `'MD5'`, as the real platform. */
  readonly signMethod?: SignMethod;
  /**
   * Whether there may be another firmware of the same product, module and version. Default false:
   * two that claim one version cannot be told apart by what devices report.
   */
  readonly allowSameVersion?: boolean;
  /** Versions it may be installed over. Absent: over any. */
  readonly sourceVersions?: readonly string[];
  /** Marks a delta package: `isDiff` 1 in the notice. Default false. */
  readonly isDiff?: boolean;
  /** Passed through to the device; keys ≤ 30, values ≤ 1024, `_package_udi` ≤ 4096 characters. */
  readonly extData?: Readonly<Record<string, string>>;
}

/** Throws ERR_INVALID_ARGUMENT for what cannot be stored. */
export function checkFirmwareOptions(options: FirmwareOptions): void {
  checkProductKey(options.productKey);
  if (!isVersion(options.version)) {
    throw invalid('version must be 1-64 letters, digits, ".", "-", "_"');
  }
  if (options.module !== undefined && !isVersion(options.module)) {
    throw invalid('module must be 1-64 letters, digits, ".", "-", "_"');
  }
  const { files } = options;
  if (files === undefined) checkSource(options, '');
  else checkFiles(options, files);
  if (options.signMethod !== undefined && !['MD5', 'SHA256'].includes(options.signMethod)) {
    throw invalid("signMethod must be 'MD5' or 'SHA256'");
  }
  if (options.sourceVersions?.every(isVersion) === false) {
    throw invalid('sourceVersions must be versions');
  }
  if (options.isDiff && options.sourceVersions === undefined) {
    throw invalid('a delta package needs sourceVersions');
  }
  for (const [key, value] of Object.entries(options.extData ?? {})) checkExtData(key, value);
}

function checkExtData(key: string, value: unknown): void {
  const limit = key === '_package_udi' ? 4096 : 1024;
  if (key.length < 1 || key.length > 30) throw invalid('keys of extData have 1-30 characters');
  if (typeof value !== 'string' || value.length > limit) {
    throw invalid(`extData.${key} must be a string of at most ${limit} characters`);
  }
}

function sources({ file, data, stream }: FirmwareSource): number {
  return [file, data, stream].filter((each) => each !== undefined).length;
}

function checkSource(options: FirmwareSource, of: string): void {
  if (sources(options) !== 1)
    throw invalid(`exactly one of file, data and stream${of} must be given`);
}

function checkFiles(options: FirmwareOptions, files: readonly FirmwareFileOptions[]): void {
  if (sources(options) > 0) throw invalid('with files there is no file, data or stream');
  if (!Array.isArray(files) || files.length < 1 || files.length > MAX_FILES) {
    throw invalid(`files must be 1-${MAX_FILES} files`);
  }
  for (const each of files) {
    if (!isFileName(each.name)) {
      throw invalid(`the name of a file must be 1-${MAX_NAME_BYTES} bytes without a directory`);
    }
    checkSource(each, ` of ${each.name}`);
  }
  if (new Set(files.map(({ name }) => name)).size < files.length) {
    throw invalid('two files have the same name');
  }
}

function isFileName(name: unknown): boolean {
  if (typeof name !== 'string' || name === '' || name === '.' || name === '..') return false;
  return !/[/\\\p{Cc}]/u.test(name) && Buffer.byteLength(name) <= MAX_NAME_BYTES;
}
