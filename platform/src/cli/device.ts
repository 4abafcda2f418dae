// Tested by platform/test/cli.test.ts

import type { Command } from 'commander';
import type { Device } from '../index';
import { connect } from './find-server';
import { type CommonOptions, withServer } from './flags';
import { print, table } from './output';

type Listed = Omit<Device, 'deviceSecret'>;

const ACTIONS = [
  ['disable', 'let a device no longer connect'],
  ['enable', 'let a disabled device connect again'],
  ['reset', 'let a device register dynamically again'],
] as const;

/** `device …` */
export function addDevice(program: Command): void {
  const command = program.command('device').description('registered devices');
  withServer(command.command('add <productKey> <deviceName>').description('register a device'))
    .option('--secret <secret>', 'device secret (default: a random one)')
    .action(deviceAdd);
  withServer(command.command('list').description('list the devices')).action(deviceList);
  for (const [action, does] of ACTIONS) {
    withServer(command.command(`${action} <productKey> <deviceName>`).description(does)).action(
      (productKey: string, deviceName: string, options: CommonOptions) =>
        deviceAction(action, productKey, deviceName, options),
    );
  }
  withServer(
    command.command('remove <productKey> <deviceName>').description('forget a device'),
  ).action(deviceRemove);
}

async function deviceAdd(
  productKey: string,
  deviceName: string,
  options: CommonOptions & { readonly secret?: string },
): Promise<void> {
  const client = await connect(options);
  const body = {
    productKey,
    deviceName,
    ...(options.secret !== undefined && { deviceSecret: options.secret }),
  };
  const device = await client.post<Device>('/devices', body);
  print(options, device, () =>
    table([
      ['productKey', device.productKey],
      ['deviceName', device.deviceName],
      ['deviceSecret', device.deviceSecret],
    ]),
  );
}

async function deviceList(options: CommonOptions): Promise<void> {
  const { devices } = await (await connect(options)).get<{ devices: Listed[] }>('/devices');
  print(options, devices, () =>
    table([
      ['PRODUCT', 'DEVICE', 'ONLINE', 'VERSIONS'],
      ...devices.map(({ productKey, deviceName, presence, versions }) => [
        productKey,
        deviceName,
        presence,
        Object.entries(versions)
          .map(([module, version]) => `${module}=${version}`)
          .join(' '),
      ]),
    ]),
  );
}

async function deviceAction(
  action: string,
  productKey: string,
  deviceName: string,
  options: CommonOptions,
): Promise<void> {
  const client = await connect(options);
  await client.post(`${pathOf(productKey, deviceName)}/${action}`, {});
}

async function deviceRemove(
  productKey: string,
  deviceName: string,
  options: CommonOptions,
): Promise<void> {
  await (await connect(options)).delete(pathOf(productKey, deviceName));
}

function pathOf(productKey: string, deviceName: string): string {
  return `/devices/${encodeURIComponent(productKey)}/${encodeURIComponent(deviceName)}`;
}
