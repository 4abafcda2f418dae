export { connect } from './connect';
export type { Device, DeviceState, StateChange, StatesOptions } from './device';
export { channelNames } from './diagnostics';
export type {
  ChunksOptions,
  DownloadOptions,
  ReportOptions,
  Signature,
} from './download-options';
export { type ErrorCode, type InvalidArgument, IotkitError } from './errors';
export type {
  DeviceEvent,
  DownloadEndEvent,
  DownloadStartEvent,
  RefusedEvent,
  StateEvent,
  UpgradeEvent,
} from './events';
export type { ConnectOptions, ReconnectOptions, SignMethod } from './options/connect';
export type { FetchOptions } from './options/fetch';
export type { Pem, TlsOptions } from './options/tls';
export type { VerifyOptions, VersionContext } from './options/verify';
export type {
  CheckOptions,
  Ota,
  ReportProgressOptions,
  ReportVersionOptions,
  UpgradesOptions,
} from './ota';
export { type Stats, setBandwidthLimit, setMaxDownloads, stats, tlsSource } from './process';
export type { Progress } from './progress';
export type { DeviceTarget, FileTarget, ImageWriter, Target } from './targets';
export type { ProgressOptions, Upgrade, UpgradeFile } from './upgrade';
export { compareVersions } from './versions';
