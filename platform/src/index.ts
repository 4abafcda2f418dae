/**
 * The cloud side of Alibaba Cloud IoT Platform firmware OTA on one machine. {@link Platform} is the
 * way in; everything else is what it takes and gives.
 *
 * @packageDocumentation
 */

export { type HmacMethod, type SignIn, signIn } from './broker/auth';
export { localIdentity } from './ca';
export { type Clock, ManualClock, systemClock, type Timer } from './clock';
export type { Configs } from './configs/configs';
export type { Devices } from './devices';
export type { Upgrades } from './engine/upgrades';
export { PlatformError, type PlatformErrorCode } from './errors';
export type {
  BlockFault,
  Fault,
  FaultKind,
  FaultRecord,
  FaultScope,
  HttpFault,
  MqttFault,
  NoticeFault,
} from './fault-types';
export type { Faults } from './faults';
export type { FirmwareStore } from './firmware/store';
export { Platform, type Ports } from './platform';
export type {
  ConfigOptions,
  ConfigPush,
  ConfigPushOptions,
  ConfigPushState,
  Device,
  DeviceKey,
  DeviceOptions,
  DownloadOutcome,
  ExternalBroker,
  Firmware,
  FirmwareFile,
  FirmwareFileOptions,
  FirmwareOptions,
  FirmwareSource,
  FirmwareTraffic,
  PlatformEvent,
  PlatformEventName,
  PlatformEvents,
  PlatformOptions,
  RemoteConfig,
  RetryPolicy,
  SignMethod,
  TaskReason,
  TaskState,
  TaskTransition,
  TlsIdentity,
  Upgrade,
  UpgradeOptions,
  UpgradeTask,
} from './types';
