// Tested by platform/test/cli.test.ts

import type { Command } from 'commander';
import type { Broadcast, Product, Publication } from '../index';
import type { ApiClient } from './client';
import { type PayloadOptions, payloadOf } from './device-messages';
import { invalid } from './errors';
import { connect } from './find-server';
import { type CommonOptions, wholeNumber, withServer } from './flags';
import { print, table } from './output';

type Listed = Omit<Product, 'productSecret'>;

interface SecretOptions extends CommonOptions {
  readonly showSecret?: boolean;
}

/** `product …` */
export function addProduct(program: Command): void {
  const command = program.command('product').description('products, for dynamic registration');
  withServer(command.command('create <productKey>').description('make a product'))
    .option('--authentication <mode>', 'secret or x509, for ever (default: secret)')
    .option('--dynamic-registration', 'let its devices fetch their secrets')
    .option('--show-secret', 'print the product secret too')
    .action(productCreate);
  withServer(command.command('list').description('list the products')).action(productList);
  withServer(command.command('show <productKey>').description('show a product'))
    .option('--show-secret', 'print the product secret too')
    .action(productShow);
  const publish = 'publish <productKey> <topic> <payload> <deviceName...>';
  withServer(command.command(publish).description('publish a message to up to 100 devices'))
    .option('--qos <level>', '0 or 1 (default: 0)', wholeNumber)
    .addHelpText('after', '\nThe topic is below /<productKey>/<deviceName>/, as user/get is.')
    .action(productPublish);
  const broadcast = command.command('broadcast <productKey> [payload]');
  withServer(broadcast.description('say something to all devices that are connected'))
    .option('--topic <topic>', 'to the subscribers of /broadcast/<productKey>/… alone')
    .option('--file <path>', 'the payload is what this file has')
    .action(productBroadcast);
  withServer(
    command
      .command('dynamic-registration <productKey> <on|off>')
      .description('switch dynamic registration'),
  ).action(productSwitch);
}

async function productPublish(
  productKey: string,
  topic: string,
  payload: string,
  deviceNames: readonly string[],
  options: CommonOptions & { readonly qos?: number },
): Promise<void> {
  const client = await connect(options);
  const { qos } = options;
  const body = { deviceNames, topic, payload, ...(qos !== undefined && { qos }) };
  const path = `${pathOf(productKey)}/publish`;
  const { publications } = await client.post<{ publications: Publication[] }>(path, body);
  print(options, publications, () =>
    table([
      ['DEVICE', 'TOPIC', 'STATE'],
      ...publications.map(({ deviceName, topic, state }) => [deviceName, topic, state]),
    ]),
  );
}

async function productBroadcast(
  productKey: string,
  payload: string | undefined,
  options: PayloadOptions & { readonly topic?: string },
): Promise<void> {
  const { topic } = options;
  const body = { ...(await payloadOf(payload, options)), ...(topic !== undefined && { topic }) };
  const client = await connect(options);
  const said = await client.post<Broadcast>(`${pathOf(productKey)}/broadcast`, body);
  print(options, said, () => `to ${said.devices} devices\n`);
}

async function productCreate(
  productKey: string,
  options: SecretOptions & {
    readonly authentication?: string;
    readonly dynamicRegistration?: boolean;
  },
): Promise<void> {
  const { authentication, dynamicRegistration } = options;
  const client = await connect(options);
  const product = await client.post<Listed>('/products', {
    productKey,
    ...(authentication !== undefined && { authentication }),
    ...(dynamicRegistration !== undefined && { dynamicRegistration }),
  });
  await show(client, product, options);
}

async function productList(options: CommonOptions): Promise<void> {
  const { products } = await (await connect(options)).get<{ products: Listed[] }>('/products');
  print(options, products, () =>
    table([
      ['PRODUCT', 'AUTHENTICATION', 'REGISTRATION'],
      ...products.map(({ productKey, authentication, dynamicRegistration }) => [
        productKey,
        authentication,
        dynamicRegistration ? 'on' : 'off',
      ]),
    ]),
  );
}

async function productShow(productKey: string, options: SecretOptions): Promise<void> {
  const client = await connect(options);
  await show(client, await client.get<Listed>(pathOf(productKey)), options);
}

async function productSwitch(
  productKey: string,
  state: string,
  options: CommonOptions,
): Promise<void> {
  if (state !== 'on' && state !== 'off') throw invalid("it must be 'on' or 'off'");
  const client = await connect(options);
  const body = { dynamicRegistration: state === 'on' };
  await show(client, await client.patch<Listed>(pathOf(productKey), body), options);
}

/** The secret is asked for only by whoever wants to see it. */
async function show(client: ApiClient, product: Listed, options: SecretOptions): Promise<void> {
  const { productKey, authentication, dynamicRegistration } = product;
  const secret = options.showSecret
    ? await client.get<Pick<Product, 'productSecret'>>(`${pathOf(productKey)}/secret`)
    : undefined;
  print(options, { ...product, ...secret }, () =>
    table([
      ['productKey', productKey],
      ['authentication', authentication],
      ['dynamicRegistration', dynamicRegistration ? 'on' : 'off'],
      ...(secret === undefined ? [] : [['productSecret', secret.productSecret]]),
    ]),
  );
}

function pathOf(productKey: string): string {
  return `/products/${encodeURIComponent(productKey)}`;
}
