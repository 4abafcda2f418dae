/** The events published on the diagnostics channels. */

import type { IotkitError } from '../base/errors';
import type { Retrying } from '../download/progress';
import type { SharedAs, UpgradeState } from '../download/state';
import type { TargetKind } from '../download/targets';
import type { Upgrade } from '../ota/upgrade';
import type { Device } from './device';
import type { DeviceState } from './states';

/** Part of every event of a device. */
export interface DeviceEvent {
  /** The device that it is about. */
  readonly device: Device;
}

/** A device's connection has changed. */
export interface StateEvent extends DeviceEvent {
  /** The new state. */
  readonly state: DeviceState;
  /** Why, unless the change was asked for. */
  readonly error: IotkitError | undefined;
}

/** An upgrade was announced. */
export interface UpgradeEvent extends DeviceEvent {
  /** The announced upgrade. */
  readonly upgrade: Upgrade;
}

/** A message of the platform, or a subscription, was refused. */
export interface RefusedEvent extends DeviceEvent {
  /** What was refused, and why. */
  readonly error: IotkitError;
}

/** A call of {@link connect}, on the channels of `tracingChannel(tracingNames.connect)`. */
export interface ConnectTrace {
  /** Of the device that connects. */
  readonly productKey: string;
  /** Of the device that connects. */
  readonly deviceName: string;
  /** Of the broker: name or address. */
  readonly host: string;
  /** Of the broker. */
  readonly port: number;
  /** From `asyncStart` on, where it has succeeded. */
  readonly result?: Device;
  /** From `error` on, where it has failed. */
  readonly error?: unknown;
}

/**
 * A consumption of an upgrade, on the channels of `tracingChannel(tracingNames.download)`: a call of
 * `download()`, or an iteration over chunks from the first one asked for.
 */
export interface DownloadTrace {
  /** What is downloaded. */
  readonly upgrade: Upgrade;
  /** undefined: the default module. */
  readonly module: string | undefined;
  /** The version of the image. */
  readonly version: string;
  /** Bytes of the image. */
  readonly size: number;
  /** Where the bytes go, in the order given, a writer last; `chunks` of an iteration or stream. */
  readonly targets: readonly TargetKind[];
  /** From `asyncStart` on: bytes received, those of an earlier download included. */
  readonly received?: number;
  /** From `asyncStart` on: how many of them an earlier download had left on disk. */
  readonly resumed?: number;
  /** From `asyncStart` on, where the image was not fetched: how its files were made of another download's. */
  readonly sharedAs?: SharedAs;
  /** From `error` on, where it has failed or was cancelled. */
  readonly error?: unknown;
}

/** A download has begun. */
export interface DownloadStartEvent {
  /** What is downloaded. */
  readonly upgrade: Upgrade;
  /** The first file, directory or device; undefined: only JavaScript gets the bytes. */
  readonly path: string | undefined;
}

/** What a download is doing has changed. */
export interface DownloadStateEvent extends DownloadStartEvent {
  /** What it is doing from now on. */
  readonly state: UpgradeState;
}

/** A try of a download has failed, and another follows by itself. */
export interface DownloadRetryEvent extends DownloadStartEvent, Retrying {}

/** A download has ended. */
export interface DownloadEndEvent extends DownloadStartEvent {
  /** Bytes received when it ended. */
  readonly received: number;
  /** How many of them an earlier download had left on disk. */
  readonly resumed: number;
  /** Why it failed or was cancelled; undefined: the image is complete and verified. */
  readonly error: unknown;
  /**
   * What is missing though the image is complete: "installed, not yet durable: …" where the directory
   * could not be synced. It is a warning of the process, too (code `IOTKIT_NOT_DURABLE`).
   */
  readonly warning: string | undefined;
  /** How its files were made of those of another download; undefined: it has fetched, or failed. */
  readonly sharedAs: SharedAs | undefined;
}
