import { type Channel, channel } from 'node:diagnostics_channel';
import type { Device, DeviceState } from './device';
import type { IotkitError } from './errors';
import type { Upgrade } from './upgrade';

/** The names of the `node:diagnostics_channel` channels, and what is published on them. */
export const channelNames = {
  /** {@link StateEvent}: a device's connection has changed. */
  state: 'iotkit-ota:state',
  /** {@link UpgradeEvent}: an upgrade was announced. */
  upgrade: 'iotkit-ota:upgrade',
  /** {@link RefusedEvent}: a message of the platform, or a subscription, was refused. */
  refused: 'iotkit-ota:refused',
  /** {@link DownloadStartEvent} */
  downloadStart: 'iotkit-ota:download:start',
  /** {@link DownloadEndEvent} */
  downloadEnd: 'iotkit-ota:download:end',
} as const;

/** What every event of a device says. */
export interface DeviceEvent {
  readonly device: Device;
}

export interface StateEvent extends DeviceEvent {
  readonly state: DeviceState;
  /** Why, unless it was asked for. */
  readonly error: IotkitError | undefined;
}

export interface UpgradeEvent extends DeviceEvent {
  readonly upgrade: Upgrade;
}

export interface RefusedEvent extends DeviceEvent {
  readonly error: IotkitError;
}

export interface DownloadStartEvent {
  readonly upgrade: Upgrade;
  /** The file, or undefined: it is handed out in chunks. */
  readonly path: string | undefined;
}

export interface DownloadEndEvent extends DownloadStartEvent {
  /** Bytes received. */
  readonly received: number;
  /** Why it failed or was cancelled; undefined: it is complete and verified. */
  readonly error: unknown;
}

interface Events {
  readonly state: StateEvent;
  readonly upgrade: UpgradeEvent;
  readonly refused: RefusedEvent;
  readonly downloadStart: DownloadStartEvent;
  readonly downloadEnd: DownloadEndEvent;
}

const channels: { readonly [K in keyof Events]: Channel } = {
  state: channel(channelNames.state),
  upgrade: channel(channelNames.upgrade),
  refused: channel(channelNames.refused),
  downloadStart: channel(channelNames.downloadStart),
  downloadEnd: channel(channelNames.downloadEnd),
};

/** Publishes if anybody listens. */
export function publish<K extends keyof Events>(name: K, event: Events[K]): void {
  if (channels[name].hasSubscribers) channels[name].publish(event);
}
