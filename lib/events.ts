/** What is published on the diagnostics channels. */
import type { Device, DeviceState } from './device';
import type { IotkitError } from './errors';
import type { Upgrade } from './upgrade';

/** What every event of a device says. */
export interface DeviceEvent {
  readonly device: Device;
}

/** A device's connection has changed. */
export interface StateEvent extends DeviceEvent {
  readonly state: DeviceState;
  /** Why, unless it was asked for. */
  readonly error: IotkitError | undefined;
}

/** An upgrade was announced. */
export interface UpgradeEvent extends DeviceEvent {
  readonly upgrade: Upgrade;
}

/** A message of the platform, or a subscription, was refused. */
export interface RefusedEvent extends DeviceEvent {
  readonly error: IotkitError;
}

/** A download has begun. */
export interface DownloadStartEvent {
  readonly upgrade: Upgrade;
  /** The (first) file, directory or device; undefined: JavaScript alone gets the bytes. */
  readonly path: string | undefined;
}

/** A download has ended. */
export interface DownloadEndEvent extends DownloadStartEvent {
  /** Bytes that were there at its end. */
  readonly received: number;
  /** Those of them that an earlier download had left. */
  readonly resumed: number;
  /** Why it failed or was cancelled; undefined: it is complete and verified. */
  readonly error: unknown;
}
