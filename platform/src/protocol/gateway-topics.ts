import type { DeviceKey } from '../types/device';

/** What a gateway asks for, for itself or for its sub-devices. */
export type GatewayKind =
  | 'register'
  | 'register-by-product'
  | 'topology-add'
  | 'topology-delete'
  | 'topology-get'
  | 'found'
  | 'proposal-reply'
  | 'switch-reply'
  | 'login'
  | 'logout'
  | 'batch-login'
  | 'batch-logout';

/** What stands after `/sys/{productKey}/{deviceName}/thing/`. */
export const GATEWAY_THINGS: readonly (readonly [string, GatewayKind])[] = [
  ['sub/register', 'register'],
  ['proxy/provisioning/product_register', 'register-by-product'],
  ['topo/add', 'topology-add'],
  ['topo/delete', 'topology-delete'],
  ['topo/get', 'topology-get'],
  ['list/found', 'found'],
  ['topo/add/notify_reply', 'proposal-reply'],
  ['gateway/permit_reply', 'proposal-reply'],
  ['disable_reply', 'switch-reply'],
  ['enable_reply', 'switch-reply'],
  ['delete_reply', 'switch-reply'],
];

const SESSION =
  /^\/ext\/session\/([^/+#]+)\/([^/+#]+)\/combine\/(login|logout|batch_login|batch_logout)$/;
const SESSION_KINDS: ReadonlyMap<string, GatewayKind> = new Map([
  ['login', 'login'],
  ['logout', 'logout'],
  ['batch_login', 'batch-login'],
  ['batch_logout', 'batch-logout'],
]);

/** Filters that match every request of a gateway. */
export const GATEWAY_FILTERS = [
  ...GATEWAY_THINGS.map(([tail]) => `/sys/+/+/thing/${tail}`),
  ...[...SESSION_KINDS.keys()].map((tail) => `/ext/session/+/+/combine/${tail}`),
];

/** A request that concerns sessions; undefined for any other topic. */
export function parseSessionTopic(
  topic: string,
): { readonly kind: GatewayKind; readonly key: DeviceKey } | undefined {
  const [, productKey, deviceName, tail = ''] = SESSION.exec(topic) ?? [];
  const kind = SESSION_KINDS.get(tail);
  if (productKey === undefined || deviceName === undefined || kind === undefined) return undefined;
  return { kind, key: { productKey, deviceName } };
}

/** Where a gateway hears that a session of a sub-device has ended. */
export function kickTopic({ productKey, deviceName }: DeviceKey): string {
  return `/ext/error/${productKey}/${deviceName}`;
}

export function topologyChangeTopic({ productKey, deviceName }: DeviceKey): string {
  return `/sys/${productKey}/${deviceName}/thing/topo/change`;
}

export function proposalTopic({ productKey, deviceName }: DeviceKey): string {
  return `/sys/${productKey}/${deviceName}/thing/topo/add/notify`;
}

export function permitTopic({ productKey, deviceName }: DeviceKey): string {
  return `/sys/${productKey}/${deviceName}/thing/gateway/permit`;
}

/** On a sub-device's own branch, though its gateway gets it. */
export function switchTopic(
  { productKey, deviceName }: DeviceKey,
  action: 'disable' | 'enable' | 'delete',
): string {
  return `/sys/${productKey}/${deviceName}/thing/${action}`;
}
