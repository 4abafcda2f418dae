// Tested by platform/test/logs/operator.test.ts

import type { Command } from 'commander';
import type { DeviceLogEntry } from '../index';
import { invalid } from './errors';
import { connect } from './find-server';
import { type CommonOptions, wholeNumber, withServer } from './flags';
import { print } from './output';
import { inJson } from './printable';

/** `device logs`, `device want-logs` */
export function addDeviceLogs(command: Command): void {
  const logs = command.command('logs <productKey> <deviceName>');
  withServer(logs.description('print what a device has uploaded of its log'))
    .option('--limit <entries>', 'the last so many', wholeNumber)
    .option('--clear', 'remove it instead')
    .action(deviceLogs);
  const want = command.command('want-logs <productKey> <deviceName> <on|off>');
  withServer(want.description('ask a device to upload its log, or to no longer do so')).action(
    deviceWant,
  );
}

/** `upgrade logs` */
export function addUpgradeLogs(command: Command): void {
  const logs = command.command('logs <id> [deviceName]');
  withServer(logs.description("print the devices' logs since the upgrade began")).action(
    upgradeLogs,
  );
}

async function deviceLogs(
  productKey: string,
  deviceName: string,
  options: CommonOptions & { readonly limit?: number; readonly clear?: boolean },
): Promise<void> {
  const client = await connect(options);
  const path = pathOf(productKey, deviceName);
  if (options.clear) {
    await client.delete(path);
    return;
  }
  const query = options.limit === undefined ? '' : `?limit=${options.limit}`;
  const { entries } = await client.get<{ entries: DeviceLogEntry[] }>(`${path}${query}`);
  print(options, entries, () => entries.map(lineOf).join(''));
}

async function deviceWant(
  productKey: string,
  deviceName: string,
  wish: string,
  options: CommonOptions,
): Promise<void> {
  if (wish !== 'on' && wish !== 'off') throw invalid(`${wish}: say on or off`);
  const client = await connect(options);
  await client.put(pathOf(productKey, deviceName), { wanted: wish === 'on' });
}

async function upgradeLogs(
  id: string,
  deviceName: string | undefined,
  options: CommonOptions,
): Promise<void> {
  const client = await connect(options);
  const query = deviceName === undefined ? '' : `?${new URLSearchParams({ device: deviceName })}`;
  const path = `/upgrades/${encodeURIComponent(id)}/logs${query}`;
  const { entries } = await client.get<{ entries: DeviceLogEntry[] }>(path);
  print(options, entries, () => entries.map(lineOf).join(''));
}

function pathOf(productKey: string, deviceName: string): string {
  return `/devices/${encodeURIComponent(productKey)}/${encodeURIComponent(deviceName)}/logs`;
}

/** Of the time that the device gives it, or else of its upload. */
function lineOf({ time, receivedAt, deviceName, ...entry }: DeviceLogEntry): string {
  const { logLevel, module, code, logContent } = entry;
  const words = [deviceName, logLevel, `${inJson(module)}:${inJson(code)}`, inJson(logContent)];
  return `${new Date(time ?? receivedAt).toISOString()} ${words.join(' ')}\n`;
}
