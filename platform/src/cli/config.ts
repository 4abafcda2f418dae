// Tested by platform/test/cli.test.ts

import { createReadStream } from 'node:fs';
import type { Command } from 'commander';
import type { ConfigPush, RemoteConfig } from '../index';
import { NotSucceededError } from './errors';
import { sizeOf } from './files';
import { connect } from './find-server';
import { type CommonOptions, wholeNumber, withServer } from './flags';
import { print, table } from './output';
import { toJson } from './printable';

/** `config …` */
export function addConfig(program: Command): void {
  const command = program.command('config').description('remote configuration of products');
  withServer(command.command('set <productKey> <file>').description('set the configuration'))
    .option('--sign-method <method>', 'MD5 or SHA256 (default: SHA256)')
    .action(configSet);
  withServer(command.command('list').description('list the configurations')).action(configList);
  withServer(command.command('remove <productKey>').description('remove the configuration')).action(
    configRemove,
  );
  const push = command.command('push <productKey> [deviceName...]');
  withServer(push.description('push it to devices (default: all) and await their answers'))
    .option(
      '--timeout <seconds>',
      'how long answers are awaited, 1-3600 (default: 30)',
      wholeNumber,
    )
    .action(configPush);
}

async function configSet(
  productKey: string,
  file: string,
  options: CommonOptions & { readonly signMethod?: string },
): Promise<void> {
  const client = await connect(options);
  const query = new URLSearchParams({
    ...(options.signMethod !== undefined && { signMethod: options.signMethod }),
  });
  const config = await client.upload<RemoteConfig>(
    `/configs/${encodeURIComponent(productKey)}?${query}`,
    { stream: createReadStream(file), size: await sizeOf(file) },
    'PUT',
  );
  print(options, config, () => configTable([config]));
}

async function configList(options: CommonOptions): Promise<void> {
  const { configs } = await (await connect(options)).get<{ configs: RemoteConfig[] }>('/configs');
  print(options, configs, () => configTable(configs));
}

async function configRemove(productKey: string, options: CommonOptions): Promise<void> {
  await (await connect(options)).delete(`/configs/${encodeURIComponent(productKey)}`);
}

async function configPush(
  productKey: string,
  devices: readonly string[],
  options: CommonOptions & { readonly timeout?: number },
): Promise<void> {
  const client = await connect(options);
  const { timeout } = options;
  const { pushes } = await client.post<{ pushes: ConfigPush[] }>(
    `/configs/${encodeURIComponent(productKey)}/push`,
    {
      ...(devices.length > 0 && { devices }),
      ...(timeout !== undefined && { timeoutSeconds: timeout }),
    },
  );
  print(options, pushes, () =>
    table([
      ['CONFIG', 'DEVICE', 'STATE', 'CODE', 'MESSAGE'],
      ...pushes.map(({ configId, deviceName, state, code, message }) => [
        configId,
        deviceName,
        state,
        code === undefined ? '-' : String(code),
        message === undefined ? '' : toJson(message),
      ]),
    ]),
  );
  if (pushes.some(({ state }) => state !== 'accepted')) {
    throw new NotSucceededError('the configuration was not accepted by every device');
  }
}

function configTable(configs: readonly RemoteConfig[]): string {
  return table([
    ['CONFIG', 'PRODUCT', 'BYTES', 'METHOD', 'SHA256'],
    ...configs.map(({ id, productKey, size, signMethod, sha256 }) => [
      id,
      productKey,
      String(size),
      signMethod,
      sha256,
    ]),
  ]);
}
