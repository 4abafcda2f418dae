// Tested by test/unit/install/backends/before-writing.test.ts
/** Whether a program is there, before something is changed that only it can bring to its end. */
import { access, constants } from 'node:fs/promises';
import path from 'node:path';
import { IotkitError } from '../base/errors';

/**
 * @internal Where it will be looked for when it is run: in `PATH`, or where its name says.
 *
 * @throws IotkitError ERR_INSTALL_UNAVAILABLE
 */
export async function assertProgram(name: string): Promise<void> {
  let why: unknown;
  for (const file of placesOf(name)) {
    try {
      return await access(file, constants.X_OK);
    } catch (cause) {
      // One that is there and may not be run says more than the folders without it.
      if (codeOf(cause) !== 'ENOENT' || why === undefined) why = cause;
    }
  }
  throw unavailable(name, why);
}

function placesOf(name: string): readonly string[] {
  if (name.includes('/')) return [name];
  const folders = (process.env.PATH ?? '').split(path.delimiter);
  return folders.map((folder) => path.join(folder, name));
}

/** @internal The error for a program that cannot run. */
export function unavailable(name: string, cause: unknown): IotkitError {
  const why = codeOf(cause) ?? (cause as Error).message;
  const help = why === 'ENOENT' ? 'is it installed, and in PATH?' : 'may this user run it?';
  return new IotkitError('ERR_INSTALL_UNAVAILABLE', `${name}: ${why}; ${help}`, { cause });
}

const codeOf = (cause: unknown): string | undefined =>
  (cause as NodeJS.ErrnoException | undefined)?.code;
