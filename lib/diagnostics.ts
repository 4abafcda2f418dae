import { type Channel, channel } from 'node:diagnostics_channel';

/** The names of the `node:diagnostics_channel` channels, and what is published on them. */
export const channelNames = {
  /** {@link StateEvent}: a device's connection has changed. */
  state: 'iotkit-ota:state',
  /** {@link UpgradeEvent}: an upgrade was announced. */
  upgrade: 'iotkit-ota:upgrade',
  /** {@link RefusedEvent}: a message of the platform, or a subscription, was refused. */
  refused: 'iotkit-ota:refused',
  /** {@link DownloadStartEvent}: a download has begun. */
  downloadStart: 'iotkit-ota:download:start',
  /** {@link DownloadEndEvent}: a download has ended, in whatever way. */
  downloadEnd: 'iotkit-ota:download:end',
} as const;

type ChannelKey = keyof typeof channelNames;

const channels: { readonly [K in ChannelKey]: Channel } = {
  state: channel(channelNames.state),
  upgrade: channel(channelNames.upgrade),
  refused: channel(channelNames.refused),
  downloadStart: channel(channelNames.downloadStart),
  downloadEnd: channel(channelNames.downloadEnd),
};

/**
 * Publishes if anybody listens. The events' types are in events.ts, which knows the objects in
 * them.
 */
export function publish(key: ChannelKey, event: object): void {
  if (channels[key].hasSubscribers) channels[key].publish(event);
}
