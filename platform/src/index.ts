/**
 * The cloud side of Alibaba Cloud IoT Platform firmware OTA on one machine. {@link Platform} is the
 * way in; everything else is what it takes and gives.
 *
 * @packageDocumentation
 */

export type { Ports } from './assembly/addresses';
export { checkState, type StateReport } from './assembly/fsck';
export type { Health } from './assembly/health';
export type { LimitOptions, PlatformOptions } from './assembly/options';
export { type Clock, ManualClock, systemClock, type Timer } from './base/clock';
export { PlatformError, type PlatformErrorCode } from './base/errors';
export type { Log } from './base/log';
export type { StateProblem } from './base/problems';
export { type HmacMethod, type SignIn, signIn } from './broker/auth';
export type { ExternalBroker } from './broker/external-client';
export type { Configs } from './configs/configs';
export type {
  ConfigOptions,
  ConfigPush,
  ConfigPushOptions,
  ConfigPushState,
} from './configs/options';
export type { DeviceOptions, Devices } from './devices/devices';
export type { ProductOptions, Products } from './devices/products';
export type {
  DownloadOutcome,
  PlatformEvent,
  PlatformEventName,
  PlatformEvents,
} from './events/event-types';
export type {
  BlockFault,
  Fault,
  FaultKind,
  FaultRecord,
  FaultScope,
  GatewayFault,
  HttpFault,
  MqttFault,
  NoticeFault,
} from './faults/fault-types';
export type { Faults } from './faults/faults';
export type { ObjectStoreOptions } from './firmware/object-store';
export type { FirmwareFileOptions, FirmwareOptions, FirmwareSource } from './firmware/options';
export {
  STATEMENT_FIELD,
  type Statement,
  signStatement,
  statementText,
} from './firmware/statement';
export type { FirmwareStore, FirmwareTraffic } from './firmware/store';
export type { Gateways } from './gateways/gateways';
export type { GatewayProposal } from './gateways/proposals';
export type {
  Authorities,
  AuthorityOptions,
  RegisteredAuthority,
} from './identities/authorities';
export type {
  Certificates,
  DeviceCertificate,
  IssuedCertificate,
} from './identities/certificates';
export type { DeviceToken, Registrations } from './identities/registration';
export { localIdentity, type TlsIdentity } from './listen/ca';
export type { ConnectionLimits } from './listen/limits';
export type { LogSelection, Logs } from './logs/logs';
export type { Messages } from './messages/messages';
export type {
  BatchPublishOptions,
  Broadcast,
  BroadcastOptions,
  CallAnswer,
  CallOptions,
  Publication,
  PublicationState,
  PublishOptions,
} from './messages/options';
export type { JsonPayload, PayloadEncoding } from './messages/payload';
export type { DeviceProperty, Properties } from './messages/properties';
export { Platform } from './platform';
export type { RemoteConfig } from './types/config';
export type { Device, DeviceKey, Presence } from './types/device';
export type { Firmware, FirmwareFile, SignMethod } from './types/firmware';
export type { SubDevice } from './types/gateway';
export type { DeviceLogEntry, LogEntry, LogLevel } from './types/log';
export type { Product, ProductAuthentication } from './types/product';
export type {
  RetryPolicy,
  TaskReason,
  TaskState,
  TaskTransition,
  Upgrade,
  UpgradeTask,
} from './types/upgrade';
export type { UpgradeOptions } from './upgrades/options';
export type { Upgrades } from './upgrades/upgrades';
