// Tested by test/unit/cli/agent/config.test.ts
/** The installers that a configuration can name. */
import { oneOf } from '../../base/arguments';
import { type CommandInstallerOptions, commandInstaller } from '../../install/backends/command';
import {
  type DirectoriesInstallerOptions,
  directoriesInstaller,
} from '../../install/backends/directories';
import { type MenderInstallerOptions, menderInstaller } from '../../install/backends/mender';
import { type RaucInstallerOptions, raucInstaller } from '../../install/backends/rauc';
import { type SlotsInstallerOptions, slotsInstaller } from '../../install/backends/slots';
import { type SwupdateInstallerOptions, swupdateInstaller } from '../../install/backends/swupdate';
import type { Installer } from '../../install/installer';

/** `kind`, and the options of that installer as docs/install.md lists them. */
export interface InstallerConfig {
  readonly kind: string;
  readonly [option: string]: unknown;
}

// Each checks its options by itself.
const makers = {
  command: (options: unknown) => commandInstaller(options as CommandInstallerOptions),
  directories: (options: unknown) => directoriesInstaller(options as DirectoriesInstallerOptions),
  mender: (options: unknown) => menderInstaller(options as MenderInstallerOptions),
  rauc: (options: unknown) => raucInstaller(options as RaucInstallerOptions),
  slots: (options: unknown) => slotsInstaller(options as SlotsInstallerOptions),
  swupdate: (options: unknown) => swupdateInstaller(options as SwupdateInstallerOptions),
} as const;

const kinds = Object.keys(makers) as (keyof typeof makers)[];

/** @throws InvalidArgument */
export function makeInstaller({ kind, ...options }: InstallerConfig): Installer {
  return makers[oneOf('kind', kind, kinds)](options);
}
