// Tested by platform/test/cli.test.ts

import type { Command } from 'commander';
import type { Device } from '../index';
import { addDeviceMessages } from './device-messages';
import { connect } from './find-server';
import { type CommonOptions, withServer } from './flags';
import { print, table } from './output';

type Listed = Omit<Device, 'deviceSecret'>;

/** `device …` */
export function addDevice(program: Command): void {
  const command = program.command('device').description('registered devices, and what they say');
  withServer(command.command('add <productKey> <deviceName>').description('register a device'))
    .option('--secret <secret>', 'device secret (default: a random one)')
    .action(deviceAdd);
  withServer(command.command('list').description('list the devices')).action(deviceList);
  withServer(
    command.command('remove <productKey> <deviceName>').description('forget a device'),
  ).action(deviceRemove);
  addDeviceMessages(command);
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

async function deviceRemove(
  productKey: string,
  deviceName: string,
  options: CommonOptions,
): Promise<void> {
  const client = await connect(options);
  await client.delete(
    `/devices/${encodeURIComponent(productKey)}/${encodeURIComponent(deviceName)}`,
  );
}
