// Tested by platform/test/cli.test.ts

import type { Command } from 'commander';
import type { RetryPolicy, Upgrade } from '../index';
import { countsOf, UpgradeBars } from './bars';
import type { ApiClient } from './client';
import { NotSucceededError } from './errors';
import { connect } from './find-server';
import { type CommonOptions, wholeNumber, withServer } from './flags';
import { addUpgradeLogs } from './logs';
import { print, table } from './output';

interface UpgradeStartOptions extends CommonOptions {
  readonly timeout?: number;
  readonly confirm?: boolean;
  readonly pull?: boolean;
  readonly multiModule?: boolean;
  readonly protocol?: string;
  readonly retryAttempts?: RetryPolicy['attempts'];
  readonly retryDelay: RetryPolicy['delayMinutes'];
  readonly wait?: boolean;
}

/** `upgrade …` */
export function addUpgrade(program: Command): void {
  const command = program.command('upgrade').description('upgrade jobs');
  const start = command.command('start <firmwareId> <deviceName...>');
  withServer(start.description('upgrade devices to a firmware'))
    .option('--timeout <minutes>', 'time-out from the first progress report, 1-1440', wholeNumber)
    .option('--confirm', 'wait for confirmation first')
    .option('--multi-module', 'may run beside an upgrade of another module of the same device')
    .option('--pull', 'never push, the devices ask')
    .option('--protocol <protocol>', 'https, or mqtt: in blocks, up to 16 MiB (default: https)')
    .option('--retry-attempts <number>', 'retries after a failure: 1, 2 or 5', wholeNumber)
    .option('--retry-delay <minutes>', 'before a retry: 0, 10, 30, 60 or 1440', wholeNumber, 0)
    .option('--wait', 'wait until it has ended on every device')
    .action(upgradeStart);
  withServer(command.command('status [id]').description('one upgrade, or all')).action(
    upgradeStatus,
  );
  withServer(command.command('watch <id>').description('follow one until it has ended')).action(
    upgradeWatch,
  );
  addUpgradeLogs(command);
  for (const action of ['cancel', 'confirm'] as const) {
    withServer(
      command.command(`${action} <id> [deviceName...]`).description(`${action} an upgrade`),
    ).action((id, devices, options) => upgradeAct(action, id, devices, options));
  }
}

async function upgradeStart(
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
      ...(options.multiModule && { multiModule: true }),
      ...(options.pull && { delivery: 'pull' }),
      ...(options.protocol !== undefined && { protocol: options.protocol }),
      ...(retryAttempts !== undefined && {
        retry: { attempts: retryAttempts, delayMinutes: retryDelay },
      }),
    });
    if (events !== undefined) upgrade = await settled(client, upgrade, events);
    printUpgrade(options, upgrade);
    if (options.wait) expectSuccess(upgrade);
    else if (upgrade.tasks.every(({ state }) => state === 'failed')) {
      throw new NotSucceededError(`upgrade ${upgrade.id} failed at once on every device`);
    }
  } finally {
    done.abort();
  }
}

/** Follows an upgrade until it has ended on every device. */
async function upgradeWatch(id: string, options: CommonOptions): Promise<void> {
  const client = await connect(options);
  const done = new AbortController();
  const bars = new UpgradeBars(process.stderr);
  try {
    const events = await client.events(done.signal);
    const look = (): Promise<Upgrade> => client.get(`/upgrades/${encodeURIComponent(id)}`);
    let upgrade = await look();
    bars.show(upgrade);
    for await (const event of upgrade.settled ? [] : events) {
      if ((event as { upgradeId?: string }).upgradeId !== upgrade.id) continue;
      upgrade = await look();
      bars.show(upgrade);
      if (upgrade.settled) break;
    }
    bars.close();
    printUpgrade(options, upgrade);
    expectSuccess(upgrade);
  } finally {
    bars.close();
    done.abort();
  }
}

function expectSuccess({ id, tasks }: Upgrade): void {
  if (tasks.every(({ state }) => state === 'succeeded')) return;
  throw new NotSucceededError(`upgrade ${id} did not succeed on every device`);
}

async function upgradeStatus(id: string | undefined, options: CommonOptions): Promise<void> {
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
        countsOf(tasks),
      ]),
    ]),
  );
}

async function upgradeAct(
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
