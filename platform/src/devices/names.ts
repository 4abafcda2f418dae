import { invalid } from '../base/errors';
import type { DeviceKey } from '../types/device';

const PRODUCT_KEY = /^[A-Za-z0-9_-]{1,20}$/;
const DEVICE_NAME = /^[A-Za-z0-9_.@:-]{1,32}$/;
const VERSION = /^[A-Za-z0-9._-]{1,64}$/;

/** Key of the default module in `Device.versions`. */
export const DEFAULT_MODULE = 'default';

export function isVersion(text: unknown): text is string {
  return typeof text === 'string' && VERSION.test(text);
}

export function checkProductKey(productKey: unknown): string {
  if (typeof productKey === 'string' && PRODUCT_KEY.test(productKey)) return productKey;
  throw invalid('productKey must be 1-20 letters, digits, "_" or "-"');
}

export function checkDeviceKey(key: DeviceKey): DeviceKey {
  checkProductKey(key.productKey);
  if (typeof key.deviceName !== 'string' || !DEVICE_NAME.test(key.deviceName)) {
    throw invalid('deviceName must be 1-32 letters, digits, "_", "-", ".", "@" or ":"');
  }
  return { productKey: key.productKey, deviceName: key.deviceName };
}

/** Throws for a secret that cannot be signed with. */
export function checkSecret(name: string, secret: unknown): void {
  if (typeof secret === 'string' && /^[\x21-\x7e]{1,64}$/.test(secret)) return;
  throw invalid(`${name} must be 1-64 printable characters`);
}

/** One string for a device, usable as a key: neither part may contain "&". */
export function deviceId(key: DeviceKey): string {
  return `${key.deviceName}&${key.productKey}`;
}

/** Undefined for the default module, however it is spelled. */
export function normalModule(module: string | undefined): string | undefined {
  return module === DEFAULT_MODULE || module === '' ? undefined : module;
}

/** The version a device last reported of a module; undefined when it has reported none. */
export function reportedVersion(
  device: { readonly versions: Readonly<Record<string, string>> } | undefined,
  module: string | undefined,
): string | undefined {
  const key = moduleKey(module);
  // Devices choose the names: "constructor" is one.
  return device !== undefined && Object.hasOwn(device.versions, key)
    ? device.versions[key]
    : undefined;
}

/** Key of a module in `Device.versions`. */
export function moduleKey(module: string | undefined): string {
  return module ?? DEFAULT_MODULE;
}
