/**
 * This room is the device's OTA channel. ota.ts is its public face: it checks arguments and hands
 * them on. announcements.ts decides what becomes of an announced upgrade, pending-upgrades.ts keeps
 * those that nobody has taken, upgrade-requests.ts the checks; version-reports.ts and
 * progress-queue.ts send to the platform; deferrals.ts waits for the time of those that are
 * deferred. It may import base, options, addon and download; of the
 * device it knows {@link OtaHost}.
 */
import type { NativeDevice, NativeJob } from '../addon/binding';
import { abortSignal, options as checkOptions, integer, optional, orElse } from '../base/arguments';
import { IotkitError } from '../base/errors';
import type { Feed, Iteration } from '../base/feed';
import { abortable, throwIfAborted } from '../base/signals';
import { bandwidth } from '../options/values';
import type { VersionRules } from '../options/verify';
import { Announcements } from './announcements';
import { checkDesc, checkModule, checkVersion } from './arguments';
import type { EmitsUpgrades } from './events';
import type { ProgressPace } from './progress-pace';
import { ProgressQueue } from './progress-queue';
import type { Upgrade } from './upgrade';
import { UpgradeRequests } from './upgrade-requests';
import { VersionReports } from './version-reports';

/** What {@link Ota.reportVersion} takes. */
export interface ReportVersionOptions {
  /** 1-64 letters, digits, `.`, `-`, `_`. Default: `'default'`, the default module. */
  readonly module?: string | undefined;
  /** Stops waiting; the report itself is sent all the same. */
  readonly signal?: AbortSignal | undefined;
}

/** What {@link Ota.reportProgress} takes. */
export interface ReportProgressOptions {
  /** The text that the platform's console shows with it, at most 1,024 bytes. */
  readonly desc?: string | undefined;
  /** Default: the default module. */
  readonly module?: string | undefined;
}

/** What {@link Ota.upgrades} takes. */
export interface UpgradesOptions {
  /** Only upgrades of this module; `'default'`: of the default one. Default: every upgrade. */
  readonly module?: string | undefined;
  /** Ends the iteration by throwing its reason. */
  readonly signal?: AbortSignal | undefined;
}

/** What {@link Ota.nextUpgrade} takes. */
export interface NextUpgradeOptions {
  /** Of this module; `'default'`: of the default one. Default: of any. */
  readonly module?: string | undefined;
  /** Milliseconds to wait, 1-2,147,483,647. Default: without end. */
  readonly timeout?: number | undefined;
  /** Ends the wait; its reason is what it rejects with. */
  readonly signal?: AbortSignal | undefined;
}

/** What {@link Ota.check} takes. */
export interface CheckOptions {
  /** Default: the default module. */
  readonly module?: string | undefined;
  /** Milliseconds to wait for the answer, 1-3,600,000. Default 10,000. */
  readonly timeout?: number | undefined;
  /** Ends the wait; its reason is what it rejects with. */
  readonly signal?: AbortSignal | undefined;
}

/** @internal What the OTA channel needs of its device. */
export interface OtaHost {
  /** Keeps the process alive until `operation` has settled. */
  holdWhile<T>(operation: Promise<T>): Promise<T>;
  /** Who hears of upgrades and refusals. */
  readonly listeners: EmitsUpgrades;
  /** A version report has been handed to the connection. */
  onReportSent(): void;
}

const CHECK_TIMEOUT_MS = 10_000;
const TIMEOUT_MAX_MS = 2 ** 31 - 1;

/** The firmware updates of a device: `device.ota`. */
export class Ota {
  readonly #device: OtaHost;
  readonly #native: NativeDevice;
  readonly #versions: VersionReports;
  readonly #requests: UpgradeRequests;
  readonly #queue: ProgressQueue;
  readonly #announcements: Announcements;
  #connects = 0;

  /** @internal */
  constructor(
    device: OtaHost,
    native: NativeDevice,
    rules: VersionRules,
    maxSize = 0,
    pace?: ProgressPace,
  ) {
    this.#device = device;
    this.#native = native;
    this.#versions = new VersionReports((...report) => {
      device.onReportSent();
      return native.reportVersion(...report);
    });
    this.#requests = new UpgradeRequests((module) => native.request(module));
    this.#queue = new ProgressQueue(
      (module, step, desc) => native.reportProgress(step, desc, module),
      pace,
    );
    this.#announcements = new Announcements({
      device,
      rules,
      maxSize,
      versions: this.#versions,
      requests: this.#requests,
      queue: this.#queue,
      report: (...report) => this.#report(...report),
      listeners: device.listeners,
    });
  }

  /**
   * Reports to the platform which version runs: after each start, for each module, and again after
   * an update, which this report completes. Resolves when the platform has acknowledged it, even if
   * the connection was lost meanwhile.
   *
   * Report it before anything else: to the version from which an upgrade leads away the platform
   * answers with the notice of that upgrade, also where a restart has cut off its download. A version
   * that is neither that one nor the new one ends an upgrade under way as failed. An upgrade to the
   * reported version that nobody has taken yet is not offered any more.
   *
   * @param version 1-64 letters, digits, `.`, `-`, `_`.
   * @throws {@link InvalidArgument}; {@link IotkitError} `ERR_CLOSED`, `ERR_QUEUE_FULL`; the
   *   signal's reason.
   */
  async reportVersion(version: string, options?: ReportVersionOptions): Promise<void> {
    const given = checkOptions('options', options, ['module', 'signal']);
    checkVersion('version', version);
    const module = checkModule(given.module);
    const signal = abortSignal('signal', given.signal);
    throwIfAborted(signal);
    this.#announcements.assertOpen();
    const acknowledged = this.#versions.report(version, module);
    this.#announcements.versionReported(module);
    await this.#device.holdWhile(abortable(acknowledged, signal));
  }

  /**
   * Reports a step of an update. Downloads report theirs by themselves; this is for what comes
   * after them, such as flashing. Resolves when the report has been handed to the connection. All
   * reports of a device together stay below the rate the platform takes: above it they wait for
   * their turn, and a percentage that waits is replaced by the next one of its module.
   *
   * @param step 0-100 percent; -1 upgrade failed, -2 download failed, -3 verification failed, -4
   *   writing failed.
   * @throws {@link InvalidArgument}; {@link IotkitError} `ERR_NOT_CONNECTED`, `ERR_CLOSED`,
   *   `ERR_QUEUE_FULL`.
   */
  async reportProgress(step: number, options?: ReportProgressOptions): Promise<void> {
    const given = checkOptions('options', options, ['desc', 'module']);
    integer('step', step, { min: -4, max: 100 });
    const desc = optional(given.desc, (value) => checkDesc('desc', value)) ?? '';
    await this.#report(checkModule(given.module), step, desc);
  }

  /**
   * The upgrades that the platform announces, as they come. One that comes before anybody iterates
   * waits; of several for one module that nobody has taken, only the newest is kept. An upgrade
   * that the rules of `verify` refuse never comes. Several iterations share the upgrades. Ends when
   * the device closes.
   *
   * The platform repeats a notice with each connection until the upgrade has ended. Each upgrade
   * comes once all the same: what an iteration or {@link Ota.check} has handed out comes again only
   * if its download ended without success, `fail()` or `defer()` was called, and the platform then
   * repeats its notice. All ways hand out the same object.
   *
   * @throws {@link InvalidArgument}
   *
   * @example
   * for await (const upgrade of device.ota.upgrades()) await upgrade.download('/var/lib/app/firmware.bin');
   */
  upgrades(options?: UpgradesOptions): Iteration<Upgrade> {
    return this.#open(checkOptions('options', options, ['module', 'signal']));
  }

  /**
   * The next upgrade that an iteration over {@link Ota.upgrades} would get. If the wait ends in
   * another way, none is lost: it waits for the next one who asks.
   *
   * @throws {@link InvalidArgument}; {@link IotkitError} `ERR_TIMEOUT`, `ERR_CLOSED`; the signal's
   *   reason.
   */
  async nextUpgrade(options?: NextUpgradeOptions): Promise<Upgrade> {
    const { timeout, ...which } = checkOptions('options', options, ['module', 'timeout', 'signal']);
    const timeoutMs = optional(timeout, (value) =>
      integer('timeout', value, { min: 1, max: TIMEOUT_MAX_MS }),
    );
    const feed = this.#open(which);
    const late = (): void =>
      feed.fail(new IotkitError('ERR_TIMEOUT', `no upgrade was announced within ${timeoutMs} ms`));
    const timer = timeoutMs === undefined ? undefined : setTimeout(late, timeoutMs);
    try {
      const { value } = await feed.next();
      if (value === undefined) throw new IotkitError('ERR_CLOSED', 'the device was closed');
      return value;
    } finally {
      clearTimeout(timer);
      await feed.return();
    }
  }

  /**
   * Asks the platform whether there is an upgrade for a module. What waits for an iteration, or the
   * program has already, is the same object.
   *
   * @returns the upgrade, or undefined: there is none.
   * @throws {@link InvalidArgument}; {@link IotkitError} `ERR_TIMEOUT`, `ERR_NOTICE_CODE`,
   *   `ERR_VERSION_REFUSED`, `ERR_NOTICE_FIELD` and others that say what is wrong with the answer,
   *   `ERR_CLOSED`; the signal's reason.
   */
  async check(options?: CheckOptions): Promise<Upgrade | undefined> {
    const given = checkOptions('options', options, ['module', 'timeout', 'signal']);
    const module = checkModule(given.module);
    const signal = abortSignal('signal', given.signal);
    const timeoutMs = integer('timeout', orElse(given.timeout, CHECK_TIMEOUT_MS), {
      min: 1,
      max: 3_600_000,
    });
    throwIfAborted(signal);
    this.#announcements.assertOpen();
    return this.#device.holdWhile(this.#requests.askFor(module, timeoutMs, signal));
  }

  /**
   * Limits how fast the downloads of this device together receive. May be changed while they run.
   *
   * @param bytesPerSecond 1,024 and more; undefined: no limit.
   * @throws {@link InvalidArgument}
   */
  setBandwidthLimit(bytesPerSecond: number | undefined): void {
    this.#native.setBandwidthLimit(bandwidth('bytesPerSecond', bytesPerSecond));
  }

  /** @internal The upgrades that nobody has taken yet. */
  waiting(): readonly Upgrade[] {
    return this.#announcements.waiting();
  }

  /** @internal Whether a download asks for blocks over the connection. */
  asksForBlocks(): boolean {
    return this.#announcements.asksForBlocks;
  }

  /** @internal The platform has acknowledged a version report, or the connection gave it up. */
  onPublished(packetId: number, errno: number, detail: string): void {
    this.#versions.settle(packetId, errno, detail);
  }

  /** @internal A notice, or the answer to a request. */
  onUpgrade(job: NativeJob): void {
    this.#announcements.onUpgrade(job);
  }

  /**
   * @internal A message was refused; `requestId` is that of the request it answers, `''`: of none.
   */
  onRefused(error: IotkitError, requestId: string): void {
    this.#announcements.onRefused(error, requestId);
  }

  /** @internal The platform has no upgrade for the module of this request. */
  onNothing(requestId: string): void {
    this.#requests.answered(requestId, undefined);
  }

  /** @internal Sends again what may have been lost with the last connection. */
  onConnected(connects: number): void {
    if (connects === this.#connects) return;
    this.#connects = connects;
    this.#announcements.connected();
    // Before the platform answers a question it shall hear of what has failed.
    this.#queue.connected();
    this.#requests.connected();
  }

  /**
   * @internal All that waits or runs ends with `error`. Resolves when no download runs any more.
   */
  async shutdown(error: IotkitError): Promise<void> {
    this.#versions.close(error);
    this.#requests.close(error);
    const downloads = this.#announcements.close(error);
    this.#queue.close(error);
    await downloads;
  }

  #open({ module, signal }: Partial<UpgradesOptions>): Feed<Upgrade> {
    const of = optional(module, checkModule);
    return this.#announcements.open(of, abortSignal('signal', signal));
  }

  async #report(module: string, step: number, desc: string): Promise<void> {
    this.#announcements.assertOpen();
    if (step < 0) this.#announcements.moduleFailed(module);
    await this.#device.holdWhile(this.#queue.submit(module, step, desc));
  }
}
