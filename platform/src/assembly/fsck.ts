// Tested by platform/test/state.test.ts

import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { PlatformError } from '../base/errors';
import { type StateProblem, StateProblems } from '../base/problems';
import { LevelStore } from '../store/level';
import type { Store } from '../store/store';
import type { RemoteConfig } from '../types/config';
import type { Firmware } from '../types/firmware';
import type { Upgrade, UpgradeTask } from '../types/upgrade';

/** What a look at a state directory found. */
export interface StateReport {
  /** Records that could be read. */
  readonly records: number;
  /** Files whose bytes have the digest of their record. */
  readonly files: number;
  readonly problems: readonly StateProblem[];
}

/** A file that a record names. */
interface Named {
  readonly folder: 'firmware' | 'config';
  readonly id: string;
  readonly size: number;
  readonly sha256: string;
}

/**
 * Looks through a state directory that no platform has open: every record is read, the bytes of every
 * image digested, and files that nothing names are listed. Mends and removes nothing. Rejects with
 * ERR_STATE_LOCKED while a platform runs on it, and with ERR_STATE where there is no database.
 */
export async function checkState(stateDir: string): Promise<StateReport> {
  const database = join(stateDir, 'db');
  if (!(await exists(database))) {
    throw new PlatformError('ERR_STATE', `there is no database in ${stateDir}`);
  }
  const problems = new StateProblems();
  const store = await LevelStore.open(database, undefined, problems);
  try {
    return await look(store, stateDir, problems);
  } finally {
    await store.close();
  }
}

async function look(store: Store, stateDir: string, problems: StateProblems): Promise<StateReport> {
  const devices = await store.load('device');
  const products = await store.load('product');
  const tokens = await store.load('token');
  const certificates = await store.load('certificate');
  const authorities = await store.load('authority');
  const relations = await store.load('relation');
  const firmware = await store.load<Firmware>('firmware');
  const configs = await store.load<RemoteConfig>('config');
  const upgrades = await store.load<Upgrade>('upgrade');
  const tasks = await store.load<UpgradeTask>('task');
  const notes = await store.load<Pick<Named, 'folder' | 'id'>>('file');
  checkTasks(upgrades, tasks, firmware, problems);
  const named: Named[] = [
    ...firmware.flatMap(imagesOf),
    ...configs.map((config) => ({ ...config, folder: 'config' as const })),
  ];
  let files = 0;
  for (const file of named) {
    const reason = await flawOf(stateDir, file);
    if (reason === undefined) files++;
    else problems.report({ what: 'image', name: `${file.folder}/${file.id}.bin`, reason });
  }
  await listStrangers(stateDir, [...named, ...notes], problems);
  const all = [
    devices,
    products,
    tokens,
    certificates,
    authorities,
    relations,
    firmware,
    configs,
    upgrades,
    tasks,
  ];
  const records = all.reduce((sum, { length }) => sum + length, 0);
  return { records, files, problems: problems.list };
}

function imagesOf({ id, size, sha256, files }: Firmware): Named[] {
  const folder = 'firmware';
  return (files ?? [{ id, size, sha256 }]).map((file) => ({ ...file, folder }));
}

function checkTasks(
  upgrades: readonly Upgrade[],
  tasks: readonly UpgradeTask[],
  firmware: readonly Firmware[],
  problems: StateProblems,
): void {
  const jobs = new Map(upgrades.map((upgrade) => [upgrade.id, upgrade]));
  const images = new Set(firmware.map(({ id }) => id));
  for (const { upgradeId, deviceName, productKey, state } of tasks) {
    const name = `task/${upgradeId}/${deviceName}&${productKey}`;
    const job = jobs.get(upgradeId);
    const isFinal = ['succeeded', 'failed', 'cancelled'].includes(state);
    if (job === undefined) problems.report({ what: 'record', name, reason: 'it has no upgrade' });
    else if (!isFinal && !images.has(job.firmwareId)) {
      const reason = `its firmware ${job.firmwareId} is not there: cancel the upgrade`;
      problems.report({ what: 'record', name, reason });
    }
  }
}

/** Undefined when the bytes are those of the record. */
async function flawOf(stateDir: string, file: Named): Promise<string | undefined> {
  const path = join(stateDir, file.folder, `${file.id}.bin`);
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) return 'it is not there';
  if (found.size !== file.size) return `it has ${found.size} bytes, not ${file.size}`;
  const digest = createHash('sha256');
  for await (const chunk of createReadStream(path)) digest.update(chunk as Buffer);
  return digest.digest('hex') === file.sha256 ? undefined : 'its bytes are not those of its digest';
}

async function listStrangers(
  stateDir: string,
  known: readonly Pick<Named, 'folder' | 'id'>[],
  problems: StateProblems,
): Promise<void> {
  const names = new Set(known.map(({ folder, id }) => `${folder}/${id}.bin`));
  for (const folder of ['firmware', 'config']) {
    for (const name of await readdir(join(stateDir, folder)).catch(() => [])) {
      const path = `${folder}/${name}`;
      if (names.has(path.replace(/\.part$/, ''))) continue;
      problems.report({ what: 'file', name: path, reason: 'no record names it; it is left alone' });
    }
  }
}

function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
