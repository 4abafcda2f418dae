// Tested by platform/test/cli.test.ts

import type { Command } from 'commander';
import type { DeviceKey, GatewayProposal, SubDevice } from '../index';
import type { ApiClient } from './client';
import { NotSucceededError } from './errors';
import { connect } from './find-server';
import { type CommonOptions, wholeNumber, withServer } from './flags';
import { print, table } from './output';

interface Topology {
  readonly devices: readonly SubDevice[];
}

/** `gateway …` */
export function addGateway(program: Command): void {
  const command = program.command('gateway').description('sub-devices of gateways');
  withServer(
    command
      .command('topology <productKey> <deviceName>')
      .description('list the sub-devices of a gateway'),
  ).action(topology);
  const subs = '<productKey> <deviceName> <subProductKey> <subDeviceName...>';
  withServer(command.command(`add ${subs}`).description('make devices its sub-devices'))
    .option('--ask', 'ask the gateway to add them itself, and await its answer')
    .action(add);
  withServer(command.command(`remove ${subs}`).description('take sub-devices from it')).action(
    remove,
  );
  withServer(
    command
      .command('permit <productKey> <deviceName> <subProductKey>')
      .description('let devices of a product join it for a while, and await its answer'),
  )
    .option('--seconds <n>', 'how long they may join, 1-3600', wholeNumber, 60)
    .action(permit);
}

async function permit(
  productKey: string,
  deviceName: string,
  subProductKey: string,
  options: CommonOptions & { readonly seconds: number },
): Promise<void> {
  const client = await connect(options);
  const path = `${gatewayPath(productKey, deviceName)}/permit`;
  const answer = await client.post<GatewayProposal>(path, {
    productKey: subProductKey,
    seconds: options.seconds,
  });
  report(options, answer);
}

async function topology(
  productKey: string,
  deviceName: string,
  options: CommonOptions,
): Promise<void> {
  const client = await connect(options);
  show(options, await client.get<Topology>(pathOf(productKey, deviceName)));
}

async function add(
  productKey: string,
  deviceName: string,
  subProductKey: string,
  subDeviceNames: readonly string[],
  options: CommonOptions & { readonly ask?: boolean },
): Promise<void> {
  const client = await connect(options);
  const path = pathOf(productKey, deviceName);
  const body = selection(subProductKey, subDeviceNames);
  if (options.ask) await ask(client, path, body, options);
  else show(options, await client.post<Topology>(path, body));
}

async function ask(
  client: ApiClient,
  path: string,
  body: object,
  options: CommonOptions,
): Promise<void> {
  report(options, await client.post<GatewayProposal>(`${path}/propose`, body));
}

function report(options: CommonOptions, answer: GatewayProposal): void {
  const { state, code } = answer;
  print(options, answer, () => `${state}${code === undefined ? '' : ` (${code})`}\n`);
  if (state !== 'accepted') throw new NotSucceededError('the gateway did not accept');
}

async function remove(
  productKey: string,
  deviceName: string,
  subProductKey: string,
  subDeviceNames: readonly string[],
  options: CommonOptions,
): Promise<void> {
  const client = await connect(options);
  const body = selection(subProductKey, subDeviceNames);
  const path = `${pathOf(productKey, deviceName)}/remove`;
  show(options, await client.post<Topology>(path, body));
}

function selection(
  productKey: string,
  names: readonly string[],
): { readonly devices: readonly DeviceKey[] } {
  return { devices: names.map((deviceName) => ({ productKey, deviceName })) };
}

function show(options: CommonOptions, { devices }: Topology): void {
  print(options, devices, () =>
    table([
      ['PRODUCT', 'DEVICE', 'LOGGED IN'],
      ...devices.map(({ productKey, deviceName, loggedIn }) => [
        productKey,
        deviceName,
        loggedIn ? 'yes' : 'no',
      ]),
    ]),
  );
}

function gatewayPath(productKey: string, deviceName: string): string {
  return `/gateways/${encodeURIComponent(productKey)}/${encodeURIComponent(deviceName)}`;
}

function pathOf(productKey: string, deviceName: string): string {
  return `${gatewayPath(productKey, deviceName)}/topology`;
}
