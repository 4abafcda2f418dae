/**
 * What becomes of each announcement of the platform: the rules refuse it, it answers a check, it is
 * offered to the program, or it repeats what the program has already.
 */
import type { NativeJob } from '../addon/binding';
import { publish } from '../base/diagnostics';
import { IotkitError } from '../base/errors';
import type { Feed } from '../base/feed';
import type { Consumption } from '../download/consumption';
import { type ImageIdentity, isSameImage, moduleKey } from '../download/image-identity';
import { failureText, ProgressReporter } from '../download/reporter';
import { type DownloadRun, endRuns } from '../download/run';
import type { VersionRules } from '../options/verify';
import { Deferrals } from './deferrals';
import type { EmitsUpgrades } from './events';
import { PendingUpgrades } from './pending-upgrades';
import type { ProgressQueue } from './progress-queue';
import { moduleOf, Upgrade, type UpgradeHost } from './upgrade';
import type { UpgradeRequests } from './upgrade-requests';
import type { VersionReports } from './version-reports';
import { versionRefusal } from './versions';

/** The platform counts the messages of a second. */
const SECOND_MS = 1_000;

let isLoaded = false;

/**
 * Loads what an upgrade needs once the program waits for one: else the first notice would wait for that, and a program
 * that never waits for upgrades does without.
 */
function loadUpgradesSoon(): void {
  if (isLoaded) return;
  isLoaded = true;
  setImmediate(() => [Upgrade, ProgressReporter, endRuns]).unref();
}

export interface AnnouncementsOptions {
  /** The device that events are published for. */
  readonly device: object;
  readonly rules: VersionRules;
  /** {@link UpgradeHost.maxSize} */
  readonly maxSize: number;
  readonly versions: VersionReports;
  readonly requests: UpgradeRequests;
  readonly queue: ProgressQueue;
  /** Sends a report of the program's own. */
  readonly report: (module: string, step: number, desc: string) => Promise<void>;
  readonly listeners: EmitsUpgrades;
}

export class Announcements implements UpgradeHost {
  readonly isPublished = true;
  readonly #options: AnnouncementsOptions;
  readonly #pending: PendingUpgrades;
  readonly #deferrals = new Deferrals((job) => this.#announced(job, ''));
  /**
   * Modules whose failure could not be reported before this connection: the platform may repeat, as
   * it does with each connection, the notice of what has failed before it hears of that.
   */
  #late = new Set<string>();
  /** Requests for which nobody waits, by id. */
  readonly #confirmations = new Set<string>();
  /** Of all upgrades of the device. */
  readonly #runs = new Set<DownloadRun>();
  /** When the last download of blocks has ended. */
  #blocksEndedAt = Number.NEGATIVE_INFINITY;
  /** Those that somebody follows. */
  readonly #watched = new Set<Consumption>();
  #closed: IotkitError | undefined;

  constructor(options: AnnouncementsOptions) {
    this.#options = options;
    this.#pending = new PendingUpgrades(({ module = 'default', version }, newer) => {
      const why = newer ? `${newer.version} was announced after it` : 'nobody takes upgrades';
      const detail = `the upgrade of module ${module} to ${version} was dropped: ${why}`;
      this.#publishRefusal(new IotkitError('ERR_QUEUE_FULL', detail));
    });
  }

  get maxSize(): number {
    return this.#options.maxSize;
  }

  /** The upgrades of a module, or of all, that nobody has taken yet. */
  open(module: string | undefined, signal: AbortSignal | undefined): Feed<Upgrade> {
    loadUpgradesSoon();
    return this.#pending.open(module, signal);
  }

  get isClosed(): boolean {
    return this.#closed !== undefined;
  }

  /** The upgrades that nobody has taken yet. */
  waiting(): readonly Upgrade[] {
    loadUpgradesSoon();
    return this.#pending.allWaiting();
  }

  /** Throws `ERR_CLOSED`: nothing new begins after the device was closed. */
  assertOpen(): void {
    if (this.#closed !== undefined) throw new IotkitError('ERR_CLOSED', this.#closed.detail);
  }

  /** A notice, or the answer to a request. */
  onUpgrade(job: NativeJob): void {
    this.#announced(job, job.info.id);
  }

  /** `id`: of the request that may be answered; `''`: of none. */
  #announced(job: NativeJob, id: string): void {
    const image = { ...job.info, module: moduleOf(job.info) };
    const running = this.#runOf(image)?.upgrade;
    const known = running instanceof Upgrade ? running : this.#pending.find(image);
    const upgrade = known ?? new Upgrade(job, this);
    const refusal = running === undefined ? this.#refusalOf(upgrade) : undefined;
    if (refusal !== undefined) {
      this.#pending.forget(upgrade);
      this.#refuse(upgrade, refusal, id);
      return;
    }
    if (running === undefined && !this.#pending.isRejected(image, id)) known?.renew(job);
    if (this.#options.requests.answered(id, upgrade)) {
      this.#pending.take(upgrade);
      this.#deferrals.forget(upgrade);
      if (known === undefined) this.#publish(upgrade);
      return;
    }
    // The platform repeats a notice with each connection until the upgrade has ended: one that the
    // program has is not offered again.
    if (running !== undefined || this.#deferrals.has(upgrade)) return;
    if (!this.#confirmations.delete(id) && this.#mayBeOver(image)) {
      void this.#confirm(upgrade.module ?? '');
      return;
    }
    if (!this.#pending.offer(upgrade)) return;
    this.#publish(upgrade);
    this.#options.listeners.emit('upgrade', upgrade);
  }

  /** A message was refused; `requestId` is that of the request it answers, `''`: of none. */
  onRefused(error: IotkitError, requestId: string): void {
    this.#options.requests.refused(requestId, error);
    this.#publishRefusal(error);
  }

  /** Whether a notice may have left the platform before it heard that this image has failed. */
  #mayBeOver(image: ImageIdentity): boolean {
    return this.#late.has(moduleKey(image.module)) && this.#pending.hasEnded(image);
  }

  /** Asks, after the failure was reported, whether the upgrade is still to be done: that is offered. */
  async #confirm(module: string): Promise<void> {
    try {
      await this.#options.queue.failuresSent(module);
    } catch {
      return; // the platform repeats its notice with the next connection
    }
    const id = this.#options.requests.askForNobody(module);
    if (id !== undefined) this.#confirmations.add(id);
  }

  /** There is a new connection: deferred upgrades may be announced again. */
  connected(): void {
    this.#late = new Set(this.#options.queue.failing());
    this.#confirmations.clear();
    this.#pending.connected();
  }

  /**
   * Applies the rules to an upgrade that came before the version was reported that it is compared
   * with. One to that very version has ended by the report, whatever the rules are: nothing more is
   * reported of it.
   */
  versionReported(module: string): void {
    const version = this.#options.versions.current(module);
    const upgrade = this.#pending.waiting(module);
    this.#pending.installed(module, version);
    if (upgrade === undefined) return;
    if (upgrade.version === version) {
      this.#pending.forget(upgrade);
      this.#publishRefusal(new IotkitError('ERR_VERSION_REFUSED', `${version} runs already`));
      return;
    }
    const refusal = this.#refusalOf(upgrade, { ...this.#options.rules, allowVersion: undefined });
    if (refusal === undefined) return;
    this.#pending.forget(upgrade);
    this.#refuse(upgrade, refusal, upgrade.id);
  }

  openReporter(module: string, size: number, upTo: number): ProgressReporter {
    const send = (step: number, desc: string, must: boolean): void =>
      this.#options.queue.send(module, step, desc, must);
    return new ProgressReporter(size, send, upTo);
  }

  assertFree(image: ImageIdentity): void {
    this.assertOpen();
    if (this.#runOf(image) === undefined) return;
    throw new IotkitError('ERR_BUSY', 'the upgrade is being downloaded already');
  }

  onDefer(upgrade: Upgrade, job: NativeJob, until: number | undefined): void {
    if (until === undefined) {
      this.#pending.defer(upgrade);
    } else {
      this.#pending.forget(upgrade);
      this.#deferrals.add(upgrade, job, until);
    }
  }

  onReject(upgrade: Upgrade, reason: string): void {
    this.#pending.reject(upgrade);
    this.#options.queue.send(upgrade.module ?? '', -1, reason, true);
  }

  report({ module = '' }: Upgrade, step: number, desc: string): Promise<void> {
    return this.#options.report(module, step, desc);
  }

  onFail(upgrade: Upgrade, reason: string): void {
    this.#pending.consumed(upgrade, 'failed');
    this.#options.queue.send(upgrade.module ?? '', -1, reason, true);
  }

  /** The program has reported that what it has of a module has failed. */
  moduleFailed(module: string): void {
    const upgrade = this.#pending.known(module);
    if (upgrade !== undefined) this.#pending.consumed(upgrade, 'failed');
  }

  onWatched(consumption: Consumption, watched: boolean): void {
    if (watched) this.#watched.add(consumption);
    else this.#watched.delete(consumption);
  }

  /**
   * Whether a download asks for blocks over the device's connection, or has within the last second: those
   * count among the messages of that second.
   */
  get asksForBlocks(): boolean {
    for (const run of this.#runs) if (comesInBlocks(run)) return true;
    return performance.now() < this.#blocksEndedAt + SECOND_MS;
  }

  onRunStart(run: DownloadRun): void {
    this.#runs.add(run);
    this.#pending.consumed(run.upgrade, 'begun');
    this.#deferrals.forget(run.upgrade);
    this.#options.listeners.emit('runStart', run);
  }

  onRunEnd(run: DownloadRun): void {
    this.#runs.delete(run);
    if (comesInBlocks(run)) this.#blocksEndedAt = performance.now();
    if (run.failure !== undefined) this.#pending.consumed(run.upgrade, 'failed');
    this.#options.listeners.emit('runEnd', run);
  }

  /** Cancels every run with `error`, and offers nothing more. Resolves when no run is left, at most 2 s later. */
  async close(error: IotkitError): Promise<void> {
    this.#closed = error;
    this.#pending.close();
    this.#deferrals.close();
    const ended = this.#runs.size === 0 ? undefined : endRuns([...this.#runs], error);
    for (const consumption of [...this.#watched]) consumption.endFeeds();
    await ended;
  }

  #runOf(image: ImageIdentity): DownloadRun | undefined {
    return [...this.#runs].find((run) => isSameImage(run.upgrade, image));
  }

  #refusalOf({ version, module }: Upgrade, rules = this.#options.rules): IotkitError | undefined {
    const current = this.#options.versions.current(module ?? '');
    const onLate = (error: IotkitError): void => this.#publishRefusal(error);
    return versionRefusal(version, { module, current }, rules, onLate);
  }

  #refuse({ module = '' }: Upgrade, error: IotkitError, id: string): void {
    this.#options.queue.send(module, -1, failureText(error), true);
    this.onRefused(error, id);
  }

  #publish(upgrade: Upgrade): void {
    publish('upgrade', { device: this.#options.device, upgrade });
  }

  #publishRefusal(error: IotkitError): void {
    publish('refused', { device: this.#options.device, error });
    this.#options.listeners.emit('refused', error);
  }
}

function comesInBlocks({ upgrade }: DownloadRun): boolean {
  return upgrade.files.length === 0 && (upgrade.url ?? '') === '';
}
