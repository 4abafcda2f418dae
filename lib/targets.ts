/** Where an image goes: the targets of Upgrade.download(), checked. */
import {
  callback,
  options as checkOptions,
  conflict,
  integer,
  optional,
  outOfRange,
  text,
  wrongType,
} from './arguments';
import type { NativeTarget } from './binding';

/**
 * A file that appears whole under its name or not at all; of an upgrade with several files, the
 * directory they go into. The same as the path alone.
 */
export interface FileTarget {
  readonly path: string;
  /**
   * Permissions of a new file, 0o1-0o7777; those of an existing one are kept. Default 0o644 less
   * the umask.
   */
  readonly mode?: number;
}

/**
 * A block device, a partition or an existing file that is written in place. It must be large
 * enough; what stands before and behind the image stays as it is.
 */
export interface DeviceTarget {
  /** Its path. */
  readonly device: string;
  /** Bytes before the image. Default 0. */
  readonly offset?: number;
  /**
   * Path of a small file that lets an interrupted download go on another time. Default: none, it
   * begins at byte 0 each time.
   */
  readonly journal?: string;
}

/**
 * A place of your own for the bytes. One call at a time: the next comes when the promise of the
 * last is settled, and meanwhile nothing is received but what four chunks hold.
 */
export interface ImageWriter {
  /** The bytes at `offset`, in order; `chunk` is valid until the returned promise is settled. */
  write(chunk: Uint8Array, offset: number): void | Promise<void>;
  /** Every byte was written, the image is the announced one and all other targets have it. */
  close?(): void | Promise<void>;
  /** The download has failed or was cancelled: what was written is no image. Not after `close`. */
  abort?(reason: unknown): void | Promise<void>;
}

/** Where {@link Upgrade.download} puts the bytes; a string is the path of a file. */
export type Target = string | FileTarget | DeviceTarget | ImageWriter;

/** @internal All targets of one download. */
export interface Destination {
  /** Written by the addon. */
  readonly stores: readonly NativeTarget[];
  readonly writer: ImageWriter | undefined;
  /** What events call it: the first file or device. */
  readonly path: string | undefined;
}

const PATH_MAX = 4095;
const TARGETS_MAX = 8;

const kinds = 'a path, { path }, { device }, an object with write(), or an array of those';

/** @internal Throws an {@link InvalidArgument} that names the target. */
export function checkTargets(given: Target | readonly Target[]): Destination {
  const list = isList(given) ? given : [given];
  if (list.length < 1 || list.length > TARGETS_MAX) {
    throw outOfRange('target', `1-${TARGETS_MAX} targets`, list.length);
  }
  const stores: NativeTarget[] = [];
  let writer: ImageWriter | undefined;
  for (const [i, target] of list.entries()) {
    const name = isList(given) ? `target[${i}]` : 'target';
    if (isWriter(target)) {
      if (writer !== undefined) throw conflict(`${name} is another writer; there may be one`);
      writer = checkWriter(name, target);
    } else {
      const store = checkStore(name, target);
      if (stores.some(({ path, base }) => path === store.path && base === store.base)) {
        throw conflict(`${name} is among the targets already`);
      }
      stores.push(store);
    }
  }
  return { stores, writer, path: stores[0]?.path };
}

function isList(given: Target | readonly Target[]): given is readonly Target[] {
  return Array.isArray(given);
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

function isWriter(target: unknown): target is ImageWriter {
  return isObject(target) && 'write' in target;
}

function checkWriter(name: string, writer: ImageWriter): ImageWriter {
  callback(`${name}.write`, writer.write);
  optional(writer.close, (value) => callback(`${name}.close`, value));
  optional(writer.abort, (value) => callback(`${name}.abort`, value));
  return writer;
}

function checkStore(name: string, target: string | FileTarget | DeviceTarget): NativeTarget {
  if (typeof target === 'string') return fileAt(text(name, target, { max: PATH_MAX }), undefined);
  if (!isObject(target) || Array.isArray(target)) throw wrongType(name, kinds, target);
  if ('device' in target) return checkDevice(name, target);
  if (!('path' in target)) throw wrongType(name, kinds, target);
  const given = checkOptions<FileTarget>(name, target, ['path', 'mode']);
  const path = text(`${name}.path`, given.path, { max: PATH_MAX });
  return fileAt(
    path,
    optional(given.mode, (value) => integer(`${name}.mode`, value, { min: 1, max: 0o7777 })),
  );
}

function fileAt(path: string, mode: number | undefined): NativeTarget {
  return { path, mode: mode ?? 0, inPlace: false, base: 0, journal: '' };
}

function checkDevice(name: string, target: DeviceTarget): NativeTarget {
  const given = checkOptions<DeviceTarget>(name, target, ['device', 'offset', 'journal']);
  const rule = { max: PATH_MAX };
  return {
    path: text(`${name}.device`, given.device, rule),
    mode: 0,
    inPlace: true,
    base: integer(`${name}.offset`, given.offset ?? 0, { min: 0, max: Number.MAX_SAFE_INTEGER }),
    journal: optional(given.journal, (path) => text(`${name}.journal`, path, rule)) ?? '',
  };
}
