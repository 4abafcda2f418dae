/**
 * What an installer is: the contract that every backend of this room keeps (RAUC, SWUpdate, Mender,
 * A/B partitions, directories, a command) and that a program may implement for a machine of its own.
 * An installer knows slots and the boot loader. It knows neither the platform nor a download, and it
 * keeps no record of what was meant: that is the agent's. Thread: the JS thread; whatever takes long
 * runs in a child process or in the kernel.
 */

/**
 * Whether the next start may take a slot. `good`: it has been confirmed. `trial`: it is activated
 * and not confirmed, so the boot loader (or the supervisor) falls back when it does not come up.
 * `bad`: nothing starts it, which is what a slot is while an image is written into it. `unknown`: the
 * backend cannot say.
 */
export type SlotState = 'good' | 'trial' | 'bad' | 'unknown';

/** One place that holds a whole system or release. */
export interface Slot {
  /** The backend's own name of it, such as `A`, `rootfs.1` or `2.0.0`. */
  readonly name: string;
  /** Whether the next start may take it. */
  readonly state: SlotState;
  /** The version in it, where the backend knows; never taken for a proof of what runs. */
  readonly version?: string | undefined;
}

/** What the boot loader or supervisor says now, read anew by each call of `status()`. */
export interface InstallerStatus {
  /** The slot that this system runs from. */
  readonly booted: string;
  /** The slot that the next start takes, if nothing more happens. */
  readonly next: string;
  /** All of them. */
  readonly slots: readonly Slot[];
}

/** What an image is known by. */
export interface ImageDigest {
  /** What it is made with. */
  readonly method: 'md5' | 'sha256';
  /** In lower-case hexadecimal digits. */
  readonly value: string;
}

/** One file of an upgrade that has several. */
export interface ImageFile {
  /** As announced: one path component, such as `app.bin`. */
  readonly name: string;
  /** Where it is; verified when it was downloaded. */
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** As announced. */
  readonly digest: ImageDigest;
}

/** What an installed image can be read from again, byte for byte. */
export interface InstalledImage {
  /** A file that is the image, or a block device that begins with it. */
  readonly path: string;
}

/** What `install()` is given. */
export interface InstallImage {
  /** As announced; what a new directory is named after. */
  readonly version: string;
  /** The module, or `''` for the default one. */
  readonly module: string;
  /** Bytes; of several files together. */
  readonly size: number;
  /**
   * As announced, or of a difference, of the image that it makes; `undefined` for a file that came
   * without one, and with several files, each of which has its own.
   */
  readonly digest?: ImageDigest | undefined;
  /**
   * The image as a whole file, which was verified when it was downloaded; backends whose `takes` is
   * `'file'` get no other, and nobody else can write into its directory. It may have waited for hours:
   * whoever takes streams compares `digest` with what is read.
   */
  readonly path?: string | undefined;
  /**
   * The image's bytes in order, each once. Called at most once, and not when `path` is there. A
   * stream that comes straight from a download ends with that download's error when the digest is
   * wrong: `install()` then leaves the slot `bad` and rejects with that error. It is read to its end,
   * also where whatever installs it needs no more of it: what an installer leaves unread the agent
   * reads before it activates, and a wrong digest fails the update. One that never calls `open()` has
   * installed nothing, and fails with `ERR_INSTALL_FAILED`. Of a difference these are the bytes of the
   * image that it makes. A chunk is valid until the next one is asked for.
   */
  open?(): AsyncIterable<Uint8Array>;
  /**
   * The files of an upgrade that has several, in its order; `path` and `open` are then missing. Only
   * for an installer whose `takesFiles` says so: the agent refuses such an upgrade for others.
   */
  readonly files?: readonly ImageFile[] | undefined;
}

/** How far `install()` has come. Nothing need move for minutes: RAUC tells steps alone. */
export interface InstallProgress {
  /** 0 to 1, never falling. */
  readonly fraction: number;
  /** What is being done, in the backend's own words, such as `Copying image`; may be `''`. */
  readonly step: string;
}

/** What `install()` takes besides. */
export interface InstallOptions {
  /** Ends children and leaves the slot `bad`; `install()` rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Called as it comes further. */
  readonly onProgress?: ((progress: InstallProgress) => void) | undefined;
}

/** What `reboot()` takes. */
export interface RestartOptions {
  /** Ends the command of a restart; `reboot()` then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** What `install()` made. */
export interface Installed {
  /** The slot with the new image: what `activate()` and `markBad()` are given. */
  readonly slot: string;
}

/** What a backend can do, for whoever decides about it. */
export interface InstallerAbilities {
  /** `'stream'`: takes `open()` and `path`; `'file'`: needs the whole image as a file first. */
  readonly takes: 'file' | 'stream';
  /** Whether it installs upgrades with several files. Default false. */
  readonly takesFiles?: boolean | undefined;
  /** Whether `install()` has activated the slot when it ends, so that `activate()` only checks. */
  readonly activates: boolean;
  /** What makes an activated slot run: a restart of the machine, or of a service, by `reboot()`. */
  readonly restarts: 'machine' | 'service';
  /** Whether something beneath falls back by itself from a slot that never comes up. */
  readonly fallsBack: boolean;
}

/**
 * Installs images and says what starts next. Each method may be called again after a power cut at
 * any point of an earlier call, in the same order, and goes on or begins anew; none leaves a machine
 * that cannot start.
 *
 * Rejects with an `IotkitError`: `ERR_INSTALL_UNAVAILABLE` (the tool, daemon or environment is not
 * there), `ERR_INSTALL_SETUP` (it is there, and its configuration does not allow an update),
 * `ERR_INSTALL_BUSY`, `ERR_INSTALL_REFUSED` (the image is not for this machine, or not signed as it
 * must be), `ERR_INSTALL_FAILED` (with the tool's last words), `ERR_INSTALL_TIMEOUT`,
 * `ERR_BOOT_STATE` (the boot environment cannot be read or written), `ERR_NO_SPACE`, `ERR_FILE…`.
 */
export interface Installer extends InstallerAbilities {
  /** Names the backend, such as `'rauc'`. */
  readonly kind: string;
  /** Paths of what it alone may change: no other module of an agent may have one of them. Default: none. */
  readonly places?: readonly string[] | undefined;
  /**
   * The image of the slot that runs, as it was installed: what a difference is applied to. It is
   * compared by size and digest before it is used, so it may be another one; undefined: there is
   * none, and differences are refused. A backend without this method has none.
   */
  base?(): Promise<InstalledImage | undefined>;
  /** Asks what runs and what starts next. Changes nothing. */
  status(options?: { readonly signal?: AbortSignal | undefined }): Promise<InstallerStatus>;
  /**
   * Writes `image` into a slot that is not the booted one, and flushes it. The slot is made `bad`
   * before its first byte changes, and stays so until it is whole.
   */
  install(image: InstallImage, options?: InstallOptions): Promise<Installed>;
  /** Lets the next start take `slot`, as a trial. Returns when that is on the disk. */
  activate(slot: string): Promise<void>;
  /**
   * Confirms the booted slot, and resets its counter of tries. To be called on each healthy start,
   * not after updates alone: boot loaders count every start. Confirming twice changes nothing.
   */
  markGood(): Promise<void>;
  /**
   * Takes `slot` out of what may start. For the booted slot that is the roll back: the next start
   * takes the other one.
   */
  markBad(slot: string): Promise<void>;
  /**
   * Restarts what `restarts` says. It may end this process before the promise settles. The signal ends a command
   * that has not ended; then `status()` does not say that what it was to start runs, unless it knows so.
   */
  reboot(options?: RestartOptions): Promise<void>;
}
