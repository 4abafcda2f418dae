/**
 * An installer for one application: each release has a directory of its own, a symbolic link says
 * which is the current one, and a supervisor such as systemd starts what the link says.
 */
import { realpathSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readFile, rename } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import {
  options as checkOptions,
  flag,
  integer,
  oneOf,
  optional,
  orElse,
  text,
} from '../../base/arguments';
import { withEnd } from '../../base/cleanup';
import { flushFolder } from '../../base/durable';
import { IotkitError } from '../../base/errors';
import { throwIfAborted } from '../../base/signals';
import { runOrThrow } from '../child';
import { checkArgv } from '../health';
import type {
  Installed,
  InstalledImage,
  Installer,
  InstallerStatus,
  InstallImage,
  InstallOptions,
  RestartOptions,
  SlotState,
} from '../installer';
import { fileError } from '../lock';
import { assertProgram } from '../program';
import { isFile } from './kept-image';
import { type Placing, placeImage } from './placing';
import { RELEASES } from './release-state';
import { Releases } from './releases';
import { discard, warnOfLeft } from './removal';
import { settle } from './unpacked';

/** What {@link directoriesInstaller} takes. */
export interface DirectoriesInstallerOptions {
  /** The directory that has `releases/` and the link `current`; this user's. */
  readonly root: string;
  /**
   * What lets the current release run, such as `['systemctl', 'restart', 'app']`. Exit code 0: it
   * has been started. It may end this process, if that is part of the application.
   */
  readonly restart: readonly string[];
  /**
   * What an image is: `'tar'`, an archive, plain or compressed by gzip, bzip2, xz or zstd, which
   * `tar` unpacks; `'file'`: any file, which becomes `image` in the directory, or several files, which
   * keep their names. Default `'tar'`.
   */
  readonly image?: 'tar' | 'file' | undefined;
  /** How many leading directories of the names in an archive are left out. Default 0. */
  readonly stripComponents?: number | undefined;
  /**
   * Whether the archive of each release is kept too, in the folder `images` of the root, as the base of the next
   * difference. Only with `image: 'tar'`: a file is a base by itself. Default false.
   */
  readonly keepImages?: boolean | undefined;
  /**
   * How many good releases stay, the current and the previous one included; 2 or more. Default 3. Those that
   * were neither installed nor confirmed here stay too, and do not count.
   */
  readonly keep?: number | undefined;
  /** Milliseconds that `restart` may take. Default 120,000. */
  readonly restartTimeoutMs?: number | undefined;
}

const keys = [
  'root',
  'restart',
  'image',
  'stripComponents',
  'keepImages',
  'keep',
  'restartTimeoutMs',
] as const;
const DAY_MS = 86_400_000;
const namePattern = /^[A-Za-z0-9_][A-Za-z0-9._+-]{0,127}$/;

/**
 * Installs into `root/releases/<version>`, and switches the link `root/current` in one step. Slots
 * are called as the link says them, such as `releases/2.0.0`. A release is unpacked and flushed
 * beside the others before its name appears; the current one is never touched. The previous one
 * stays, and is what a roll back starts again. What runs is: the release that this process was
 * started from, or what `reboot()` has started since the machine has, or `current`. A `restart` whose
 * end this process has not seen has started nothing, and is begun again; the second time it has.
 *
 * Nothing beneath falls back by itself (`fallsBack` is false): the agent has to run to roll back, so
 * let it be a service of its own, or let the supervisor call `iotkit-ota`'s agent of the previous
 * release when the application does not start.
 *
 * @throws `InvalidArgument` of `iotkit-ota`
 *
 * @example
 * const installer = directoriesInstaller({ root: '/opt/app', restart: ['systemctl', 'restart', 'app'] });
 */
export function directoriesInstaller(options: DirectoriesInstallerOptions): Installer {
  return new DirectoriesInstaller(options);
}

/** @internal For tests. */
export class DirectoriesInstaller implements Installer {
  readonly kind = 'directories';
  readonly takes = 'stream';
  readonly activates = false;
  readonly restarts = 'service';
  readonly fallsBack = false;
  readonly takesFiles: boolean;
  readonly places: readonly string[];
  readonly #releases: Releases;
  readonly #restart: readonly string[];
  readonly #image: 'tar' | 'file';
  readonly #strip: number;
  readonly #keepsImages: boolean;
  readonly #keep: number;
  readonly #restartTimeoutMs: number;
  readonly #bootId: () => Promise<string>;
  /** The release that `install()` makes, meanwhile: what runs may be confirmed beside it. */
  #installing = '';
  /** The release that this process is part of; `''`: of none. */
  readonly #own: string;

  constructor(given: DirectoriesInstallerOptions, bootId: () => Promise<string> = bootIdOfMachine) {
    const options = checkOptions('options', given, keys);
    const root = resolve(text('root', options.root, { max: 3000 }));
    this.places = [root];
    this.#releases = new Releases(root);
    this.#restart = checkArgv('restart', options.restart);
    this.#image = oneOf('image', orElse(options.image, 'tar'), ['tar', 'file']);
    this.takesFiles = this.#image === 'file';
    this.#keepsImages = flag('keepImages', orElse(options.keepImages, false));
    this.#strip =
      optional(options.stripComponents, (value) =>
        integer('stripComponents', value, { min: 0, max: 100 }),
      ) ?? 0;
    this.#keep = integer('keep', orElse(options.keep, 3), { min: 2, max: 1000 });
    this.#restartTimeoutMs = integer(
      'restartTimeoutMs',
      orElse(options.restartTimeoutMs, 120_000),
      {
        min: 1,
        max: DAY_MS,
      },
    );
    this.#bootId = bootId;
    this.#own = releaseOf(root, process.argv[1]);
  }

  async status(): Promise<InstallerStatus> {
    const [next, state, list] = await Promise.all([
      this.#releases.current(),
      this.#releases.state(),
      this.#releases.list(),
    ]);
    const stateOf = (name: string): SlotState => {
      if (state.good.includes(name)) return 'good';
      return state.trial === name && next === name ? 'trial' : 'bad';
    };
    const slots = list.map((name) => ({
      name,
      state: stateOf(name),
      version: name.slice(RELEASES.length + 1).replace(/~\d+$/, ''),
    }));
    return { booted: await this.#booted(), next, slots };
  }

  async base(): Promise<InstalledImage | undefined> {
    const booted = await this.#booted();
    if (booted === '') return undefined;
    const path =
      this.#image === 'file'
        ? join(this.#releases.path(booted), 'image')
        : this.#releases.imagePath(booted);
    return (await isFile(path)) ? { path } : undefined;
  }

  async install(
    image: InstallImage,
    { signal, onProgress }: InstallOptions = {},
  ): Promise<Installed> {
    throwIfAborted(signal);
    await assertProgram(this.#restart[0] as string);
    await this.#releases.check();
    const lock = await this.#releases.lockInstalling();
    if (lock === undefined) {
      const detail = `another process installs into ${this.#releases.root}`;
      throw new IotkitError('ERR_INSTALL_BUSY', detail);
    }
    return withEnd(
      () => this.#install(image, { signal, onProgress }),
      () => lock.release(),
    );
  }

  async #install(image: InstallImage, options: InstallOptions): Promise<Installed> {
    const slot = await this.#makeRoom(image.version);
    this.#installing = slot;
    try {
      await this.#make(image, slot, options);
      await this.#releases.change((state) => ({ ...state, whole: [...state.whole, slot] }));
    } finally {
      this.#installing = '';
    }
    return { slot };
  }

  async activate(slot: string): Promise<void> {
    await this.#releases.check();
    const isThere = (await this.#releases.list()).includes(slot);
    await this.#releases.change((state) => {
      const { whole, good } = state;
      if (!isThere || !(whole.includes(slot) || good.includes(slot))) {
        throw new IotkitError('ERR_BOOT_STATE', `${slot} is no release that was installed whole`);
      }
      return { ...state, trial: good.includes(slot) ? '' : slot };
    });
    await this.#remember();
    await this.#releases.point(slot);
  }

  async markGood(): Promise<void> {
    const slot = await this.#booted();
    if (slot === '') throw new IotkitError('ERR_BOOT_STATE', 'there is no current release');
    const { good, trial, started } = await this.#releases.state();
    const bootId = await this.#bootId();
    // Only a process of the release itself knows for certain what runs: its restart may have ended who began it, and
    // somebody outside may have changed the link. Those outside are told.
    const isTold = started.slot === slot && started.begun === undefined;
    const isStale = this.#own !== '' && started.bootId === bootId && !isTold;
    if (good.at(-1) !== slot || trial === slot || isStale) {
      await this.#releases.change((state) => ({
        ...state,
        ...(isStale && { started: { slot, bootId } }),
        good: [...without(state.good, slot), slot],
        whole: [...without(state.whole, slot), slot],
        trial: state.trial === slot ? '' : state.trial,
      }));
    }
    // Confirmed is confirmed, whatever becomes of the others.
    await this.#prune().catch((cause: unknown) => warnOfLeft('any old release', cause));
  }

  async markBad(slot: string): Promise<void> {
    const [{ good }, current, list] = await Promise.all([
      this.#releases.state(),
      this.#releases.current(),
      this.#releases.list(),
    ]);
    const others = without(good, slot);
    const other = others.filter((name) => list.includes(name)).at(-1);
    if (current === slot && other === undefined) {
      const missing = others.length === 0 ? '' : `: ${others.join(', ')} is not there any more`;
      throw new IotkitError('ERR_BOOT_STATE', `there is no good release besides ${slot}${missing}`);
    }
    await this.#remember();
    if (current === slot && other !== undefined) await this.#releases.point(other);
    await this.#releases.change((state) => ({
      ...state,
      good: without(state.good, slot),
      whole: without(state.whole, slot),
      trial: state.trial === slot ? '' : state.trial,
    }));
  }

  async reboot({ signal }: RestartOptions = {}): Promise<void> {
    throwIfAborted(signal);
    const { started: last } = await this.#releases.state();
    const [slot, bootId] = await Promise.all([this.#releases.current(), this.#bootId()]);
    const isAgain = last.slot === slot && last.bootId === bootId;
    const { before, times } = (isAgain ? last.begun : undefined) ?? {
      before: await this.#booted(),
      times: 0,
    };
    // Before it: it may end this process.
    const begun = { slot, bootId, begun: { before, times: times + 1 } };
    await this.#releases.change((state) => ({ ...state, started: begun }));
    await withEnd(
      () => runOrThrow({ argv: this.#restart, timeoutMs: this.#restartTimeoutMs, signal }),
      async () => {
        // One that the signal has ended has not come to its end.
        if (signal?.aborted) return;
        // What it has tried to start is what runs, or nothing.
        await this.#releases.change((state) => ({ ...state, started: { slot, bootId } }));
      },
    );
  }

  async #booted(): Promise<string> {
    if (this.#own !== '') return this.#own;
    const { started } = await this.#releases.state();
    if (started.bootId !== (await this.#bootId())) return this.#releases.current();
    // Begun once, and its end was not seen: this process was ended before or by it, so it is begun
    // again. Twice: it is what ends this process.
    return started.begun?.times === 1 ? started.begun.before : started.slot;
  }

  /** What runs stays known when the link is changed. */
  async #remember(): Promise<void> {
    const bootId = await this.#bootId();
    const { started } = await this.#releases.state();
    if (started.bootId === bootId && started.begun !== undefined) return;
    const slot = await this.#booted();
    await this.#releases.change((state) => ({ ...state, started: { slot, bootId } }));
  }

  /**
   * Removes what has the name of the new release. What runs, starts next or is fallen back to keeps
   * its name, as do those that somebody else has put there and that cannot be removed.
   *
   * @returns the name of the new one, which nothing has
   */
  async #makeRoom(version: string): Promise<string> {
    if (!namePattern.test(version)) {
      const detail = `version ${JSON.stringify(version.slice(0, 80))} can be no name of a directory`;
      throw new IotkitError('ERR_INSTALL_REFUSED', detail);
    }
    const { good, known } = await this.#releases.state();
    const names = await this.#releases.names();
    const foreign = names.filter((name) => !known.includes(name));
    const used = new Set([
      await this.#booted(),
      await this.#releases.current(),
      ...good,
      ...foreign,
    ]);
    for (let i = 0; ; i += 1) {
      const slot = `${RELEASES}/${version}${i === 0 ? '' : `~${i}`}`;
      if (used.has(slot)) continue;
      await this.#releases.change((state) => ({
        ...state,
        whole: without(state.whole, slot),
        trial: state.trial === slot ? '' : state.trial,
        known: [...without(state.known, slot), slot],
      }));
      if (!names.includes(slot) || (await discard(this.#releases.path(slot)))) return slot;
    }
  }

  /** Unpacks beside the other releases, flushes, then gives the directory its name. */
  async #make(
    image: InstallImage,
    slot: string,
    { signal, onProgress }: InstallOptions,
  ): Promise<void> {
    const folder = join(this.#releases.root, RELEASES);
    await this.#sweep();
    const aside = await mkdir(folder, { recursive: true })
      .then(() => mkdtemp(join(folder, '.new-')))
      .catch((cause: unknown) => {
        throw fileError(folder, cause);
      });
    // What mkdtemp() makes is this user's alone: nobody gets at what has not been looked at yet.
    const made = join(aside, 'release');
    try {
      await mkdir(made);
      // The one of the same name goes first: it is of another image.
      await this.#releases.discardImage(slot);
      await placeImage(image, made, this.#way(slot), { signal, onProgress });
      // The application may be another user's, and an entry "./" of an archive may say anything.
      await chmod(made, 0o777 & ~process.umask());
      await settle(made);
      throwIfAborted(signal);
      await rename(made, this.#releases.path(slot));
      await flushFolder(folder);
    } catch (error) {
      await discard(aside);
      // It may have been kept already, and without its release nothing would remove it.
      await this.#releases.discardImage(slot);
      throw (error as NodeJS.ErrnoException).syscall === undefined
        ? error
        : fileError(aside, error);
    }
    await discard(aside);
  }

  #way(slot: string): Placing {
    const isKept = this.#keepsImages && this.#image === 'tar';
    return {
      kind: this.#image,
      strip: this.#strip,
      keepAt: isKept ? this.#releases.imagePath(slot) : undefined,
    };
  }

  /** What cut off installations have left. */
  async #sweep(): Promise<void> {
    for (const path of await this.#releases.leftovers()) await discard(path);
  }

  /** The oldest releases that are known go, but none that runs, starts next, may be fallen back to or is new. */
  async #prune(): Promise<void> {
    if (this.#installing !== '') return this.#removeOld();
    // What another process installs meanwhile looks like an old one.
    const lock = await this.#releases.lockInstalling();
    if (lock === undefined) return;
    await withEnd(
      () => this.#removeOld(),
      () => lock.release(),
    );
  }

  async #removeOld(): Promise<void> {
    const [booted, current, list] = await Promise.all([
      this.#booted(),
      this.#releases.current(),
      this.#releases.list(),
    ]);
    if (!list.includes(booted)) return;
    let old: readonly string[] = [];
    await this.#releases.change((state) => {
      const { good, whole, trial, known } = state;
      const kept = new Set([
        ...[whole.filter((name) => !good.includes(name)).at(-1) ?? '', trial],
        ...[booted, current, this.#installing],
        // Those that somebody has removed are none of them.
        ...good.filter((name) => list.includes(name)).slice(-this.#keep),
      ]);
      old = list.filter((name) => known.includes(name) && !kept.has(name));
      // Before its first file goes: what is removed in part never starts.
      if (![...good, ...whole].some((name) => old.includes(name))) return state;
      const withoutOld = (names: readonly string[]): readonly string[] =>
        names.filter((name) => !old.includes(name));
      return { ...state, good: withoutOld(good), whole: withoutOld(whole) };
    });
    for (const name of old) {
      if (!(await this.#releases.discard(name))) continue;
      await this.#releases.change((state) => ({ ...state, known: without(state.known, name) }));
    }
  }
}

function without(list: readonly string[], name: string): readonly string[] {
  return list.filter((it) => it !== name);
}

/** The release of `root` that a program lies in, `''`: in none. */
function releaseOf(root: string, program: string | undefined): string {
  try {
    const releases = realpathSync(join(root, RELEASES));
    const [name = '', inner] = relative(releases, realpathSync(program ?? '')).split('/');
    return name !== '..' && inner !== undefined ? `${RELEASES}/${name}` : '';
  } catch {
    return '';
  }
}

async function bootIdOfMachine(): Promise<string> {
  try {
    return (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
  } catch {
    return '';
  }
}
