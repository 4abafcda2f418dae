import type { DeviceKey } from '../types/device';
import {
  GATEWAY_FILTERS,
  GATEWAY_THINGS,
  type GatewayKind,
  parseSessionTopic,
} from './gateway-topics';

/** What a device may send the platform. */
export type UpstreamKind =
  | 'inform'
  | 'progress'
  | 'request'
  | 'get'
  | 'block'
  | 'config-get'
  | 'config-push-reply'
  | GatewayKind;

export interface Upstream {
  readonly kind: UpstreamKind;
  readonly key: DeviceKey;
}

const OTA = /^\/ota\/device\/(inform|progress|request)\/([^/+#]+)\/([^/+#]+)$/;
const THING = /^\/sys\/([^/+#]+)\/([^/+#]+)\/thing\/(.+)$/;
const THING_KINDS: ReadonlyMap<string, UpstreamKind> = new Map([
  ['ota/firmware/get', 'get'],
  ['file/download', 'block'],
  ['config/get', 'config-get'],
  ['config/push_reply', 'config-push-reply'],
  ...GATEWAY_THINGS,
]);

/** Filters that match everything this platform listens to. */
export const UPSTREAM_FILTERS = [
  '/ota/device/inform/+/+',
  '/ota/device/progress/+/+',
  '/ota/device/request/+/+',
  '/sys/+/+/thing/ota/firmware/get',
  '/sys/+/+/thing/file/download',
  '/sys/+/+/thing/config/get',
  '/sys/+/+/thing/config/push_reply',
  ...GATEWAY_FILTERS,
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
  const [, productKey, deviceName, tail] = THING.exec(topic) ?? [];
  const kind = THING_KINDS.get(tail ?? '');
  if (productKey === undefined || deviceName === undefined || kind === undefined) {
    return parseSessionTopic(topic);
  }
  return { kind, key: { productKey, deviceName } };
}

/** The device that a topic of the platform is for. */
export function ownerOf(topic: string): DeviceKey | undefined {
  const [, first, second, third, fourth, fifth] = topic.split('/');
  const [productKey, deviceName] =
    first === 'sys' ? [second, third] : first === 'ext' ? [third, fourth] : [fourth, fifth];
  if (first !== 'sys' && first !== 'ota' && first !== 'ext') return undefined;
  return productKey && deviceName ? { productKey, deviceName } : undefined;
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

export function blockReplyTopic({ productKey, deviceName }: DeviceKey): string {
  return `/sys/${productKey}/${deviceName}/thing/file/download_reply`;
}

export function configGetReplyTopic({ productKey, deviceName }: DeviceKey): string {
  return `/sys/${productKey}/${deviceName}/thing/config/get_reply`;
}

export function configPushTopic({ productKey, deviceName }: DeviceKey): string {
  return `/sys/${productKey}/${deviceName}/thing/config/push`;
}
