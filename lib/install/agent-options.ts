// Tested by test/unit/install/agent.test.ts
/** The options of createUpdateAgent(), checked. */
import { realpathSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import {
  options as checkOptions,
  conflict,
  flag,
  integer,
  optional,
  orElse,
  text,
  wrongType,
} from '../base/arguments';
import { checkModule } from '../ota/arguments';
import { type Clock, systemClock } from './clock';
import type { Limits } from './decide';
import { type CheckedHealth, checkHealth, type HealthOptions } from './health';
import { type CheckedHooks, checkHooks, type Hooks } from './hooks';
import { expectPrivate } from './images';
import type { Installer } from './installer';
import { tryLock } from './lock';
import { type CheckedPolicy, checkPolicy, type PolicyOptions } from './policy';
import { type RecordIo, recordIo } from './record';
import type { UpdateDevice } from './reports';

/** What a module runs, and how its images are installed. */
export interface UpdateModule {
  /** Its name on the platform; `'default'` or none: the default one. */
  readonly module?: string | undefined;
  /** Installs its images. */
  readonly installer: Installer;
  /**
   * The version that runs, or what finds it, such as in a file of the booted system. It is asked for
   * in a trial too: a slot that runs another version than the announced one is rolled back. Default: what
   * was confirmed last, then what the installer says.
   */
  readonly version?: string | (() => string | Promise<string>) | undefined;
  /**
   * What differences are applied to: the path of the image that runs, byte for byte as it was
   * installed, or what finds it. Default: what the installer keeps, if it keeps it.
   */
  readonly base?: string | (() => string | undefined | Promise<string | undefined>) | undefined;
}

/** How modules are updated together. */
export interface TogetherOptions {
  /**
   * Milliseconds that the upgrades of the other modules are waited for after the first was announced,
   * at most; what the platform has then is the update. 0 to a day. Default 60,000.
   */
  readonly gatherMs?: number | undefined;
}

/** How much of 1-100 the download and the installation are, percent. */
export interface ProgressShares {
  /** Where the download ends. Default 70. */
  readonly download?: number | undefined;
  /** Where the installation ends; what follows is the restart and the trial. Default 99. */
  readonly install?: number | undefined;
}

/** What {@link createUpdateAgent} takes. */
export interface UpdateAgentOptions {
  /** The device; the agent neither connects nor closes it. */
  readonly device: UpdateDevice;
  /** Installs the images of the default module. Either this or `modules`. */
  readonly installer?: Installer | undefined;
  /** With `installer`: as {@link UpdateModule.version}. */
  readonly version?: UpdateModule['version'];
  /** With `installer`: as {@link UpdateModule.base}. */
  readonly base?: UpdateModule['base'];
  /** Several modules, in the order in which they are updated where several are announced. */
  readonly modules?: readonly UpdateModule[] | undefined;
  /**
   * Whether the modules are updated together or not at all: none is activated before all are
   * installed, all are confirmed after one trial, and one that fails or is rolled back takes the others
   * with it. Not with an installer that activates what it installs. Default false.
   */
  readonly together?: boolean | TogetherOptions | undefined;
  /**
   * Path of the record, on a partition that no update overwrites; in a directory that only this user
   * can write. Beside it is its lock, `….lock`.
   */
  readonly record: string;
  /**
   * The directory for downloaded images. With an installer that takes files, such as RAUC's, no other
   * user may be able to write into it. Default: that of the record.
   */
  readonly images?: string | undefined;
  /** What has to hold before a version is confirmed. Default: connected for 30 s. */
  readonly health?: HealthOptions | undefined;
  /** When an update may go on. Default: at any time. */
  readonly policy?: PolicyOptions | undefined;
  /** What is asked or called before and after the steps. Default: nothing. */
  readonly hooks?: Hooks | undefined;
  /** How the percentages of the platform are shared out. */
  readonly progress?: ProgressShares | undefined;
  /** How often an installation that was cut off, a restart and a trial are begun, 1-100. Default 3. */
  readonly attempts?: number | undefined;
}

/** @internal What a test gives besides. */
export interface AgentInternals {
  readonly clock?: Clock;
  readonly bootId?: () => Promise<string>;
  readonly io?: RecordIo;
  readonly lock?: typeof tryLock;
}

/** @internal */
export interface CheckedModule {
  readonly module: string;
  readonly installer: Installer;
  readonly version: (() => string | Promise<string>) | undefined;
  readonly base: (() => string | undefined | Promise<string | undefined>) | undefined;
}

/** @internal */
export interface CheckedAgent {
  readonly device: UpdateDevice;
  readonly modules: readonly CheckedModule[];
  /** Whether they are updated together. */
  readonly together: boolean;
  readonly gatherMs: number;
  readonly record: string;
  readonly images: string;
  readonly health: CheckedHealth;
  readonly policy: CheckedPolicy;
  readonly hooks: CheckedHooks;
  readonly progress: { readonly download: number; readonly install: number };
  readonly limits: Limits;
  readonly clock: Clock;
  readonly bootId: () => Promise<string>;
  readonly io: RecordIo;
  readonly lock: typeof tryLock;
}

const keys = [
  'device',
  'installer',
  'version',
  'base',
  'modules',
  'together',
  'record',
  'images',
  'health',
  'policy',
  'hooks',
  'progress',
  'attempts',
] as const;

/**
 * @internal
 *
 * @throws InvalidArgument, which names the option; IotkitError ERR_INSTALL_SETUP (others may write
 *   into the directory for images)
 */
export function checkAgent(given: UpdateAgentOptions, internals: AgentInternals): CheckedAgent {
  const options = checkOptions('options', given, keys);
  const record = checkPath('record', options.record);
  const attempts = integer('attempts', orElse(options.attempts, 3), { min: 1, max: 100 });
  const modules = checkModules(options);
  return {
    device: checkDevice(options.device),
    modules,
    ...checkTogether(options.together, modules),
    record,
    images: checkImages(options.images, record, modules),
    health: checkHealth(options.health),
    policy: checkPolicy(options.policy),
    hooks: checkHooks(options.hooks),
    progress: checkProgress(options.progress),
    limits: { attempts, activations: attempts, trials: attempts },
    clock: internals.clock ?? systemClock,
    bootId: internals.bootId ?? bootIdOfMachine,
    io: internals.io ?? recordIo,
    lock: internals.lock ?? tryLock,
  };
}

function checkImages(
  given: string | undefined,
  record: string,
  modules: readonly CheckedModule[],
): string {
  const images = optional(given, (path) => checkPath('images', path)) ?? dirname(record);
  if (modules.some(({ installer }) => installer.takes === 'file')) expectPrivate(images);
  return images;
}

function checkPath(name: string, given: unknown): string {
  return text(name, given, { max: 4000 });
}

function checkDevice(device: UpdateDevice | undefined): UpdateDevice {
  if (typeof device === 'object' && device !== null && typeof device.ota === 'object') {
    return device;
  }
  throw wrongType('device', 'a device of connect() or attach()', device);
}

function checkModules(options: Partial<UpdateAgentOptions>): readonly CheckedModule[] {
  const { installer, version, base, modules } = options;
  if ((installer === undefined) === (modules === undefined)) {
    throw conflict('options must have either installer or modules');
  }
  if (modules === undefined) return [checkOne('options', { installer, version, base })];
  if (!Array.isArray(modules) || modules.length === 0) {
    throw wrongType('modules', 'an array of modules', modules);
  }
  if (version !== undefined) throw conflict('version is that of a module: give it in modules');
  if (base !== undefined) throw conflict('base is that of a module: give it in modules');
  const checked = modules.map((one, i) => {
    const name = `modules[${i}]`;
    return checkOne(
      name,
      checkOptions<UpdateModule>(name, one, ['module', 'installer', 'version', 'base']),
    );
  });
  const names = new Set(checked.map(({ module }) => module));
  if (names.size < checked.length) throw conflict('modules must name each module once');
  expectApart(checked);
  return checked;
}

/** Each would take the other's release for its own, and write over what the other starts. */
function expectApart(modules: readonly CheckedModule[]): void {
  /** The module that changes a place, by its path. */
  const owners = new Map<string, number>();
  for (const [i, { installer }] of modules.entries()) {
    for (const place of installer.places ?? []) {
      const path = realPath(place);
      const owner = owners.get(path) ?? i;
      owners.set(path, owner);
      if (owner === i) continue;
      throw conflict(
        `modules[${i}].installer must not change ${place}, as modules[${owner}].installer does`,
      );
    }
  }
}

/** What is not there yet is where it is named. */
function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return resolve(path);
  }
}

function checkOne(
  name: string,
  given: { readonly [K in keyof UpdateModule]?: UpdateModule[K] | undefined },
): CheckedModule {
  const { module, installer, version, base } = given;
  if (typeof installer !== 'object' || installer === null || !('markGood' in installer)) {
    throw wrongType(`${name}.installer`, 'an installer', installer);
  }
  return {
    module: checkModule(module),
    installer,
    version: checkVersion(name, version),
    base: checkBase(name, base),
  };
}

function checkBase(name: string, base: UpdateModule['base']): CheckedModule['base'] {
  if (base === undefined || typeof base === 'function') return base;
  const path = checkPath(`${name}.base`, base);
  return () => path;
}

function checkTogether(
  given: UpdateAgentOptions['together'],
  modules: readonly CheckedModule[],
): Pick<CheckedAgent, 'together' | 'gatherMs'> {
  const options = typeof given === 'object' ? checkOptions('together', given, ['gatherMs']) : {};
  const gatherMs = integer('together.gatherMs', orElse(options.gatherMs, 60_000), {
    min: 0,
    max: 86_400_000,
  });
  const together = typeof given === 'object' || flag('together', orElse(given, false));
  const activating = modules.find(({ installer }) => installer.activates);
  if (!together || activating === undefined) return { together, gatherMs };
  const { kind } = activating.installer;
  throw conflict(`together needs installers that do not activate by themselves, as ${kind} does`);
}

function checkVersion(
  name: string,
  version: UpdateModule['version'],
): (() => string | Promise<string>) | undefined {
  if (version === undefined || typeof version === 'function') return version;
  const fixed = text(`${name}.version`, version, { max: 64 });
  return () => fixed;
}

function checkProgress(given: ProgressShares | undefined): CheckedAgent['progress'] {
  const options = checkOptions('progress', given, ['download', 'install']);
  const download = integer('progress.download', orElse(options.download, 70), { min: 1, max: 98 });
  const install = integer('progress.install', orElse(options.install, 99), { min: 2, max: 99 });
  if (install > download) return { download, install };
  throw conflict('progress.install must be more than progress.download');
}

/** Which start of the machine this is. Elsewhere than on Linux none is told from another. */
async function bootIdOfMachine(): Promise<string> {
  try {
    return (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
  } catch {
    return '';
  }
}
