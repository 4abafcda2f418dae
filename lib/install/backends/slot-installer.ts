// Tested by test/unit/install/backends/slots.test.ts and test/peers/install/swupdate.test.ts.
/** What installers over slots have in common, between which a boot environment chooses. */
import { IotkitError } from '../../base/errors';
import { throwIfAborted } from '../../base/signals';
import { assertRestartable, restartMachine } from '../boot/reboot';
import type {
  Installed,
  Installer,
  InstallerStatus,
  InstallImage,
  InstallOptions,
  RestartOptions,
} from '../installer';
import type { CheckedSlots } from './checks';

/** @internal One image at a time goes into a slot that nothing starts meanwhile; how, its heirs know. */
export abstract class SlotInstaller implements Installer {
  abstract readonly kind: string;
  readonly takes = 'stream';
  readonly activates = false;
  readonly restarts = 'machine';
  readonly fallsBack = true;
  #isInstalling = false;

  constructor(protected readonly slots: CheckedSlots) {}

  /**
   * Rejects where the slot cannot take the image. Called before the slot is made bad, and changes nothing.
   *
   * @param at what stands at the slot in the options
   */
  protected abstract look(at: string, image: InstallImage, options: InstallOptions): Promise<void>;

  /** @param at what stands at the slot in the options */
  protected abstract write(at: string, image: InstallImage, options: InstallOptions): Promise<void>;

  status(): Promise<InstallerStatus> {
    return this.slots.set.status();
  }

  async install(image: InstallImage, options: InstallOptions = {}): Promise<Installed> {
    throwIfAborted(options.signal);
    if (this.#isInstalling) throw new IotkitError('ERR_INSTALL_BUSY', 'by this installer');
    this.#isInstalling = true;
    try {
      await assertRestartable(this.slots.reboot);
      const placeOf = (slot: string): string => this.slots.values.get(slot) as string;
      const slot = await this.slots.set.prepare((it) => this.look(placeOf(it), image, options));
      await this.write(placeOf(slot), image, options);
      return { slot };
    } finally {
      this.#isInstalling = false;
    }
  }

  activate(slot: string): Promise<void> {
    return this.slots.set.activate(slot);
  }

  markGood(): Promise<void> {
    return this.slots.set.markGood();
  }

  markBad(slot: string): Promise<void> {
    return this.slots.set.markBad(slot);
  }

  reboot({ signal }: RestartOptions = {}): Promise<void> {
    return restartMachine(this.slots.reboot, signal);
  }
}
