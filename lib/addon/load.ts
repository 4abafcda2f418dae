/** The one file that loads the addon. */
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { conflict } from '../base/arguments';
import { IotkitError } from '../base/errors';
import type { Binding, Failure as NativeFailure } from './binding';
import { isPackage, placesOf } from './places';
import type * as Reasons from './reasons';
import type { Failure, Search } from './reasons';
import type { NativePublished } from './sdk-binding';
import { currentSystem } from './system';

// dist/ and lib/ both lie directly below the package. A bundle has no __dirname if it is an ES module.
const root = path.resolve(typeof __dirname === 'string' ? __dirname : '.', '..', '..');

function load(): Binding {
  const system = currentSystem();
  const places = placesOf(system, root);
  const failures: Failure[] = [];
  for (const file of places.files) {
    try {
      // Not the `require` of this file, which a bundler would want to follow.
      return createRequire(file)(file);
    } catch (error) {
      failures.push({ file, error });
    }
  }
  const installed = isPackage(root);
  const found = installed || places.told !== undefined ? undefined : copied();
  return found ?? fail({ system, places, failures, installed, root });
}

/** In a bundle: where ncc has put the addon. The call in addon.js is one that it replaces by the file. */
function copied(): Binding | undefined {
  try {
    return require('../../addon.js').load();
  } catch {
    return undefined;
  }
}

function fail(search: Search): never {
  // Loaded only when it is needed.
  const { explain }: typeof Reasons = require('./reasons');
  const [first] = search.failures;
  const error = new Error(explain(search), first && { cause: first.error });
  throw Object.assign(error, { code: 'ERR_ADDON_NOT_FOUND' });
}

/**
 * With so many processors one is likely to be idle, so that a download is faster when a second thread
 * digests. With fewer, handing each block to another thread costs more than it gains.
 */
const CORES_FOR_TWO_THREADS = 4;

export const native: Binding = load();
native.setDigestsBeside(availableParallelism() >= CORES_FOR_TWO_THREADS);

/** The published C API; `sdk` is the name users import it by. */
export const published: NativePublished = native.sdk;

/**
 * The error that a number of the C SDK stands for. An argument that only the C SDK can judge, such
 * as a path, is refused like any other: its detail is the whole message.
 */
export function errorOf(errno: number, detail: string): Error {
  const error = IotkitError.fromErrno(errno, detail);
  return error.code === 'ERR_INVALID_ARGUMENT' && detail !== '' ? conflict(detail) : error;
}

/** Returns the addon's result; throws a failure as the error it stands for. */
export function unwrap<T extends object>(result: T | NativeFailure): T {
  if ('errno' in result) throw errorOf(result.errno, result.detail);
  return result;
}
