// Tested by test/unit/install/agent.test.ts
/**
 * What a user imports as `iotkit-ota/install`: from an announced upgrade to the version that runs.
 * Only who imports it loads it. It needs no addon; the device that it is given does.
 */

export {
  type ApplyDeltaOptions,
  applyDelta,
  type DeltaBase,
  type DeltaImage,
  type DeltaInfo,
  type OpenFile,
  type OpenFileRead,
  type OpenFileStats,
} from '../delta';
export type { PinOptions, RunAgentOptions, UpdateAgentEventMap } from './agent';
export { createUpdateAgent, UpdateAgent } from './agent';
export type {
  ProgressShares,
  TogetherOptions,
  UpdateAgentOptions,
  UpdateModule,
} from './agent-options';
export { type CommandInstallerOptions, commandInstaller } from './backends/command';
export { type DirectoriesInstallerOptions, directoriesInstaller } from './backends/directories';
export { type MenderInstallerOptions, menderInstaller } from './backends/mender';
export { type RaucInstallerOptions, raucInstaller } from './backends/rauc';
export { type SlotsInstallerOptions, slotsInstaller } from './backends/slots';
export { type SwupdateInstallerOptions, swupdateInstaller } from './backends/swupdate';
export type { BootEnvironment, BootState } from './boot/environment';
export type {
  EnvironmentOption,
  GrubEnvironment,
  SystemdBootEnvironment,
  UbootEnvironment,
} from './boot/options';
export type { BootedOption } from './boot/slot-set';
export type { ConsentRequest } from './consent';
export { type DetectedInstaller, type DetectOptions, detectInstallers } from './detect';
export type { HealthCheck, HealthCommand, HealthOptions, HealthUrl } from './health';
export type { Hook, HookCommand, HookContext, HookName, Hooks } from './hooks';
export type {
  ImageDigest,
  ImageFile,
  Installed,
  InstalledImage,
  Installer,
  InstallerAbilities,
  InstallerStatus,
  InstallImage,
  InstallOptions,
  InstallProgress,
  RestartOptions,
  Slot,
  SlotState,
} from './installer';
export type { PolicyOptions, UpdateLock } from './policy';
export type { AnnouncedDelta, AnnouncedFile, UpdateEntry, UpdatePhase } from './record';
export type { UpdateDevice } from './reports';
export type { MaintenanceWindow } from './window';
