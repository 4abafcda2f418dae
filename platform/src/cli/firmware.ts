// Tested by platform/test/cli.test.ts

import { createReadStream } from 'node:fs';
import { basename } from 'node:path';
import { Readable } from 'node:stream';
import type { Command } from 'commander';
import type { Firmware } from '../index';
import { invalid } from './errors';
import { sizeOf } from './files';
import { connect } from './find-server';
import { type CommonOptions, withServer } from './flags';
import { print, table } from './output';

interface FirmwareAddOptions extends CommonOptions {
  readonly module?: string;
  readonly signMethod?: string;
  readonly sourceVersion?: readonly string[];
  readonly diff?: boolean;
  readonly allowSameVersion?: boolean;
  readonly extData?: string;
  readonly files?: boolean;
  readonly statementKey?: string;
}

interface FirmwareSignOptions {
  readonly module?: string;
  readonly signMethod?: string;
  readonly diff?: boolean;
  readonly file?: boolean;
  readonly key?: string;
}

/** `firmware …` */
export function addFirmware(program: Command): void {
  const command = program.command('firmware').description('firmware packages');
  const add = command.command('add <productKey> <version> <file...>');
  withServer(add.description('upload a firmware: an image, or several files'))
    .option('--module <name>', 'module (default: the default module)')
    .option('--sign-method <method>', 'MD5 or SHA256 (default: MD5)')
    .option('--source-version <version...>', 'versions it may be installed over')
    .option('--diff', 'it is a delta package')
    .option('--allow-same-version', 'although there is one of this version already')
    .option('--ext-data <json>', 'JSON object of strings for the device')
    .option('--files', 'one file is a list of one, and no image')
    .option(
      '--statement-key <file>',
      'PEM private key that signs a statement of the image, here and not on the platform',
    )
    .action(firmwareAdd);
  command
    .command('sign <productKey> <version> <file>')
    .description('sign a statement of an image, for extData "iotkit.statement.v1"')
    .option('--key <file>', 'PEM private key; without it the text that is to be signed is printed')
    .option('--module <name>', 'module (default: the default module)')
    .option('--sign-method <method>', 'MD5 or SHA256, as announced (default: SHA256)')
    .option('--diff', 'it is a delta package')
    .option('--file', 'it is one file of several')
    .action(firmwareSign);
  withServer(command.command('list').description('list the firmware')).action(firmwareList);
  withServer(command.command('remove <id>').description('remove a firmware')).action(
    firmwareRemove,
  );
}

async function firmwareAdd(
  productKey: string,
  version: string,
  paths: readonly string[],
  options: FirmwareAddOptions,
): Promise<void> {
  const client = await connect(options);
  const files: { name: string; size: number }[] = [];
  for (const path of paths) files.push({ name: basename(path), size: await sizeOf(path) });
  const extData = await withStatement(productKey, version, paths, options);
  const query = new URLSearchParams({
    productKey,
    version,
    ...(options.module !== undefined && { module: options.module }),
    ...(options.signMethod !== undefined && { signMethod: options.signMethod }),
    ...(options.sourceVersion !== undefined && { sourceVersions: options.sourceVersion.join(',') }),
    ...(options.diff && { isDiff: 'true' }),
    ...(options.allowSameVersion && { allowSameVersion: 'true' }),
    ...(extData !== undefined && { extData }),
    ...((options.files || files.length > 1) && { files: JSON.stringify(files) }),
  });
  const firmware = await client.upload<Firmware>(`/firmware?${query}`, {
    stream: Readable.from(readAll(paths), { objectMode: false }),
    size: files.reduce((sum, { size }) => sum + size, 0),
  });
  print(options, firmware, () => firmwareTable([firmware]));
}

/** The extData of the options, with a signed statement if there is a key for it. */
async function withStatement(
  productKey: string,
  version: string,
  paths: readonly string[],
  options: FirmwareAddOptions,
): Promise<string | undefined> {
  const { statementKey, extData } = options;
  if (statementKey === undefined) return extData;
  const [path] = paths;
  if (path === undefined || paths.length > 1 || options.files) {
    throw invalid('--statement-key signs one image; for files see firmware sign --file');
  }
  const { signFile } = await import('./statement.js');
  const { STATEMENT_FIELD } = await import('../index.js');
  const signature = await signFile(path, statementKey, { ...options, productKey, version });
  return JSON.stringify({ ...parseObject(extData ?? '{}'), [STATEMENT_FIELD]: signature });
}

function parseObject(json: string): object {
  try {
    const value: unknown = JSON.parse(json);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  } catch {}
  throw invalid('--ext-data must be a JSON object');
}

async function firmwareSign(
  productKey: string,
  version: string,
  path: string,
  { key, ...options }: FirmwareSignOptions,
): Promise<void> {
  const { signFile, statementOfFile } = await import('./statement.js');
  const given = { ...options, productKey, version };
  process.stdout.write(
    key === undefined
      ? await statementOfFile(path, given)
      : `${await signFile(path, key, given)}\n`,
  );
}

async function firmwareList(options: CommonOptions): Promise<void> {
  const { firmware } = await (await connect(options)).get<{ firmware: Firmware[] }>('/firmware');
  print(options, firmware, () => firmwareTable(firmware));
}

async function firmwareRemove(id: string, options: CommonOptions): Promise<void> {
  await (await connect(options)).delete(`/firmware/${encodeURIComponent(id)}`);
}

async function* readAll(paths: readonly string[]): AsyncGenerator<Buffer> {
  for (const path of paths) yield* createReadStream(path, { highWaterMark: 1 << 20 });
}

function firmwareTable(images: readonly Firmware[]): string {
  return table([
    ['FIRMWARE', 'PRODUCT', 'VERSION', 'MODULE', 'FILES', 'BYTES', 'SHA256'],
    ...images.map(({ id, productKey, version, module, files, size, sha256 }) => [
      id,
      productKey,
      version,
      module ?? '-',
      files === undefined ? '-' : String(files.length),
      String(size),
      sha256,
    ]),
  ]);
}
