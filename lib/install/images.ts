// Tested by test/unit/install/agent.test.ts
/** Downloaded images that wait to be installed: one file for each module, or a directory of several. */
import { createHash } from 'node:crypto';
import { createReadStream, statSync } from 'node:fs';
import { rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { IotkitError } from '../base/errors';
import { clearParts } from '../delta/parts';
import type { ImageFile } from './installer';
import type { UpdateEntry } from './record';

/**
 * @internal For installers that open the image's file themselves: whoever may write into its directory
 * could exchange it after its digest was compared.
 *
 * @throws IotkitError ERR_INSTALL_SETUP
 */
export function expectPrivate(directory: string): void {
  const found = statSync(directory, { throwIfNoEntry: false });
  if (found === undefined) return; // nobody's image is there: the first download says so
  const mine = process.geteuid?.() ?? found.uid;
  const refused = (why: string): IotkitError =>
    new IotkitError('ERR_INSTALL_SETUP', `the directory for images, ${directory}, ${why}`);
  if (found.uid !== mine) throw refused(`belongs to user ${found.uid}, not to ${mine}; chown it`);
  if ((found.mode & 0o022) !== 0) throw refused('may be written by others; chmod it to 755');
}

/** @internal */
export class Images {
  readonly #directory: string;
  /** Of modules: those that were downloaded by this process. */
  readonly #verified = new Set<string>();

  constructor(directory: string) {
    this.#directory = directory;
  }

  path(module: string): string {
    return join(this.#directory, `${nameOf(module)}.image`);
  }

  /** The directory for an upgrade of the module that has several files. */
  directory(module: string): string {
    return join(this.#directory, `${nameOf(module)}.files`);
  }

  filesOf({ module, files }: Pick<UpdateEntry, 'module' | 'files'>): readonly ImageFile[] {
    return files.map((file) => ({ ...file, path: join(this.directory(module), file.name) }));
  }

  /** The download of it has just ended well. */
  verified(module: string): void {
    this.#verified.add(module);
  }

  /**
   * Whether the image of this entry is there. A download verifies what it writes; after a restart
   * the file may be another one. It may become another one while it waits, too, which is noticed as
   * it is read, or cannot be: {@link expectPrivate}.
   */
  async has(entry: UpdateEntry): Promise<boolean> {
    const { module, size, digest, files } = entry;
    const isVerified = this.#verified.has(module);
    if (files.length === 0) return isThere({ path: this.path(module), size, digest }, isVerified);
    for (const file of this.filesOf(entry)) if (!(await isThere(file, isVerified))) return false;
    return true;
  }

  async remove(module: string): Promise<void> {
    this.#verified.delete(module);
    const path = this.path(module);
    await rm(path, { force: true });
    clearParts(path);
    await rm(this.directory(module), { recursive: true, force: true });
  }
}

function nameOf(module: string): string {
  return module === '' ? 'default' : module;
}

async function isThere(
  { path, size, digest }: Omit<ImageFile, 'name'>,
  isVerified: boolean,
): Promise<boolean> {
  try {
    const found = await stat(path);
    if (!found.isFile() || found.size !== size) return false;
    if (isVerified) return true;
    const hash = createHash(digest.method);
    for await (const chunk of createReadStream(path)) hash.update(chunk);
    return hash.digest('hex') === digest.value;
  } catch {
    return false;
  }
}
