export { connect } from './connect';
export type { Device, DeviceState, StateChange, StatesOptions } from './device';
export type {
  DeviceEvent,
  DownloadEndEvent,
  DownloadStartEvent,
  RefusedEvent,
  StateEvent,
  UpgradeEvent,
} from './diagnostics';
export { channelNames } from './diagnostics';
export type { ErrorCode, InvalidArgument } from './errors';
export { IotkitError } from './errors';
export type {
  ConnectOptions,
  FetchOptions,
  Pem,
  ReconnectOptions,
  SignMethod,
  TlsOptions,
} from './options';
export type {
  CheckOptions,
  Ota,
  ReportProgressOptions,
  ReportVersionOptions,
  UpgradesOptions,
} from './ota';
export type { Stats } from './process';
export { setMaxDownloads, stats, tlsSource } from './process';
export type { Progress } from './progress';
export type { ChunksOptions, DownloadOptions, ProgressOptions, Upgrade } from './upgrade';
