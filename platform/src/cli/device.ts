// Tested by platform/test/cli.test.ts

import { writeFile } from 'node:fs/promises';
import type { Command } from 'commander';
import type { Device, DeviceCertificate, IssuedCertificate } from '../index';
import { readPem } from './authority';
import { addDeviceMessages } from './device-messages';
import { connect } from './find-server';
import { type CommonOptions, wholeNumber, withServer } from './flags';
import { addDeviceLogs } from './logs';
import { print, table } from './output';

type Listed = Omit<Device, 'deviceSecret'>;

interface CertificateOptions extends CommonOptions {
  readonly days?: number;
  readonly out?: string;
}

const ACTIONS = [
  ['disable', 'let a device no longer connect'],
  ['enable', 'let a disabled device connect again'],
  ['reset', 'let a device register dynamically again'],
] as const;

/** `device …` */
export function addDevice(program: Command): void {
  const command = program.command('device').description('registered devices, and what they say');
  withServer(command.command('add <productKey> <deviceName>').description('register a device'))
    .option('--secret <secret>', 'device secret (default: a random one)')
    .action(deviceAdd);
  withServer(
    command
      .command('add-batch <productKey> <deviceName...>')
      .description('register up to 1000 devices, all of them or none'),
  ).action(deviceAddBatch);
  withServer(command.command('list').description('list the devices')).action(deviceList);
  const certificate = 'issue a certificate: prints it and its key, once';
  withServer(command.command('certificate <productKey> <deviceName>').description(certificate))
    .option('--days <days>', 'how long it is valid (default: 3650)', wholeNumber)
    .option('--out <name>', 'write <name>.pem and <name>-key.pem instead')
    .action(deviceCertificate);
  const registered = 'register a certificate (PEM file) that a CA of your own has issued';
  withServer(
    command
      .command('register-certificate <productKey> <deviceName> <file>')
      .description(registered),
  ).action(deviceRegisterCertificate);
  withServer(
    command.command('certificates <productKey> <deviceName>').description('list its certificates'),
  ).action(deviceCertificates);
  withServer(command.command('revoke <serial>').description('revoke a certificate')).action(
    deviceRevoke,
  );
  for (const [action, does] of ACTIONS) {
    withServer(command.command(`${action} <productKey> <deviceName>`).description(does)).action(
      (productKey: string, deviceName: string, options: CommonOptions) =>
        deviceAction(action, productKey, deviceName, options),
    );
  }
  withServer(
    command.command('remove <productKey> <deviceName>').description('forget a device'),
  ).action(deviceRemove);
  addDeviceMessages(command);
  addDeviceLogs(command);
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

async function deviceAddBatch(
  productKey: string,
  deviceNames: readonly string[],
  options: CommonOptions,
): Promise<void> {
  const client = await connect(options);
  const body = { devices: deviceNames.map((deviceName) => ({ productKey, deviceName })) };
  const { devices } = await client.post<{ devices: Device[] }>('/devices/batch', body);
  print(options, devices, () =>
    table([
      ['DEVICE', 'SECRET'],
      ...devices.map(({ deviceName, deviceSecret }) => [deviceName, deviceSecret]),
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

async function deviceCertificate(
  productKey: string,
  deviceName: string,
  options: CertificateOptions,
): Promise<void> {
  const client = await connect(options);
  const { days, out } = options;
  const path = `${pathOf(productKey, deviceName)}/certificates`;
  const body = { ...(days !== undefined && { days }) };
  const issued = await client.post<IssuedCertificate>(path, body);
  if (out === undefined) {
    print(options, issued, () => `${issued.certificate.trimEnd()}\n${issued.key.trimEnd()}\n`);
    return;
  }
  await writeFile(`${out}-key.pem`, issued.key, { mode: 0o600 });
  await writeFile(`${out}.pem`, issued.certificate);
  const { key: _, certificate: __, ...shown } = issued;
  print(options, shown, () => certificateTable([shown]));
}

async function deviceRegisterCertificate(
  productKey: string,
  deviceName: string,
  file: string,
  options: CommonOptions,
): Promise<void> {
  const client = await connect(options);
  const path = `${pathOf(productKey, deviceName)}/certificates/register`;
  const body = { certificate: await readPem(file) };
  const registered = await client.post<DeviceCertificate>(path, body);
  print(options, registered, () => certificateTable([registered]));
}

async function deviceCertificates(
  productKey: string,
  deviceName: string,
  options: CommonOptions,
): Promise<void> {
  const client = await connect(options);
  const path = `${pathOf(productKey, deviceName)}/certificates`;
  const { certificates } = await client.get<{ certificates: DeviceCertificate[] }>(path);
  print(options, certificates, () => certificateTable(certificates));
}

async function deviceRevoke(serial: string, options: CommonOptions): Promise<void> {
  await (await connect(options)).delete(`/certificates/${encodeURIComponent(serial)}`);
}

function certificateTable(certificates: readonly DeviceCertificate[]): string {
  return table([
    ['SERIAL', 'DEVICE', 'UNTIL', 'REVOKED'],
    ...certificates.map(({ serial, deviceName, notAfter, revokedAt }) => [
      serial,
      deviceName,
      new Date(notAfter).toISOString().slice(0, 10),
      revokedAt === undefined ? 'no' : new Date(revokedAt).toISOString().slice(0, 10),
    ]),
  ]);
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
