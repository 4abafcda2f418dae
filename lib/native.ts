/** The one file that loads the addon. */
import path from 'node:path';
import type { Binding, Failure } from './binding';
import { IotkitError } from './errors';

// dist/ and lib/ both lie directly below the package.
const packageRoot = path.resolve(__dirname, '..');

function load(): Binding {
  let first: unknown;
  try {
    // build/Release of a local build, else the prebuilt addon for this system.
    return require('node-gyp-build')(packageRoot);
  } catch (error) {
    first = error;
  }
  try {
    // Whatever else a developer may have built: cmake-js, Debug, a build tree.
    return require('bindings')({ bindings: 'iotkit_ota', module_root: packageRoot });
  } catch {
    const message =
      `iotkit-ota has no addon for ${process.platform}-${process.arch} that loads here. With a C and C++ compiler, ` +
      'make and python3 at hand, `npm rebuild iotkit-ota` compiles it (npm 11 and newer: approve its install script ' +
      'first).';
    throw Object.assign(new Error(message, { cause: first }), { code: 'ERR_ADDON_NOT_FOUND' });
  }
}

export const native: Binding = load();

/** Unwraps what the addon returned; a failure is thrown as the error it stands for. */
export function unwrap<T extends object>(result: T | Failure): T {
  if ('errno' in result) throw IotkitError.fromErrno(result.errno, result.detail);
  return result;
}
