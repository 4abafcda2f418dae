import type { DeviceKey } from '../types';

/** What a device may send the platform. */
export type UpstreamKind = 'inform' | 'progress' | 'request' | 'get';

export interface Upstream {
  readonly kind: UpstreamKind;
  readonly key: DeviceKey;
}

const OTA = /^\/ota\/device\/(inform|progress|request)\/([^/+#]+)\/([^/+#]+)$/;
const GET = /^\/sys\/([^/+#]+)\/([^/+#]+)\/thing\/ota\/firmware\/get$/;

/** Filters that match everything this platform listens to. */
export const UPSTREAM_FILTERS = [
  '/ota/device/inform/+/+',
  '/ota/device/progress/+/+',
  '/ota/device/request/+/+',
  '/sys/+/+/thing/ota/firmware/get',
] as const;

/** Undefined for a topic that is not the platform's business. */
export function parseUpstream(topic: string): Upstream | undefined {
  const ota = OTA.exec(topic);
  if (ota !== null) {
    const [, kind, productKey, deviceName] = ota as unknown as [
      string,
      UpstreamKind,
      string,
      string,
    ];
    return { kind, key: { productKey, deviceName } };
  }
  const get = GET.exec(topic);
  if (get === null) return undefined;
  const [, productKey, deviceName] = get as unknown as [string, string, string];
  return { kind: 'get', key: { productKey, deviceName } };
}

export function upgradeTopic({ productKey, deviceName }: DeviceKey): string {
  return `/ota/device/upgrade/${productKey}/${deviceName}`;
}

export function requestTopic({ productKey, deviceName }: DeviceKey): string {
  return `/ota/device/request/${productKey}/${deviceName}`;
}

export function getReplyTopic({ productKey, deviceName }: DeviceKey): string {
  return `/sys/${productKey}/${deviceName}/thing/ota/firmware/get_reply`;
}
