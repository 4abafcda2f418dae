export { connect } from './connect';
export type { Device, DeviceState, StateChange, StatesOptions } from './device';
export { channelNames } from './diagnostics';
export { type ErrorCode, type InvalidArgument, IotkitError } from './errors';
export type {
  DeviceEvent,
  DownloadEndEvent,
  DownloadStartEvent,
  RefusedEvent,
  StateEvent,
  UpgradeEvent,
} from './events';
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
export { type Stats, setMaxDownloads, stats, tlsSource } from './process';
export type { Progress } from './progress';
export type { ChunksOptions, DownloadOptions, ProgressOptions, Upgrade } from './upgrade';
