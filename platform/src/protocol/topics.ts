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
  | 'log-post'
  | 'log-config-get'
  | 'time'
  | 'call-answer'
  | 'property-post'
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
  ['log/post', 'log-post'],
  ['config/log/get', 'log-config-get'],
  ['event/property/post', 'property-post'],
  ...GATEWAY_THINGS,
]);

const TIME = /^\/ext\/ntp\/([^/+#]+)\/([^/+#]+)\/request$/;
const ANSWER = /^\/sys\/([^/+#]+)\/([^/+#]+)\/rrpc\/response\/[^/+#]+$/;
/** A call on a topic of its own: the topic follows, and names nobody. */
const CUSTOM_CALL = /^\/ext\/rrpc\/[^/+#]+\/[^+#]+$/;

/** Filters that match everything this platform listens to and cannot do without. */
export const UPSTREAM_FILTERS = [
  '/ota/device/inform/+/+',
  '/ota/device/progress/+/+',
  '/ota/device/request/+/+',
  '/sys/+/+/thing/ota/firmware/get',
  '/sys/+/+/thing/file/download',
  '/sys/+/+/thing/config/get',
  '/sys/+/+/thing/config/push_reply',
] as const;

/** Filters of what devices ask besides upgrades and configurations. */
export const MESSAGE_FILTERS = [
  '/ext/ntp/+/+/request',
  '/sys/+/+/rrpc/response/+',
  '/sys/+/+/thing/log/post',
  '/sys/+/+/thing/config/log/get',
  '/sys/+/+/thing/event/property/post',
  ...GATEWAY_FILTERS,
];

/**
 * Undefined for a topic that is not the platform's business. `from` is the device on whose connection
 * it came, where that is known.
 */
export function parseUpstream(topic: string, from?: DeviceKey): Upstream | undefined {
  if (!isSystemTopic(topic)) return undefined;
  if (isCustomCall(topic)) return from && { kind: 'call-answer', key: from };
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
  return (
    match(topic, THING, (tail) => THING_KINDS.get(tail)) ??
    match(topic, TIME, () => 'time') ??
    match(topic, ANSWER, () => 'call-answer') ??
    parseSessionTopic(topic)
  );
}

function match(
  topic: string,
  pattern: RegExp,
  kindOf: (tail: string) => UpstreamKind | undefined,
): Upstream | undefined {
  const [, productKey, deviceName, tail = ''] = pattern.exec(topic) ?? [];
  const kind = kindOf(tail);
  if (productKey === undefined || deviceName === undefined || kind === undefined) return undefined;
  return { kind, key: { productKey, deviceName } };
}

/** Whether a topic is of a call on a topic of its own, which names no device. */
export function isCustomCall(topic: string): boolean {
  return CUSTOM_CALL.test(topic);
}

const SYSTEM = /^\/(?:ota|sys|ext)\//;
/** Branches of the system, and the level at which they name a device. */
const SYSTEM_BRANCHES: ReadonlyMap<string, number> = new Map([
  ['ota', 4],
  ['sys', 2],
  ['ext', 3],
]);

/** Whether a topic is on a branch that a connection with `_ss=1` need not subscribe to. */
export function isSystemTopic(topic: string): boolean {
  return SYSTEM.test(topic);
}

/** The device whose topic or filter it is, going by where the names stand. */
export function ownerOf(topic: string): DeviceKey | undefined {
  if (topic.startsWith('/ext/rrpc/')) return undefined;
  const levels = topic.split('/');
  const at = SYSTEM_BRANCHES.get(levels[1] ?? '') ?? 1;
  const [productKey, deviceName] = levels.slice(at, at + 2);
  const isNamed = levels[0] === '' && productKey && deviceName;
  return isNamed ? { productKey, deviceName } : undefined;
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

export function logReplyTopic({ productKey, deviceName }: DeviceKey): string {
  return `/sys/${productKey}/${deviceName}/thing/log/post_reply`;
}

export function logConfigGetReplyTopic({ productKey, deviceName }: DeviceKey): string {
  return `/sys/${productKey}/${deviceName}/thing/config/log/get_reply`;
}

export function logConfigPushTopic({ productKey, deviceName }: DeviceKey): string {
  return `/sys/${productKey}/${deviceName}/thing/config/log/push`;
}

export function timeReplyTopic({ productKey, deviceName }: DeviceKey): string {
  return `/ext/ntp/${productKey}/${deviceName}/response`;
}

export function propertyReplyTopic({ productKey, deviceName }: DeviceKey): string {
  return `/sys/${productKey}/${deviceName}/thing/event/property/post_reply`;
}

/** Where a device hears what is said to all of its product that are connected, unsubscribed. */
export function broadcastTopic({ productKey, deviceName }: DeviceKey, id: string): string {
  return `/sys/${productKey}/${deviceName}/broadcast/request/${id}`;
}

const BROADCAST = /^\/sys\/[^/]+\/[^/]+\/broadcast\/request\//;

export function isBroadcast(topic: string): boolean {
  return BROADCAST.test(topic);
}

/** Where a device is called, and where it answers: on `own`, or on a topic of the system. */
export function callTopics(
  { productKey, deviceName }: DeviceKey,
  id: string,
  own?: string,
): { readonly request: string; readonly answer: string } {
  if (own !== undefined)
    return { request: `/ext/rrpc/${id}${own}`, answer: `/ext/rrpc/${id}${own}` };
  const front = `/sys/${productKey}/${deviceName}/rrpc`;
  return { request: `${front}/request/${id}`, answer: `${front}/response/${id}` };
}
