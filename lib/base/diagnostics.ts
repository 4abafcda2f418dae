/** The diagnostics channels of the package. */
import {
  type Channel,
  channel,
  type TracingChannel,
  tracingChannel,
} from 'node:diagnostics_channel';

/** The names of the `node:diagnostics_channel` channels, and the events published on them. */
export const channelNames = {
  /** {@link StateEvent}: a device's connection has changed. */
  state: 'iotkit-ota:state',
  /** {@link UpgradeEvent}: an upgrade was announced. */
  upgrade: 'iotkit-ota:upgrade',
  /** {@link RefusedEvent}: a message of the platform, or a subscription, was refused. */
  refused: 'iotkit-ota:refused',
  /** {@link DownloadStartEvent}: a download has begun. */
  downloadStart: 'iotkit-ota:download:start',
  /** {@link DownloadStateEvent}: what a download is doing has changed. */
  downloadState: 'iotkit-ota:download:state',
  /** {@link DownloadRetryEvent}: a try of a download has failed, and another follows. */
  downloadRetry: 'iotkit-ota:download:retry',
  /** {@link DownloadEndEvent}: a download has ended, in whatever way. */
  downloadEnd: 'iotkit-ota:download:end',
} as const;

/** The names of the `tracingChannel()`s of `node:diagnostics_channel`, and what they trace. */
export const tracingNames = {
  /** {@link ConnectTrace}: a call of {@link connect}. */
  connect: 'iotkit-ota:connect',
  /** {@link DownloadTrace}: a consumption of an upgrade, from its beginning to its outcome. */
  download: 'iotkit-ota:download',
} as const;

/**
 * Held, so that they are not collected, and asked for anew whenever they are used: where a channel of the
 * same name was collected before, Node.js 20 may forget the one that is held, and whoever subscribes then gets another.
 */
const held = new Map<string, Channel | TracingChannel>();

function present<C extends Channel | TracingChannel>(ask: (name: string) => C, name: string): C {
  const found = ask(name);
  held.set(name, found);
  return found;
}

/**
 * Calls `call`, and publishes when it begins and how it ends. What stores are bound to the channel
 * hold in `call`. If nobody listens, it is the call alone.
 */
export function traced<T>(
  key: keyof typeof tracingNames,
  context: object,
  call: () => Promise<T>,
): Promise<T> {
  const traces = present(tracingChannel, tracingNames[key]);
  return isHeard(traces) ? traces.tracePromise(call, context) : call();
}

// Node.js 20 has no TracingChannel.hasSubscribers, and publishes in any case.
function isHeard({ start, end, asyncStart, asyncEnd, error }: TracingChannel): boolean {
  return [start, end, asyncStart, asyncEnd, error].some(({ hasSubscribers }) => hasSubscribers);
}

export type ChannelKey = keyof typeof channelNames;

/**
 * Publishes if anybody listens. The types of the events are in device/events.ts, which may know the
 * objects in them.
 */
export function publish(key: ChannelKey, event: object): void {
  const to = present<Channel>(channel, channelNames[key]);
  if (to.hasSubscribers) to.publish(event);
}
