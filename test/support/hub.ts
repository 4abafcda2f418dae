import type { Device, SubDevice, SubDeviceIdentity } from 'iotkit-ota';
import { type MoreOptions, PRODUCT_KEY, type Registered, type World } from './world';

/** A gateway of a world. */
export interface Hub {
  readonly device: Device;
  readonly key: Registered;
}

/** Connects a gateway, `hub`, with these devices in its topology. */
export async function openHub(
  world: World,
  names: readonly string[],
  options: MoreOptions = {},
): Promise<Hub & { readonly subs: readonly SubDeviceIdentity[] }> {
  const key = await world.register('hub');
  const subs = await Promise.all(names.map(async (name) => identityOf(await world.register(name))));
  if (subs.length > 0) await world.platform.gateways.add(key, names.map(nameOf));
  return { device: await world.connect(key, options), key, subs };
}

export function nameOf(deviceName: string): { productKey: string; deviceName: string } {
  return { productKey: PRODUCT_KEY, deviceName };
}

export function identityOf({
  productKey,
  deviceName,
  deviceSecret,
}: Registered): SubDeviceIdentity {
  return { productKey, deviceName, deviceSecret };
}

/** The next change of a sub-device to this state, or the present one. */
export async function entered(device: SubDevice, state: SubDevice['state']): Promise<unknown> {
  for await (const change of device.states()) if (change.state === state) return change;
  throw new Error(`it never was ${state}`);
}
