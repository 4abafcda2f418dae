// Tested by test/unit/install/agent-waits.test.ts
/** When an update may go on: versions, the lock of an application, hours of the day, a user's consent. */
import {
  callback,
  options as checkOptions,
  flag,
  integer,
  oneOf,
  optional,
  orElse,
  text,
  wrongType,
} from '../base/arguments';
import { IotkitError } from '../base/errors';
import { abortable } from '../base/signals';
import { compareVersions } from '../ota/versions';
import type { Clock } from './clock';
import type { HeldOff } from './held-off';
import { type FileLock, tryLock } from './lock';
import {
  type CheckedWindow,
  checkWindow,
  isOpen,
  type MaintenanceWindow,
  untilOpen,
} from './window';

/**
 * How an application holds updates off, so that none is installed while a robot moves or a payment is
 * under way. The lock is asked for before the image is written and held until the restart.
 */
export interface UpdateLock {
  /**
   * A file, made if it is missing. Who holds a lock of the kernel on it (`flock(2)`, shared or
   * exclusive, such as `flock -s /run/app/update.lock ride`) holds updates off, and one that dies no
   * longer does. On Linux, with the program `flock` of util-linux or busybox.
   */
  readonly path?: string | undefined;
  /** Or a function that says, or resolves with, whether an update may go on now. */
  readonly mayInstall?: (() => boolean | Promise<boolean>) | undefined;
  /** Milliseconds after which it is asked again. Default 5,000. */
  readonly retryMs?: number | undefined;
  /**
   * Milliseconds that an update is held off at most; with a window those in which it is open, of all days together.
   * They are counted while the agent waits, over its restarts, whatever the clock of the machine is set to. Default:
   * without end.
   */
  readonly maxMs?: number | undefined;
  /** What comes after that: the update fails, or goes on all the same. Default `'fail'`. */
  readonly afterMax?: 'fail' | 'install' | undefined;
}

/** When an update may go on. */
export interface PolicyOptions {
  /** Only versions that are newer than the confirmed one, also after a restart. Default false. */
  readonly newerOnly?: boolean | undefined;
  /** Images are downloaded at once, and installed in these hours. Default: at any time. */
  readonly window?: MaintenanceWindow | undefined;
  /** What holds an update off. Default: nothing. */
  readonly lock?: UpdateLock | undefined;
  /**
   * Before what the event `consent` asks: the download, or the installation of what has been
   * downloaded. Default: nothing is asked.
   */
  readonly consent?: 'download' | 'install' | undefined;
}

interface CheckedLock {
  readonly path: string | undefined;
  readonly mayInstall: (() => boolean | Promise<boolean>) | undefined;
  readonly retryMs: number;
  readonly maxMs: number;
  readonly afterMax: 'fail' | 'install';
}

/** @internal */
export interface CheckedPolicy {
  readonly newerOnly: boolean;
  readonly window: CheckedWindow | undefined;
  readonly lock: CheckedLock | undefined;
  readonly consent: 'download' | 'install' | undefined;
}

const DAY_MS = 86_400_000;
/** The clock of the machine may be set while a window is awaited. */
const WINDOW_STEP_MS = 60_000;

/** @internal Throws an `InvalidArgument` that names the option. */
export function checkPolicy(given: PolicyOptions | undefined): CheckedPolicy {
  const options = checkOptions('policy', given, ['newerOnly', 'window', 'lock', 'consent']);
  return {
    newerOnly: flag('policy.newerOnly', orElse(options.newerOnly, false)),
    window: optional(options.window, checkWindow),
    lock: optional(options.lock, checkLock),
    consent: optional(options.consent, (value) =>
      oneOf('policy.consent', value, ['download', 'install']),
    ),
  };
}

function checkLock(given: UpdateLock): CheckedLock {
  const keys = ['path', 'mayInstall', 'retryMs', 'maxMs', 'afterMax'] as const;
  const { path, mayInstall, retryMs, maxMs, afterMax } = checkOptions('policy.lock', given, keys);
  if ((path === undefined) === (mayInstall === undefined)) {
    throw wrongType('policy.lock', 'an object with either path or mayInstall', given);
  }
  const ms = (name: string, value: number | undefined, otherwise: number): number =>
    value === undefined
      ? otherwise
      : integer(`policy.lock.${name}`, value, { min: 1, max: 365 * DAY_MS });
  return {
    path: optional(path, (value) => text('policy.lock.path', value, { max: 4095 })),
    mayInstall: optional(mayInstall, (value) => callback('policy.lock.mayInstall', value)),
    retryMs: ms('retryMs', retryMs, 5000),
    maxMs: ms('maxMs', maxMs, Number.POSITIVE_INFINITY),
    afterMax: oneOf('policy.lock.afterMax', orElse(afterMax, 'fail'), ['fail', 'install']),
  };
}

/**
 * @internal Why this version may not be installed; undefined: it may.
 *
 * @param confirmed what runs, as far as that is known
 */
export function refusalOf(
  version: string,
  confirmed: string | undefined,
  pin: string | undefined,
  { newerOnly }: CheckedPolicy,
): string | undefined {
  if (pin !== undefined && version !== pin) return `the module is pinned to ${pin}`;
  if (!newerOnly || confirmed === undefined) return undefined;
  if (compareVersions(version, confirmed) > 0) return undefined;
  return `${version} is not newer than ${confirmed}, and only newer ones are allowed`;
}

/** @internal Resolves when the window is open; rejects with the signal's reason. */
export async function untilWindow(
  { window }: CheckedPolicy,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  if (window === undefined) return;
  for (;;) {
    const ms = untilOpen(window, clock.now());
    if (ms === 0) return;
    await clock.sleep(Math.min(ms, WINDOW_STEP_MS), signal);
  }
}

const nothingHeld: FileLock = { release: async () => {} };

/**
 * @internal Resolves with the update lock when it is free; with undefined when the window has closed meanwhile.
 *
 * @throws IotkitError ERR_INSTALL_BUSY (held for longer than `maxMs`), those of tryLock(); what
 *   `mayInstall` throws; the signal's reason
 */
export async function untilUnlocked(
  { lock, window }: CheckedPolicy,
  clock: Clock,
  signal: AbortSignal,
  heldOff: HeldOff,
): Promise<FileLock | undefined> {
  if (lock === undefined) return nothingHeld;
  while (window === undefined || isOpen(window, clock.now())) {
    const begun = clock.elapsed();
    const held = await take(lock, signal);
    if (held !== undefined) return held;
    const left = lock.maxMs - heldOff.ms;
    if (left <= 0) {
      if (lock.afterMax === 'install') return nothingHeld;
      const who = lock.path ?? 'mayInstall()';
      throw new IotkitError('ERR_INSTALL_BUSY', `${who} held the update off for ${lock.maxMs} ms`);
    }
    try {
      await clock.sleep(Math.min(lock.retryMs, left), signal);
    } finally {
      await heldOff.add(clock.elapsed() - begun);
    }
  }
  return undefined;
}

async function take(
  { path, mayInstall }: CheckedLock,
  signal: AbortSignal,
): Promise<FileLock | undefined> {
  // Whoever can read it can lock it.
  if (path !== undefined) return tryLock(path, 0o644);
  const answer = (async () => mayInstall?.())();
  return (await abortable(answer, signal)) ? nothingHeld : undefined;
}
