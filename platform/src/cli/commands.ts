import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { Readable } from 'node:stream';
import { invalid, messageOf } from '../errors';
import type {
  ConfigPush,
  Device,
  Firmware,
  RemoteConfig,
  RetryPolicy,
  Upgrade,
  UpgradeTask,
} from '../types';
import { ApiClient } from './client';
import { findServer, type ServerOptions } from './find-server';
import { table } from './table';

/** Flags every command has. */
export interface CommonOptions extends ServerOptions {
  /** Prints the answer as JSON instead of a table. */
  readonly json?: boolean;
}

export interface FirmwareAddOptions extends CommonOptions {
  readonly module?: string;
  readonly signMethod?: string;
  readonly sourceVersion?: readonly string[];
  readonly diff?: boolean;
  readonly extData?: string;
  readonly files?: boolean;
}

export interface UpgradeStartOptions extends CommonOptions {
  readonly timeout?: number;
  readonly confirm?: boolean;
  readonly pull?: boolean;
  readonly protocol?: string;
  readonly retryAttempts?: RetryPolicy['attempts'];
  readonly retryDelay: RetryPolicy['delayMinutes'];
  readonly wait?: boolean;
}

/** An upgrade was waited for and is not a success everywhere. */
export class UpgradeFailed extends Error {
  override readonly name = 'UpgradeFailed';
}

/** A configuration was pushed and not every device accepted it. */
export class PushFailed extends Error {
  override readonly name = 'PushFailed';
}

type Listed = Omit<Device, 'deviceSecret'>;

export async function deviceAdd(
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

export async function deviceList(options: CommonOptions): Promise<void> {
  const { devices } = await (await connect(options)).get<{ devices: Listed[] }>('/devices');
  print(options, devices, () =>
    table([
      ['PRODUCT', 'DEVICE', 'ONLINE', 'VERSIONS'],
      ...devices.map(({ productKey, deviceName, online, versions }) => [
        productKey,
        deviceName,
        online ? 'yes' : 'no',
        Object.entries(versions)
          .map(([module, version]) => `${module}=${version}`)
          .join(' '),
      ]),
    ]),
  );
}

export async function deviceRemove(
  productKey: string,
  deviceName: string,
  options: CommonOptions,
): Promise<void> {
  const client = await connect(options);
  await client.delete(
    `/devices/${encodeURIComponent(productKey)}/${encodeURIComponent(deviceName)}`,
  );
}

export async function firmwareAdd(
  productKey: string,
  version: string,
  paths: readonly string[],
  options: FirmwareAddOptions,
): Promise<void> {
  const client = await connect(options);
  const files: { name: string; size: number }[] = [];
  for (const path of paths) files.push({ name: basename(path), size: await sizeOf(path) });
  const query = new URLSearchParams({
    productKey,
    version,
    ...(options.module !== undefined && { module: options.module }),
    ...(options.signMethod !== undefined && { signMethod: options.signMethod }),
    ...(options.sourceVersion !== undefined && { sourceVersions: options.sourceVersion.join(',') }),
    ...(options.diff && { isDiff: 'true' }),
    ...(options.extData !== undefined && { extData: options.extData }),
    ...((options.files || files.length > 1) && { files: JSON.stringify(files) }),
  });
  const firmware = await client.upload<Firmware>(`/firmware?${query}`, {
    stream: Readable.from(readAll(paths), { objectMode: false }),
    size: files.reduce((sum, { size }) => sum + size, 0),
  });
  print(options, firmware, () => firmwareTable([firmware]));
}

export async function firmwareList(options: CommonOptions): Promise<void> {
  const { firmware } = await (await connect(options)).get<{ firmware: Firmware[] }>('/firmware');
  print(options, firmware, () => firmwareTable(firmware));
}

export async function firmwareRemove(id: string, options: CommonOptions): Promise<void> {
  await (await connect(options)).delete(`/firmware/${encodeURIComponent(id)}`);
}

export async function upgradeStart(
  firmwareId: string,
  devices: readonly string[],
  options: UpgradeStartOptions,
): Promise<void> {
  const client = await connect(options);
  const { timeout, retryAttempts, retryDelay } = options;
  const done = new AbortController();
  // Before the start, so that no event is missed.
  const events = options.wait ? await client.events(done.signal) : undefined;
  try {
    let upgrade = await client.post<Upgrade>('/upgrades', {
      firmwareId,
      devices,
      ...(timeout !== undefined && { timeoutMinutes: timeout }),
      ...(options.confirm && { requireConfirmation: true }),
      ...(options.pull && { delivery: 'pull' }),
      ...(options.protocol !== undefined && { protocol: options.protocol }),
      ...(retryAttempts !== undefined && {
        retry: { attempts: retryAttempts, delayMinutes: retryDelay },
      }),
    });
    if (events !== undefined) upgrade = await settled(client, upgrade, events);
    printUpgrade(options, upgrade);
    if (options.wait && upgrade.tasks.some(({ state }) => state !== 'succeeded')) {
      throw new UpgradeFailed(`upgrade ${upgrade.id} did not succeed on every device`);
    }
  } finally {
    done.abort();
  }
}

export async function upgradeStatus(id: string | undefined, options: CommonOptions): Promise<void> {
  const client = await connect(options);
  if (id !== undefined) {
    printUpgrade(options, await client.get<Upgrade>(`/upgrades/${encodeURIComponent(id)}`));
    return;
  }
  const { upgrades } = await client.get<{ upgrades: Upgrade[] }>('/upgrades');
  print(options, upgrades, () =>
    table([
      ['UPGRADE', 'FIRMWARE', 'VERSION', 'DEVICES', 'STATES'],
      ...upgrades.map(({ id, firmwareId, version, tasks }) => [
        id,
        firmwareId,
        version,
        String(tasks.length),
        counts(tasks),
      ]),
    ]),
  );
}

export async function upgradeAct(
  action: 'cancel' | 'confirm',
  id: string,
  devices: readonly string[],
  options: CommonOptions,
): Promise<void> {
  const client = await connect(options);
  const body = devices.length > 0 ? { devices } : {};
  const path = `/upgrades/${encodeURIComponent(id)}/${action}`;
  printUpgrade(options, await client.post<Upgrade>(path, body));
}

export async function configSet(
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

export async function configList(options: CommonOptions): Promise<void> {
  const { configs } = await (await connect(options)).get<{ configs: RemoteConfig[] }>('/configs');
  print(options, configs, () => configTable(configs));
}

export async function configRemove(productKey: string, options: CommonOptions): Promise<void> {
  await (await connect(options)).delete(`/configs/${encodeURIComponent(productKey)}`);
}

export async function configPush(
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
        // What a device says must not steer the terminal.
        message === undefined ? '' : JSON.stringify(message),
      ]),
    ]),
  );
  if (pushes.some(({ state }) => state !== 'accepted')) {
    throw new PushFailed('the configuration was not accepted by every device');
  }
}

export async function status(options: CommonOptions): Promise<void> {
  const server = await findServer(options);
  const answer = await new ApiClient(server).get<Record<string, unknown>>('/status');
  print(options, answer, () =>
    table([
      ['operator', server.url],
      ...Object.entries(answer).map(([name, value]) => [name, flat(value)]),
    ]),
  );
}

async function settled(
  client: ApiClient,
  started: Upgrade,
  events: AsyncIterable<{ readonly type: string }>,
): Promise<Upgrade> {
  const look = (): Promise<Upgrade> => client.get<Upgrade>(`/upgrades/${started.id}`);
  let upgrade = await look();
  if (upgrade.settled) return upgrade;
  for await (const event of events) {
    if (event.type !== 'task-changed') continue;
    upgrade = await look();
    if (upgrade.settled) break;
  }
  return upgrade;
}

async function connect(options: CommonOptions): Promise<ApiClient> {
  return new ApiClient(await findServer(options));
}

function print(options: CommonOptions, answer: unknown, human: () => string): void {
  process.stdout.write(options.json ? `${JSON.stringify(answer, null, 2)}\n` : human());
}

function printUpgrade(options: CommonOptions, upgrade: Upgrade): void {
  print(options, upgrade, () =>
    table([
      ['UPGRADE', 'DEVICE', 'STATE', 'STEP', 'REASON'],
      ...upgrade.tasks.map(({ deviceName, state, step, history }) => [
        upgrade.id,
        deviceName,
        state,
        step === undefined ? '-' : String(step),
        history.at(-1)?.reason ?? '',
      ]),
    ]),
  );
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

function counts(tasks: readonly UpgradeTask[]): string {
  const numbers = new Map<string, number>();
  for (const { state } of tasks) numbers.set(state, (numbers.get(state) ?? 0) + 1);
  return [...numbers].map(([state, number]) => `${state}=${number}`).join(' ');
}

function flat(value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value);
  return Object.entries(value)
    .map(([name, each]) => `${name}=${String(each)}`)
    .join(' ');
}

async function sizeOf(file: string): Promise<number> {
  try {
    const found = await stat(file);
    if (found.isFile()) return found.size;
  } catch (error) {
    throw invalid(messageOf(error));
  }
  throw invalid(`${file} is not a file`);
}
