/**
 * A/B partitions: the image is written as it is into the slot that is not running, and a boot
 * loader that counts tries chooses between the slots.
 */
import { options as checkOptions } from '../../base/arguments';
import type { EnvironmentOption } from '../boot/options';
import type { BootedOption } from '../boot/slot-set';
import type { InstalledImage, Installer, InstallImage, InstallOptions } from '../installer';
import { checkSlotOptions } from './checks';
import { assertWritable, writeRaw } from './raw-image';
import { SlotInstaller } from './slot-installer';

/** Options of {@link slotsInstaller}. */
export interface SlotsInstallerOptions {
  /**
   * The partitions, or files, by the names that the boot loader has for them: two or more, such as
   * `{ A: '/dev/disk/by-partlabel/system-a', B: '/dev/disk/by-partlabel/system-b' }`.
   */
  readonly slots: Readonly<Record<string, string>>;
  /** Which boot loader chooses between them. */
  readonly environment: EnvironmentOption;
  /**
   * Which of them this system runs from. Default: what `iotkit.slot=` or `rauc.slot=` on the kernel's
   * command line says, else the slot whose partition is mounted at `/`.
   */
  readonly booted?: BootedOption | undefined;
  /** What restarts the machine. Default `systemctl reboot`, without systemd `reboot`. */
  readonly reboot?: readonly string[] | undefined;
}

const device = { max: 4095, pattern: /^\//, expected: 'an absolute path' } as const;

/**
 * Makes an installer for A/B partitions. It takes the image straight from the download, and writes
 * no second copy.
 *
 * Besides what {@link Installer} says, `install()` rejects with `ERR_SIZE_MISMATCH` or
 * `ERR_DIGEST_MISMATCH` where the image is not the announced one, with `ERR_NO_SPACE` where the
 * slot is too small, and with `ERR_BOOT_STATE` while the booted slot is a trial: the other one is
 * what the machine falls back to.
 *
 * @throws `InvalidArgument` that names the option
 * @example
 * slotsInstaller({
 *   slots: { A: '/dev/mmcblk0p2', B: '/dev/mmcblk0p3' },
 *   environment: { loader: 'u-boot' },
 * });
 */
export function slotsInstaller(options: SlotsInstallerOptions): Installer {
  const given = checkOptions<SlotsInstallerOptions>('options', options, [
    'slots',
    'environment',
    'booted',
    'reboot',
  ]);
  return new SlotsInstaller(
    checkSlotOptions(given, device, (name, path) => ({ name, device: path })),
  );
}

class SlotsInstaller extends SlotInstaller {
  readonly kind = 'slots';

  get places(): readonly string[] {
    return [...this.slots.values.values()];
  }

  /** The slot that runs begins with its image, unless somebody has written to it since. */
  async base(): Promise<InstalledImage | undefined> {
    const { booted } = await this.status();
    const path = this.slots.values.get(booted);
    return path === undefined ? undefined : { path };
  }

  protected look(at: string, { size }: InstallImage): Promise<void> {
    return assertWritable(at, size);
  }

  protected write(at: string, image: InstallImage, options: InstallOptions): Promise<void> {
    return writeRaw(at, image, options);
  }
}
