/** The releases of a directory installer on the disk: the link to the current one, and what is known of each. */
import type { Dirent } from 'node:fs';
import {
  lstat,
  readdir,
  readFile,
  readlink,
  realpath,
  rename,
  rm,
  stat,
  symlink,
} from 'node:fs/promises';
import { basename, dirname, isAbsolute, join } from 'node:path';
import { withEnd } from '../../base/cleanup';
import { flushFolder } from '../../base/durable';
import { IotkitError } from '../../base/errors';
import { type FileLock, fileError, waitForLock } from '../lock';
import { recordIo } from '../record';
import {
  nothingKnown,
  type ParsedState,
  parseState,
  RELEASES,
  type ReleaseState,
  releaseByHand,
} from './release-state';
import { discard } from './removal';

const CURRENT = 'current';
const STATE = 'state.json';
const IMAGES = 'images';

/** A change takes milliseconds. */
const WAIT_MS = 10_000;

export class Releases {
  readonly root: string;
  readonly #waitMs: number;

  constructor(root: string, waitMs = WAIT_MS) {
    this.root = root;
    this.#waitMs = waitMs;
  }

  /**
   * Lets one process install at a time; the lock ends with it.
   *
   * @returns undefined: another one does
   * @throws IotkitError ERR_INSTALL_UNAVAILABLE (no `flock`), ERR_FILE…
   */
  lockInstalling(): Promise<FileLock | undefined> {
    return this.#lock('install.lock', 0);
  }

  path(slot: string): string {
    return join(this.root, slot);
  }

  /** Where the image of a release is kept, if it is. */
  imagePath(slot: string): string {
    return join(this.root, IMAGES, `${slot.slice(RELEASES.length + 1)}.image`);
  }

  /** Removes a release and its image, as far as they can be; says whether both are gone. */
  async discard(slot: string): Promise<boolean> {
    const gone = [await this.discardImage(slot), await discard(this.path(slot))];
    return !gone.includes(false);
  }

  discardImage(slot: string): Promise<boolean> {
    return discard(this.imagePath(slot));
  }

  /**
   * The release that `current` leads to, such as `releases/2.0.0`, however the link is spelled;
   * `''`: it is missing. The release itself may be missing.
   *
   * @throws IotkitError ERR_INSTALL_SETUP: it is no link, or leads elsewhere; ERR_FILE…
   */
  async current(): Promise<string> {
    const link = join(this.root, CURRENT);
    try {
      await readlink(link);
      const [target, releases] = await Promise.all([
        placeOf(link),
        placeOf(join(this.root, RELEASES)),
      ]);
      if (dirname(target) === releases) return `${RELEASES}/${basename(target)}`;
      throw new IotkitError('ERR_INSTALL_SETUP', `${wrongLink(link)}; it leads to ${target}`);
    } catch (cause) {
      if (IotkitError.is(cause)) throw cause;
      const { code = '' } = cause as NodeJS.ErrnoException;
      if (code === 'ENOENT') return '';
      if (!['EINVAL', 'ELOOP', 'ENOTDIR'].includes(code)) throw fileError(link, cause);
      throw new IotkitError('ERR_INSTALL_SETUP', wrongLink(link), { cause });
    }
  }

  /**
   * Changes nothing.
   *
   * @throws IotkitError ERR_INSTALL_SETUP: everybody may write to it, or it takes no links; ERR_FILE…
   */
  async check(): Promise<void> {
    const owner = await assertOwn(this.root);
    for (const name of [RELEASES, IMAGES]) await assertOwn(join(this.root, name), this.root, owner);
    await this.#alone(async () => rm(await this.#link('.')));
  }

  /** Lets `current` point to a release, in one step. */
  point(slot: string): Promise<void> {
    return this.#alone(async () => {
      const aside = await this.#link(slot);
      try {
        await rename(aside, join(this.root, CURRENT));
        await flushFolder(this.root);
      } catch (cause) {
        throw fileError(this.root, cause);
      }
    });
  }

  /** Makes a link beside `current`. */
  async #link(slot: string): Promise<string> {
    const aside = join(this.root, `${CURRENT}.new`);
    try {
      await rm(aside, { force: true });
      await symlink(slot, aside);
      return aside;
    } catch (cause) {
      const { code, syscall } = cause as NodeJS.ErrnoException;
      if (code !== 'EPERM' && code !== 'ENOSYS') throw fileError(this.root, cause);
      const detail =
        `${this.root} (${syscall}: ${code}) is on a file system without symbolic links, such as ` +
        'FAT or exFAT; put it on another one';
      throw new IotkitError('ERR_INSTALL_SETUP', detail, { cause });
    }
  }

  /** Names of the directories there are, as slots. */
  async list(): Promise<readonly string[]> {
    const found = await this.#entries();
    return slotsOf(found.filter((it) => it.isDirectory() && !it.name.startsWith('.')));
  }

  /** All names there are, as slots. */
  async names(): Promise<readonly string[]> {
    return slotsOf(await this.#entries());
  }

  async #entries(): Promise<readonly Dirent[]> {
    try {
      return await readdir(join(this.root, RELEASES), { withFileTypes: true });
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw fileError(join(this.root, RELEASES), cause);
    }
  }

  /** What installations that were cut off have left, as paths. */
  async leftovers(): Promise<readonly string[]> {
    const folder = join(this.root, RELEASES);
    const names = await readdir(folder).catch(() => []);
    return names.filter((name) => name.startsWith('.new-')).map((name) => join(folder, name));
  }

  /**
   * What is known; of a deployment that was made by hand: its current release is good.
   *
   * @throws IotkitError ERR_BOOT_STATE (what is known cannot be understood), ERR_FILE_ACCESS, ERR_FILE
   */
  async state(): Promise<ReleaseState> {
    const path = join(this.root, STATE);
    const text = await readFile(path, 'utf8').catch((cause: unknown) => {
      if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw fileError(path, cause);
    });
    if (text === undefined) {
      const current = await this.current();
      return current === '' ? nothingKnown : releaseByHand(current);
    }
    const { isOfAll, ...state } = parse(this.root, path, text);
    if (isOfAll) return state;
    return { ...state, known: [...new Set([...state.known, ...(await this.list())])] };
  }

  /**
   * What `make` returns is on the disk when it resolves, and no change of another process is lost. Where
   * that is what it was given, nothing is written.
   *
   * @throws IotkitError ERR_INSTALL_BUSY (another process changes it for 10 s), ERR_INSTALL_UNAVAILABLE (no
   *   `flock`), and those of {@link state}
   */
  change(make: (state: ReleaseState) => ReleaseState): Promise<void> {
    return this.#alone(async () => {
      const before = await this.state();
      const after = make(before);
      if (after !== before) await this.#write(after);
    });
  }

  async #write(state: ReleaseState): Promise<void> {
    const path = join(this.root, STATE);
    try {
      // An operator who is root must not take it from the agent of another user.
      const owner = await lstat(path).catch(() => stat(this.root));
      await recordIo.write(`${path}.new`, `${JSON.stringify(state)}\n`, owner);
      await recordIo.rename(`${path}.new`, path);
      await recordIo.syncDirectory(this.root);
    } catch (cause) {
      throw fileError(path, cause);
    }
  }

  async #alone<T>(work: () => Promise<T>): Promise<T> {
    const lock = await this.#lock('state.lock', this.#waitMs);
    if (lock !== undefined) return withEnd(work, () => lock.release());
    const detail = `another process holds ${join(this.root, 'state.lock')}`;
    throw new IotkitError('ERR_INSTALL_BUSY', detail);
  }

  async #lock(name: string, waitMs: number): Promise<FileLock | undefined> {
    const owner = await stat(this.root).catch((cause: unknown) => {
      throw fileError(this.root, cause);
    });
    return waitForLock(join(this.root, name), { owner, waitMs });
  }
}

/**
 * Where others may write they could exchange what starts next, or make it before us.
 *
 * @param within the folder that it is in, which belongs to `owner`
 * @returns the user whose it is; undefined: it is missing
 */
async function assertOwn(folder: string, within = '', owner?: number): Promise<number | undefined> {
  const found = await stat(folder).catch((cause: unknown) => {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw fileError(folder, cause);
  });
  if (found === undefined) return undefined;
  const { uid, mode } = found;
  if ((mode & 0o002) !== 0) {
    throw new IotkitError('ERR_INSTALL_SETUP', `${folder} may be written by others; chmod o-w`);
  }
  const trusted = [owner ?? uid, process.geteuid?.() ?? uid, 0];
  if (trusted.includes(uid)) return uid;
  const detail = `${folder} belongs to user ${uid}, and ${within} to user ${owner}`;
  throw new IotkitError('ERR_INSTALL_SETUP', detail);
}

function slotsOf(found: readonly Dirent[]): readonly string[] {
  return found.map(({ name }) => `${RELEASES}/${name}`).sort();
}

function wrongLink(link: string): string {
  return `${link} must be a symbolic link to ${RELEASES}/NAME, a directory of its own`;
}

const LINKS_MAX = 40;

/** As realpath(), but what is missing has a place too: its name where it would be. */
async function placeOf(path: string, links = LINKS_MAX): Promise<string> {
  try {
    return await realpath(path);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT' || links === 0) throw cause;
  }
  const place = join(await placeOf(dirname(path), links - 1), basename(path));
  // Its name may be there, as a link to what is missing.
  const link = await readlink(place).catch(() => undefined);
  if (link === undefined) return place;
  return placeOf(isAbsolute(link) ? link : `${dirname(place)}/${link}`, links - 1);
}

// Whether the current release was ever confirmed stands there alone: nobody guesses it.
function parse(root: string, path: string, text: string): ParsedState {
  try {
    return parseState(root, text);
  } catch (cause) {
    const detail =
      `${path} is damaged: ${(cause as Error).message}; remove it if the release that ` +
      `${CURRENT} points to is a good one`;
    throw new IotkitError('ERR_BOOT_STATE', detail, { cause });
  }
}
