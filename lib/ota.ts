import {
  abortSignal,
  options as checkOptions,
  integer,
  optional,
  outOfRange,
  text,
} from './arguments';
import type { NativeDevice, NativeJob } from './binding';
import { Checks } from './checks';
import { publish } from './diagnostics';
import { IotkitError } from './errors';
import { Offers } from './offers';
import { bandwidth } from './options/values';
import type { VersionRules } from './options/verify';
import { failureText, Reporter } from './reporter';
import type { Run } from './run';
import { abortable } from './signals';
import { Steps } from './steps';
import { Upgrade } from './upgrade';
import { versionRefusal } from './versions';

export interface ReportVersionOptions {
  /** 1-64 letters, digits, `.`, `-`, `_`. Default: the default module. */
  readonly module?: string;
  /** Stops waiting; the report itself is on its way. */
  readonly signal?: AbortSignal;
}

export interface ReportProgressOptions {
  /** What the platform's console shows beside it, at most 1,024 bytes. */
  readonly desc?: string;
  /** Default: the default module. */
  readonly module?: string;
}

export interface UpgradesOptions {
  /** Only upgrades of this module. Default: every upgrade. */
  readonly module?: string;
  /** Ends the iteration by throwing its reason. */
  readonly signal?: AbortSignal;
}

export interface CheckOptions {
  /** Default: the default module. */
  readonly module?: string;
  /** Milliseconds to wait for the answer, 1-3,600,000. Default 10,000. */
  readonly timeout?: number;
  readonly signal?: AbortSignal;
}

/** The device, as far as its OTA channel needs it. */
export interface OtaHost {
  /** Keeps the process alive until `operation` has settled. */
  holdWhile<T>(operation: Promise<T>): Promise<T>;
}

/** A waiting reportVersion. */
interface Report {
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

const CHECK_TIMEOUT_MS = 10_000;
const namePattern = /^[A-Za-z0-9._-]+$/;
const nameRule = {
  max: 64,
  pattern: namePattern,
  expected: '1-64 letters, digits, ".", "-" and "_"',
} as const;

function checkModule(value: string | undefined): string {
  return optional(value, (module) => text('module', module, nameRule)) ?? '';
}

/** The firmware updates of a device: `device.ota`. */
export class Ota {
  readonly #device: OtaHost;
  readonly #native: NativeDevice;
  readonly #rules: VersionRules;
  /** By packet id. */
  readonly #reports = new Map<number, Report>();
  /** Last reported, by module. */
  readonly #versions = new Map<string, string>();
  readonly #checks: Checks;
  readonly #offers: Offers;
  readonly #steps: Steps;
  readonly #runs = new Set<Run>();
  #connects = 0;
  #closed: IotkitError | undefined;

  /** @internal */
  constructor(device: OtaHost, native: NativeDevice, rules: VersionRules) {
    this.#device = device;
    this.#native = native;
    this.#rules = rules;
    this.#checks = new Checks((module) => native.request(module));
    this.#steps = new Steps((module, step, desc) => native.reportProgress(step, desc, module));
    this.#offers = new Offers(({ module = '' }) => {
      const detail = `an upgrade of module ${module} was dropped: nobody takes upgrades`;
      this.#publishRefusal(new IotkitError('ERR_QUEUE_FULL', detail));
    });
  }

  /**
   * Tells the platform which version runs: once after each start, for each module, and again after
   * an update, which is what ends it. Resolves when the platform has acknowledged; a drop in
   * between does not matter. For the platform an upgrade that is under way has failed when another
   * version than its own is reported: after a restart in the middle of a download, {@link Ota.check}
   * first and go on with it.
   *
   * @param version 1-64 letters, digits, `.`, `-`, `_`.
   * @throws {@link InvalidArgument}; {@link IotkitError} `ERR_CLOSED`, `ERR_QUEUE_FULL`; the
   *   signal's reason.
   */
  async reportVersion(version: string, options?: ReportVersionOptions): Promise<void> {
    const given = checkOptions('options', options, ['module', 'signal']);
    text('version', version, nameRule);
    const module = checkModule(given.module);
    const signal = abortSignal('signal', given.signal);
    signal?.throwIfAborted();
    this.#assertOpen();
    const packetId = this.#native.reportVersion(version, module);
    if (packetId < 0) throw IotkitError.fromErrno(packetId);
    this.#versions.set(module, version);
    this.#refuseWaiting(module);
    const acknowledged = new Promise<void>((resolve, reject) => {
      this.#reports.set(packetId, { resolve, reject });
    });
    await this.#device.holdWhile(abortable(acknowledged, signal));
  }

  /**
   * Sends a step of an update. Downloads do this by themselves; it is for what comes after, such as
   * flashing. Resolves when it is on its way. All steps of a device together are kept below what
   * the platform takes: where there are more, they wait for their turn, and a percentage that waits
   * gives way to the next one of its module.
   *
   * @param step 0-100 percent; -1 upgrade failed, -2 download failed, -3 verification failed, -4
   *   writing failed.
   * @throws {@link InvalidArgument}; {@link IotkitError} `ERR_NOT_CONNECTED`, `ERR_CLOSED`,
   *   `ERR_QUEUE_FULL`.
   */
  async reportProgress(step: number, options?: ReportProgressOptions): Promise<void> {
    const given = checkOptions('options', options, ['desc', 'module']);
    integer('step', step, { min: -4, max: 100 });
    const desc = optional(given.desc, (value) => text('desc', value, { min: 0, max: 1024 })) ?? '';
    if (Buffer.byteLength(desc) > 1024) throw outOfRange('desc', 'at most 1,024 bytes', desc);
    const module = checkModule(given.module);
    this.#assertOpen();
    await this.#device.holdWhile(this.#steps.ask(module, step, desc));
  }

  /**
   * The upgrades that the platform announces, as they come. One that comes before anybody asks
   * waits here; of several for one module that nobody has taken, the newest counts. What the rules
   * of `verify` refuse never comes. Several iterations share them. Ends when the device closes.
   *
   * @throws {@link InvalidArgument}
   *
   * @example
   * for await (const upgrade of device.ota.upgrades()) await upgrade.download('/var/lib/app/firmware.bin');
   */
  upgrades(options?: UpgradesOptions): AsyncIterableIterator<Upgrade> {
    const given = checkOptions('options', options, ['module', 'signal']);
    const module = given.module === undefined ? undefined : checkModule(given.module);
    return this.#offers.open(module, abortSignal('signal', given.signal));
  }

  /**
   * Asks the platform whether there is an upgrade for a module.
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
    const timeoutMs = integer('timeout', given.timeout ?? CHECK_TIMEOUT_MS, {
      min: 1,
      max: 3_600_000,
    });
    signal?.throwIfAborted();
    this.#assertOpen();
    return this.#device.holdWhile(this.#checks.ask(module, timeoutMs, signal));
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

  #assertOpen(): void {
    if (this.#closed !== undefined) throw new IotkitError('ERR_CLOSED', this.#closed.detail);
  }

  /** @internal A report was acknowledged, or given up. */
  onPublished(packetId: number, errno: number, detail: string): void {
    const waiter = this.#reports.get(packetId);
    if (waiter === undefined) return;
    this.#reports.delete(packetId);
    if (errno === 0) waiter.resolve();
    else waiter.reject(IotkitError.fromErrno(errno, detail));
  }

  /** @internal A notice or the answer to a check. */
  onUpgrade(job: NativeJob): void {
    const upgrade = new Upgrade(job, this);
    const running = [...this.#runs].some((run) => upgrade.isSame(run.upgrade));
    const refusal = running ? undefined : this.#refusalOf(upgrade);
    if (refusal !== undefined) {
      this.#refuse(upgrade, refusal);
      return;
    }
    publish('upgrade', { device: this.#device, upgrade });
    if (this.#checks.answered(upgrade.id, upgrade)) return;
    // The platform repeats a notice until it sees progress; what is being consumed is not news.
    if (!running) this.#offers.add(upgrade);
  }

  #refusalOf({ version, module }: Upgrade, rules = this.#rules): IotkitError | undefined {
    const current = this.#versions.get(module ?? '');
    return versionRefusal(version, { module, current }, rules);
  }

  #refuse({ module = '', id }: Upgrade, error: IotkitError): void {
    this.#steps.send(module, -1, failureText(error), true);
    this.onRefused(error, id);
  }

  // The notice may have come before the version was known that it is to be newer than. Of the
  // version that runs the report itself is the end.
  #refuseWaiting(module: string): void {
    const upgrade = this.#offers.waiting(module);
    if (upgrade === undefined) return;
    const refusal = this.#refusalOf(upgrade, { ...this.#rules, allowVersion: undefined });
    if (refusal === undefined) return;
    this.#offers.remove(module);
    if (upgrade.version === this.#versions.get(module)) this.#publishRefusal(refusal);
    else this.#refuse(upgrade, refusal);
  }

  #publishRefusal(error: IotkitError): void {
    publish('refused', { device: this.#device, error });
  }

  /** @internal A message was refused; `requestId` is of the check it answers, `''`: of none. */
  onRefused(error: IotkitError, requestId: string): void {
    this.#checks.refused(requestId, error);
    this.#publishRefusal(error);
  }

  /** @internal */
  onNothing(requestId: string): void {
    this.#checks.answered(requestId, undefined);
  }

  /** @internal What a drop may have swallowed is sent again. */
  onConnected(connects: number): void {
    if (connects === this.#connects) return;
    this.#connects = connects;
    this.#offers.connected();
    this.#checks.connected();
    this.#steps.connected();
  }

  /** @internal What tells the platform of a download of which `upTo` percent are the whole. */
  openReporter(module: string, size: number, upTo: number): Reporter {
    const send = (step: number, desc: string, must: boolean): void =>
      this.#steps.send(module, step, desc, must);
    return new Reporter(size, send, upTo);
  }

  /** @internal Not now. */
  onDefer(upgrade: Upgrade): void {
    this.#assertOpen();
    this.#offers.defer(upgrade);
  }

  /** @internal Not at all: the platform is told why. */
  onReject(upgrade: Upgrade, reason: string): void {
    this.#assertOpen();
    this.#offers.reject(upgrade);
    this.#steps.send(upgrade.module ?? '', -1, reason, true);
  }

  /** @internal Throws `ERR_CLOSED`: the upgrades of a device end with it. */
  onRunStart(run: Run): void {
    this.#assertOpen();
    this.#runs.add(run);
  }

  /** @internal */
  onRunEnd(run: Run): void {
    this.#runs.delete(run);
  }

  /**
   * @internal Everything that waits or runs ends with `error`. Resolves when nothing runs any more.
   */
  async shutdown(error: IotkitError): Promise<void> {
    this.#closed = error;
    for (const report of this.#reports.values()) report.reject(error);
    this.#reports.clear();
    this.#checks.close(error);
    this.#offers.close();
    const runs = [...this.#runs];
    for (const run of runs) run.cancel(error);
    this.#steps.close(error);
    await Promise.allSettled(runs.map((run) => run.outcome));
  }
}
