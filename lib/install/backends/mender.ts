// Tested by test/peers/install/mender.test.ts.
/**
 * Mender without its server: artifacts are given to the client's `install`, which checks them, writes
 * the partition that is not running and activates it; `commit` and `rollback` end the trial. What
 * starts next says the boot environment.
 */
import { options as checkOptions, flag, orElse, text } from '../../base/arguments';
import { IotkitError } from '../../base/errors';
import { throwIfAborted } from '../../base/signals';
import { assertRestartable, restartMachine } from '../boot/reboot';
import { type BootedOption, SlotSet } from '../boot/slot-set';
import type {
  Installed,
  Installer,
  InstallerStatus,
  InstallImage,
  InstallOptions,
  RestartOptions,
} from '../installer';
import { checkBooted, checkCommand, checkTimeout } from './checks';
import { MenderClient } from './mender-client';
import { type MenderConfig, type MenderFiles, readMenderConfig } from './mender-config';
import { MenderEnvironment } from './mender-environment';
import { provenBytesOf } from './proven-bytes';

/** Options of {@link menderInstaller}. */
export interface MenderInstallerOptions {
  /**
   * The client, and what stands before each of its subcommands, such as `['mender', '--data',
   * '/data/mender']`. Default: `mender-update` (version 4), else `mender` (version 3).
   */
  readonly command?: readonly string[] | undefined;
  /** Its configuration, which names the two partitions. Default `/etc/mender/mender.conf`. */
  readonly config?: string | undefined;
  /** What gives what `config` does not say. Default `/var/lib/mender/mender.conf`. */
  readonly fallbackConfig?: string | undefined;
  /**
   * Which partition this system runs from, `A` or `B` as in `RootfsPartA`; otherwise as for
   * {@link slotsInstaller}. Default: the one that is mounted at `/`.
   */
  readonly booted?: BootedOption | undefined;
  /**
   * Takes the artifact straight from the download, without a copy on the data partition. Mender
   * activates before the download's digest has been compared, so it has to check a signature:
   * without `ArtifactVerifyKey` in its configuration `install()` rejects. Default false.
   */
  readonly stream?: boolean | undefined;
  /** How long a call of the client may take, milliseconds, 1,000-86,400,000. Default an hour. */
  readonly timeoutMs?: number | undefined;
  /** What restarts the machine. Default `systemctl reboot`, without systemd `reboot`. */
  readonly reboot?: readonly string[] | undefined;
}

const file = { max: 4095, pattern: /^\//, expected: 'an absolute path' } as const;
const names = ['A', 'B'] as const;

/**
 * Makes an installer that gives artifacts (`.mender`) of a whole system (`rootfs-image`) to the Mender
 * client. Its daemon must not run: it would confirm and install by itself.
 *
 * @throws `InvalidArgument` that names the option
 * @example
 * menderInstaller({ stream: true });
 */
export function menderInstaller(options?: MenderInstallerOptions): Installer {
  const given = checkOptions<MenderInstallerOptions>('options', options, [
    'command',
    'config',
    'fallbackConfig',
    'booted',
    'stream',
    'timeoutMs',
    'reboot',
  ]);
  const client = new MenderClient({
    command: checkCommand('command', given.command),
    timeoutMs: checkTimeout('timeoutMs', given.timeoutMs),
  });
  return new MenderInstaller(client, {
    files: {
      config: text('config', orElse(given.config, '/etc/mender/mender.conf'), file),
      fallbackConfig: text(
        'fallbackConfig',
        orElse(given.fallbackConfig, '/var/lib/mender/mender.conf'),
        file,
      ),
    },
    booted: checkBooted('booted', given.booted, names),
    streams: flag('stream', orElse(given.stream, false)),
    reboot: checkCommand('reboot', given.reboot),
  });
}

interface Checked {
  readonly files: MenderFiles;
  readonly booted: BootedOption | undefined;
  readonly streams: boolean;
  readonly reboot: readonly string[] | undefined;
}

class MenderInstaller implements Installer {
  readonly kind = 'mender';
  readonly activates = true;
  readonly restarts = 'machine';
  readonly fallsBack = true;
  #isInstalling = false;

  constructor(
    private readonly client: MenderClient,
    private readonly options: Checked,
  ) {}

  get takes(): 'file' | 'stream' {
    return this.options.streams ? 'stream' : 'file';
  }

  async status(): Promise<InstallerStatus> {
    return (await this.#slots()).status();
  }

  async install(image: InstallImage, options: InstallOptions = {}): Promise<Installed> {
    throwIfAborted(options.signal);
    if (this.#isInstalling) throw new IotkitError('ERR_INSTALL_BUSY', 'by this installer');
    this.#isInstalling = true;
    try {
      return await this.#install(image, options);
    } finally {
      this.#isInstalling = false;
    }
  }

  async activate(slot: string): Promise<void> {
    await (await this.#slots()).activate(slot);
  }

  async markGood(): Promise<void> {
    await (await this.#slots()).markGood();
  }

  async markBad(slot: string): Promise<void> {
    await (await this.#slots()).markBad(slot);
  }

  reboot({ signal }: RestartOptions = {}): Promise<void> {
    return restartMachine(this.options.reboot, signal);
  }

  async #install(image: InstallImage, options: InstallOptions): Promise<Installed> {
    const config = await readMenderConfig(this.options.files);
    this.#assertTaken(config, image);
    const slots = this.#slotsOf(config);
    await assertRestartable(this.options.reboot);
    await this.client.check();
    // It would write over a slot that starts next, and over the fallback of a trial.
    const slot = await slots.prepare();
    // What somebody has installed and not confirmed, or what the boot loader has left since.
    await this.client.rollback();
    try {
      await this.#give(image, options);
      await assertActivated(slots, slot);
    } catch (error) {
      await this.#takeBack(slots, slot, error);
      throw error;
    }
    options.onProgress?.({ fraction: 1, step: 'Mender has installed and activated it' });
    return { slot };
  }

  async #give(image: InstallImage, { signal, onProgress }: InstallOptions): Promise<void> {
    let last = 0;
    const come = (fraction: number, step: string): void => {
      last = Math.max(last, fraction);
      onProgress?.({ fraction: last, step });
    };
    if (!this.options.streams) return this.client.install(image.path, { signal }, come);
    let step = '';
    const stdin = counted(image, (fraction) => come(fraction, step));
    await this.client.install(undefined, { signal, stdin }, (_, said) => {
      step = said;
    });
  }

  /** After a failure nothing of it may start, nor be confirmed by whoever comes next. */
  async #takeBack(slots: SlotSet, slot: string, error: unknown): Promise<void> {
    try {
      await this.client.rollback();
      await slots.markBad(slot);
    } catch (cause) {
      const why = (cause as Error).message;
      const detail = `${(error as Error).message}; and it could not be taken back: ${why}`;
      throw new IotkitError('ERR_BOOT_STATE', detail, { cause: error });
    }
  }

  #assertTaken(config: MenderConfig, { path }: InstallImage): void {
    if (!this.options.streams) {
      if (path !== undefined) return;
      throw new IotkitError(
        'ERR_INSTALL_FAILED',
        'Mender takes a file here; see the option stream',
      );
    }
    if (config.isSigned) return;
    const detail =
      'Mender activates a stream before its digest is known, and checks no signature: set ' +
      "ArtifactVerifyKey in its configuration, or leave out the installer's option stream";
    throw new IotkitError('ERR_INSTALL_SETUP', detail);
  }

  async #slots(): Promise<SlotSet> {
    return this.#slotsOf(await readMenderConfig(this.options.files));
  }

  #slotsOf(config: MenderConfig): SlotSet {
    const environment = new MenderEnvironment(config, this.client);
    return new SlotSet(config.partitions, environment, this.options.booted);
  }
}

/** The bytes of the artifact, with how much of them has been taken. */
async function* counted(
  image: InstallImage,
  come: (fraction: number) => void,
): AsyncGenerator<Uint8Array> {
  let taken = 0;
  for await (const chunk of provenBytesOf(image)) {
    come(Math.min(1, taken / image.size));
    taken += chunk.length;
    yield chunk;
  }
}

// An artifact for an update module changes something else, and cannot be tried by a restart.
async function assertActivated(slots: SlotSet, slot: string): Promise<void> {
  const { next } = await slots.status();
  if (next === slot) return;
  const detail = `the artifact was installed, and is no system: ${next} stays what starts next`;
  throw new IotkitError('ERR_INSTALL_REFUSED', detail);
}
