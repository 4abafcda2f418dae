/** The targets of Upgrade.download(): where an image goes. */

import { fileURLToPath } from 'node:url';
import type { NativeTarget } from '../addon/binding';
import {
  callback,
  options as checkOptions,
  conflict,
  integer,
  optional,
  orElse,
  outOfRange,
  text,
  wrongType,
} from '../base/arguments';
import { IotkitError } from '../base/errors';
import {
  type ImageWriter,
  isNodeWritable,
  isWebWritable,
  type NodeWritable,
  openNodeWritable,
  openWebWritable,
  type WebWritable,
  type WriterTarget,
} from './stream-writers';

export type { ImageWriter, NodeWritable, WebWritable };

/**
 * Where a file is: a path, relative to the working directory at the time of the call, or a `file:`
 * URL. A string that begins with `file://` is a URL as well.
 */
export type Path = string | URL;

/**
 * A file that appears whole under its name or not at all; of an upgrade with several files, the
 * directory they go into. The same as the path alone.
 */
export interface FileTarget {
  /** Its path, or its `file:` URL. */
  readonly path: Path;
  /**
   * Permissions of a new file, 0o1-0o7777; those of an existing one are kept. Default 0o644 less
   * the umask.
   */
  readonly mode?: number | undefined;
}

/**
 * A block device, a partition or an existing file that is written in place. It must be large
 * enough; the bytes before and after the image stay as they are.
 */
export interface DeviceTarget {
  /** Its path. */
  readonly device: Path;
  /** Bytes before the image. Default 0. */
  readonly offset?: number | undefined;
  /**
   * Path of a small file that lets a later download continue an interrupted one. Default: none,
   * each download begins at byte 0.
   */
  readonly journal?: Path | undefined;
}

/**
 * Where {@link Upgrade.download} puts the bytes. A string or a `file:` URL is a file; a stream, of
 * Node.js or of the web, is a writer that is ended when the image is complete and verified, and
 * destroyed or aborted if it is not.
 */
export type Target = Path | FileTarget | DeviceTarget | ImageWriter | NodeWritable | WebWritable;

/** The kind of place the bytes of a consumption go to. */
export type TargetKind = 'file' | 'directory' | 'device' | 'writer' | 'chunks';

/** @internal All targets of one download. */
export interface CheckedTargets {
  /** Files and devices, which the addon writes. */
  readonly native: readonly NativeTarget[];
  readonly writer: WriterTarget | undefined;
  /** What events call them: the first file or device. */
  readonly path: string | undefined;
}

const PATH_MAX = 4095;
const TARGETS_MAX = 8;

const kinds =
  'a path, { path }, { device }, an object with write(), a stream, or an array of those';

/** @internal Throws an {@link InvalidArgument} that names the target. */
export function checkTargets(given: Target | readonly Target[]): CheckedTargets {
  const list = isList(given) ? given : [given];
  if (list.length < 1 || list.length > TARGETS_MAX) {
    throw outOfRange('target', `1-${TARGETS_MAX} targets`, list.length);
  }
  const native: NativeTarget[] = [];
  let writer: WriterTarget | undefined;
  for (const [i, target] of list.entries()) {
    const name = isList(given) ? `target[${i}]` : 'target';
    if (isWriter(target)) {
      if (writer !== undefined) throw conflict(`${name} is another writer; there may be one`);
      writer = checkWriter(name, target);
    } else {
      const checked = checkNative(name, target);
      if (native.some(({ path, base }) => path === checked.path && base === checked.base)) {
        throw conflict(`${name} is among the targets already`);
      }
      native.push(checked);
    }
  }
  return { native, writer, path: native[0]?.path };
}

function isList(given: Target | readonly Target[]): given is readonly Target[] {
  return Array.isArray(given);
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

type Writer = ImageWriter | NodeWritable | WebWritable;

function isWriter(target: unknown): target is Writer {
  return isObject(target) && ('write' in target || isWebWritable(target));
}

function checkWriter(name: string, writer: Writer): WriterTarget {
  if (isWebWritable(writer)) {
    if (writer.locked) throw conflict(`${name} is a stream that somebody else writes to`);
    return { keepsChunks: true, open: () => openWebWritable(writer) };
  }
  if (isFileHandle(writer)) {
    throw conflict(`${name} must not be a FileHandle; give its path, or its createWriteStream()`);
  }
  if (isNodeWritable(writer)) {
    if (!writer.writable) throw conflict(`${name} is a stream that can be written no more`);
    return { keepsChunks: true, open: () => openNodeWritable(writer) };
  }
  callback(`${name}.write`, writer.write);
  optional(writer.close, (value) => callback(`${name}.close`, value));
  optional(writer.abort, (value) => callback(`${name}.abort`, value));
  return { keepsChunks: false, open: () => writer };
}

// Its write() would take the offset for one inside the chunk.
function isFileHandle(writer: object): boolean {
  return 'fd' in writer && 'createWriteStream' in writer;
}

function isUrl(value: unknown): value is URL {
  return isObject(value) && 'href' in value && 'protocol' in value;
}

/** @internal The absolute path: the working directory may be another one when the file is opened. */
export function checkPath(name: string, given: unknown): string {
  const path = text(name, isFileUrl(given) ? pathOf(name, given) : given, { max: PATH_MAX });
  return path.startsWith('/') ? path : `${workingDirectory()}/${path}`;
}

function isFileUrl(value: unknown): value is string | URL {
  return isUrl(value) || (typeof value === 'string' && value.startsWith('file://'));
}

function pathOf(name: string, url: string | URL): string {
  try {
    return fileURLToPath(url);
  } catch {
    throw conflict(`${name} must be a path or a file: URL of this machine`);
  }
}

function workingDirectory(): string {
  try {
    return process.cwd();
  } catch (cause) {
    throw new IotkitError('ERR_FILE_NOT_FOUND', 'the working directory is gone', { cause });
  }
}

function checkNative(name: string, target: Path | FileTarget | DeviceTarget): NativeTarget {
  if (typeof target === 'string' || isUrl(target)) return fileAt(checkPath(name, target));
  if (!isObject(target) || Array.isArray(target)) throw wrongType(name, kinds, target);
  if ('device' in target) return checkDevice(name, target);
  if (!('path' in target)) throw wrongType(name, kinds, target);
  const given = checkOptions<FileTarget>(name, target, ['path', 'mode']);
  const path = checkPath(`${name}.path`, given.path);
  return fileAt(
    path,
    optional(given.mode, (value) => integer(`${name}.mode`, value, { min: 1, max: 0o7777 })),
  );
}

function fileAt(path: string, mode?: number): NativeTarget {
  return { path, mode: mode ?? 0, inPlace: false, base: 0, journal: '' };
}

function checkDevice(name: string, target: DeviceTarget): NativeTarget {
  const given = checkOptions<DeviceTarget>(name, target, ['device', 'offset', 'journal']);
  return {
    path: checkPath(`${name}.device`, given.device),
    mode: 0,
    inPlace: true,
    base: integer(`${name}.offset`, orElse(given.offset, 0), {
      min: 0,
      max: Number.MAX_SAFE_INTEGER,
    }),
    journal: optional(given.journal, (path) => checkPath(`${name}.journal`, path)) ?? '',
  };
}
