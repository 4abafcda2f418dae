import type { FetchOptions } from 'iotkit-ota';
import type { Announced, Registered, World } from './world';

/** Tries again at once, but not for long. */
export const quick = { maxRetries: 1, retry: { min: 1, max: 1 } };

/** Announces an image to a device of its own, with the URL of a server of the test's. */
export function announceServed(
  world: World,
  server: { readonly url: string },
  image: Uint8Array,
  {
    deviceName = 'lamp',
    version = '2.0.0',
    fetch = quick,
  }: {
    readonly deviceName?: string;
    readonly version?: string;
    readonly fetch?: FetchOptions;
  } = {},
): Promise<Announced> {
  const { faults } = world.platform;
  faults.set({ kind: 'notice-patch', deviceName, data: { url: server.url } });
  return world.announce(image, {
    deviceName,
    connect: { fetch },
    firmware: { version },
  });
}

/** What a program of its own needs to connect as a device: the variable DEVICE. */
export function deviceVariable(
  { platform }: World,
  { productKey, deviceName, deviceSecret }: Registered,
): string {
  const identity = { productKey, deviceName, deviceSecret };
  return JSON.stringify({ ...identity, url: platform.mqttsUrl, ca: platform.ca });
}
