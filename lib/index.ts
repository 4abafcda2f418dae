export { channelNames, tracingNames } from './base/diagnostics';
export { type ErrorCode, type InvalidArgument, IotkitError } from './base/errors';
export type { Iteration } from './base/feed';
export type { Subscription } from './base/listeners';
export type {
  ConfigChange,
  ConfigReadOptions,
  ConfigSaveOptions,
  ConfigState,
} from './config/change';
export type { ConfigChangesOptions, ConfigGetOptions, RemoteConfig } from './config/remote-config';
export { type AttachedDevice, attach } from './device/attach';
export type {
  AttachedOptions,
  AttachOptions,
  AttachQos,
  AttachReceive,
  AttachStop,
} from './device/attach-options';
export { connect, open } from './device/connect';
export type {
  BehaviorOptions,
  ConnectOptions,
  DeviceOptions,
  FirstConnectionOptions,
  OpenOptions,
  ProductDeviceOptions,
  ReconnectOptions,
  SignMethod,
  TokenDeviceOptions,
  X509DeviceOptions,
  X509UnnamedOptions,
} from './device/connect-options';
export type { Device, DeviceEventMap, SubDevice } from './device/device';
export type {
  ConnectTrace,
  DeviceEvent,
  DownloadEndEvent,
  DownloadRetryEvent,
  DownloadStartEvent,
  DownloadStateEvent,
  DownloadTrace,
  RefusedEvent,
  StateEvent,
  UpgradeEvent,
} from './device/events';
export type {
  ConfigChangeLike,
  DeviceLike,
  DeviceLikeEventMap,
  DeviceLogsLike,
  OtaLike,
  RemoteConfigLike,
  UpgradeLike,
} from './device/like';
export type { Logger } from './device/logger';
export {
  attachMqttJs,
  type MqttJsBytes,
  type MqttJsClient,
  type MqttJsMessageListener,
} from './device/mqttjs';
export { type Stats, setBandwidthLimit, setMaxDownloads, stats, tlsSource } from './device/process';
export type { DeviceState, StateChange, StatesOptions } from './device/states';
export type {
  ChunksOptions,
  DeltaImage,
  DeltaInfo,
  DownloadOptions,
  ReportOptions,
  Signature,
} from './download/options';
export type { Progress, Retrying } from './download/progress';
export type { SharedAs, UpgradeState } from './download/state';
export type {
  DeviceTarget,
  FileTarget,
  ImageWriter,
  NodeWritable,
  Path,
  Target,
  TargetKind,
  WebWritable,
} from './download/targets';
export type {
  GatewayRequestOptions,
  LoginOptions,
  SubDeviceIdentity,
  SubDeviceName,
} from './gateway/arguments';
export type {
  TopologyChange,
  TopologyChangesOptions,
  TopologyChangeType,
} from './gateway/changes';
export type { Gateway, GatewayEventMap, JoinPermit, RegisteredSubDevice } from './gateway/gateway';
export type { SubDeviceHandle } from './gateway/sub-devices';
export type { Credentials, SecretCredentials, TokenCredentials } from './identity/credentials';
export { type RegisterOptions, type RegistrationOptions, register } from './identity/register';
export type { X509Options } from './identity/who';
export type {
  DeviceLogs,
  LogEntry,
  LogLevel,
  LogsOptions,
  PostLogsOptions,
} from './logs/device-logs';
export { LogTail } from './logs/log-tail';
export type { OfflinePolicy, Payload, Qos } from './messaging/arguments';
export type { Message } from './messaging/message';
export type {
  PublishOptions,
  RequestOptions,
  RpcOptions,
  SubscribeOptions,
} from './messaging/messaging';
export type { MessagesOptions, RateOptions, WillOptions } from './messaging/options';
export type { Reply, RequestBody } from './messaging/requests';
export type { RpcCall, RpcHandler } from './messaging/rpc';
export type { TopicSubscription } from './messaging/subscription-feed';
export type {
  Endpoint,
  HostEndpoint,
  InstanceEndpoint,
  RegionEndpoint,
  UrlEndpoint,
} from './options/endpoint';
export type { FetchOptions } from './options/fetch';
export type { Pem, SignFunction, SignRequest, TlsOptions } from './options/tls';
export type { VerifyOptions, VersionContext } from './options/verify';
export type { UpgradeEventMap } from './ota/events';
export type {
  CheckOptions,
  NextUpgradeOptions,
  Ota,
  ReportProgressOptions,
  ReportVersionOptions,
  UpgradesOptions,
} from './ota/ota';
export type { DeferOptions, ProgressOptions, Upgrade, UpgradeFile } from './ota/upgrade';
export { compareVersions } from './ota/versions';
export type { WrongClock } from './time/clock-watch';
export type { PlatformTime, TimeOptions } from './time/platform-time';
