/** What was announced; how it is consumed is download/consumption.ts. */
import { inspect } from 'node:util';
import { isDate } from 'node:util/types';
import type { NativeJob, NativeUpgradeInfo } from '../addon/binding';
import type { UpgradeFile } from '../addon/results';
import {
  abortSignal,
  callback,
  options as checkOptions,
  integer,
  oneOf,
  optional,
  outOfRange,
  wrongType,
} from '../base/arguments';
import { IotkitError } from '../base/errors';
import type { Iteration } from '../base/feed';
import type { Subscription } from '../base/listeners';
import { streamOf } from '../download/chunks';
import { Consumption, type ConsumptionHost } from '../download/consumption';
import type { ImageIdentity } from '../download/image-identity';
import {
  type ChunksOptions,
  checkChunks,
  checkDownload,
  type DownloadOptions,
} from '../download/options';
import type { Progress, Retrying } from '../download/progress';
import type { UpgradeState } from '../download/state';
import { checkTargets, type Target } from '../download/targets';
import { checkDesc } from './arguments';

export type { UpgradeFile };

/** What {@link Upgrade.defer} takes. */
export interface DeferOptions {
  /**
   * When it is offered again: a Date, or milliseconds since the epoch; what is past: at once.
   * Default: after the next connection, when the platform announces it again.
   */
  readonly until?: Date | number | undefined;
}

/** What {@link Upgrade.progress} takes. */
export interface ProgressOptions {
  /** Ends the iteration by throwing its reason; the download continues. */
  readonly signal?: AbortSignal | undefined;
}

/** @internal What an upgrade needs of the OTA channel that announced it. */
export interface UpgradeHost extends ConsumptionHost {
  /**
   * Throws `ERR_BUSY` while the image is being consumed, as this upgrade or as another that stands
   * for it; `ERR_CLOSED` if nothing may begin any more.
   */
  assertFree(image: ImageIdentity): void;
  /** No consumption begins any more. */
  readonly isClosed: boolean;
  /** The image is offered again at `until` (ms since the epoch), or after the next connection. */
  onDefer(upgrade: Upgrade, job: NativeJob, until: number | undefined): void;
  /** The rejection is reported to the platform, and the same notice is not announced again. */
  onReject(upgrade: Upgrade, reason: string): void;
  /** The program's own report of a step; resolves when the connection has it. */
  report(upgrade: Upgrade, step: number, desc: string): Promise<void>;
  /** Step -1 is reported as soon as there is a connection. */
  onFail(upgrade: Upgrade, reason: string): void;
}

/**
 * One announced firmware update, and the download of it: into files and devices, to a writer, or in
 * chunks. One consumption at a time (`ERR_BUSY`); after it has ended, in whatever way, it may be
 * consumed again.
 *
 * There is one for each module and image, whoever asks. When the platform announces it once more
 * while nothing consumes it, it takes over what the newest notice says.
 */
export class Upgrade {
  /** The id of the platform's message. */
  readonly id!: string;
  /** The version it updates to. */
  readonly version!: string;
  /** The module it is for; undefined is the default module. */
  readonly module!: string | undefined;
  /** Bytes of the image; of several files together. */
  readonly size!: number;
  /** What the digest is made with; of several files that of each counts. */
  readonly digestMethod!: 'md5' | 'sha256';
  /** The announced digest, lower-case hex; `''` with several files, each of which has its own. */
  readonly digest!: string;
  /** Base64 signature over the digest, if the product has a signing key. */
  readonly digestSign!: string | undefined;
  /**
   * Base64 signature over the statement, which names product, module and version besides the
   * digest, if the operator has attached one (`iotkit.statement.v1` of `extData`).
   */
  readonly statementSign!: string | undefined;
  /**
   * Whether the image is a difference to the running version. `base` of {@link Upgrade.download}
   * and {@link Upgrade.chunks} applies one that `iotkit-ota delta make` has made.
   */
  readonly isDiff!: boolean;
  /** What the operator has attached, parsed; `{}` if nothing. */
  readonly extData!: Readonly<Record<string, unknown>>;
  /** The files of an upgrade that has several; empty: it is one image. */
  readonly files!: readonly UpgradeFile[];

  readonly #host: UpgradeHost;
  #url: string;
  readonly #consumption: Consumption;
  #job: NativeJob;
  #refused: 'deferred' | 'rejected' | undefined;

  /** @internal */
  constructor(job: NativeJob, host: UpgradeHost) {
    this.#host = host;
    this.#job = job;
    this.#url = job.info.url;
    Object.assign(this, announcedBy(job.info));
    this.#consumption = new Consumption(this, job, host, () => {
      this.#assertWanted();
      host.assertFree(this);
    });
  }

  /** @internal The same image was announced once more, while nothing consumes it. */
  renew(job: NativeJob): void {
    this.#job = job;
    this.#url = job.info.url;
    Object.assign(this, announcedBy(job.info));
    this.#consumption.renew(job);
  }

  /**
   * The URL of the image. Its query is a credential: logging the upgrade does not show it.
   */
  get url(): string {
    return this.#url;
  }

  /**
   * Downloads the image into a file, a device, a writer, or several of them at once. A file appears
   * whole under its name or not at all: bytes go to `path.part`, are verified and synced, then the
   * file is renamed. For an upgrade with several files the target is the directory, made if it is
   * missing; either all files appear under their names or none.
   *
   * The addon writes files and devices, and no byte passes through JavaScript. The next download of
   * the same image, in this or another process, proves and uses the bytes that an interrupted one
   * has left on disk (`path.part` and its journal): see `resume`. If a writer is among the targets,
   * no such bytes are used or left, because the writer needs every byte.
   *
   * @throws {@link InvalidArgument}
   * @throws {@link IotkitError} `ERR_DIGEST_MISMATCH`, `ERR_SIZE_MISMATCH`, `ERR_SIGNATURE`,
   *   `ERR_SIGNATURE_MISSING`: no bytes are left on disk. `ERR_HTTP_STATUS`, `ERR_URL_EXPIRED`,
   *   network errors when `fetch.patience` is over, `ERR_NO_SPACE`, `ERR_FILE_ACCESS`,
   *   `ERR_FILE_NOT_FOUND`, `ERR_FILE_LOCKED`, `ERR_FILE`, `ERR_CLOSED`: the bytes on disk stay for
   *   the next download. With `base` `ERR_DELTA_BASE` (it is another image; nothing was written),
   *   `ERR_DELTA_FORMAT`, `ERR_DELTA_RESULT`: no bytes are left, whatever the error.
   *   `ERR_BUSY`, `ERR_INVALID_STATE` (deferred or rejected), `ERR_UNSUPPORTED`
   *   (several files into anything but directories; a difference with `base` into several targets or
   *   a device).
   * @throws the signal's reason, or what the writer throws.
   */
  async download(target: Target | readonly Target[], options?: DownloadOptions): Promise<void> {
    await this.#consumption.download(checkTargets(target), checkDownload(options));
  }

  /** The image in chunks with default options: {@link Upgrade.chunks}. */
  [Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    return this.chunks();
  }

  /**
   * The image in order, in chunks of at most `chunkSize` bytes, received straight into their
   * memory. At most four chunks are read ahead of the consumer. After the last chunk the image is
   * verified: if it is not the announced one, the iteration throws instead of ending. Leaving the
   * loop cancels the download, and no bytes are kept for a later one.
   *
   * @throws {@link InvalidArgument}; {@link IotkitError} `ERR_UNSUPPORTED` with several files;
   *   while iterating what {@link Upgrade.download} throws, except the errors of files.
   *
   * @example
   * for await (const chunk of upgrade.chunks({ recycle: true })) await partition.write(chunk);
   */
  chunks(options?: ChunksOptions): AsyncGenerator<Uint8Array, void, undefined> {
    const checked = checkChunks(options);
    this.#consumption.assertOneImage();
    return this.#consumption.chunks(checked);
  }

  /**
   * The image as a web stream of bytes; {@link Upgrade.chunks} for those who need one. Cancelling
   * it cancels the download.
   *
   * @throws {@link InvalidArgument}; the stream errors with what chunks() throws.
   */
  stream(options?: Omit<ChunksOptions, 'recycle'>): ReadableStream<Uint8Array> {
    checkOptions('options', options, ['signal', 'onProgress', 'report', 'signature', 'chunkSize']);
    return streamOf(this.chunks(options));
  }

  /**
   * The outcome of the running consumption, or else of the last one: resolves if the image was
   * complete and the announced one.
   *
   * @throws {@link IotkitError} why it was not, such as `ERR_DIGEST_MISMATCH`; `ERR_INVALID_STATE`
   *   if none was begun.
   */
  async verify(): Promise<void> {
    await this.#consumption.outcome();
  }

  /**
   * The progress of the running consumption, or else of the next one, until it ends in whatever
   * way; also when there can be none any more: the upgrade was deferred or rejected, or the device
   * closed. A slow consumer sees only the latest.
   *
   * @throws {@link InvalidArgument}
   */
  progress(options?: ProgressOptions): Iteration<Progress> {
    const { signal } = checkOptions('options', options, ['signal']);
    const feed = this.#consumption.progress(abortSignal('signal', signal));
    if (this.#host.isClosed) this.#consumption.endFeeds();
    return feed;
  }

  /** What its download is doing now; `announced` until the first consumption. */
  get state(): UpgradeState {
    return this.#consumption.state;
  }

  /**
   * The present state, then each change of the running consumption, or else of the next one, to its
   * end. The iteration ends with it, and also when there can be none any more: the upgrade was
   * deferred or rejected, or the device closed. A consumer who falls 32 changes behind misses the
   * oldest.
   *
   * @throws {@link InvalidArgument}
   *
   * @example
   * for await (const { phase } of upgrade.states()) display.show(phase);
   */
  states(options?: ProgressOptions): Iteration<UpgradeState> {
    const { signal } = checkOptions('options', options, ['signal']);
    const feed = this.#consumption.states(abortSignal('signal', signal));
    if (this.#host.isClosed) this.#consumption.endFeeds();
    return feed;
  }

  /**
   * Calls `listener` with each change of {@link Upgrade.state}, in every consumption, until the
   * subscription is ended by its `off()` or by `using`. What it throws is an uncaught exception; it
   * disturbs nothing else.
   *
   * @throws {@link InvalidArgument}
   *
   * @example
   * upgrade.on('state', (state) => {
   *   if (state.phase === 'retrying') console.warn(state.error.message, state.at);
   * });
   */
  on(event: 'state', listener: (state: UpgradeState) => void): Subscription {
    oneOf('event', event, ['state']);
    return this.#consumption.onState(callback('listener', listener));
  }

  /**
   * Why the running consumption waits for its next try, from the failure of one until bytes come
   * again; undefined otherwise. {@link Progress.retrying} and the channel
   * `iotkit-ota:download:retry` say when that changes.
   */
  get retrying(): Retrying | undefined {
    return this.#consumption.retrying;
  }

  /**
   * Suspends the running consumption until {@link Upgrade.resume}: it receives nothing, none of its
   * time-outs runs, and another download takes its place among those that run at the same time.
   * Without a running consumption it does nothing.
   */
  pause(): void {
    this.#consumption.pause(true);
  }

  /** Continues after {@link Upgrade.pause}, once there is a place for it. */
  resume(): void {
    this.#consumption.pause(false);
  }

  /** Whether the running consumption is suspended. */
  get paused(): boolean {
    return this.#consumption.paused;
  }

  /**
   * Cancels the running consumption, which then rejects with `reason` (default: `ERR_ABORTED`).
   * The bytes of a file on disk stay for the next download.
   */
  abort(reason?: unknown): void {
    this.#consumption.cancel(reason ?? new IotkitError('ERR_ABORTED', 'abort() was called'));
  }

  /**
   * Postpones the upgrade, also one whose download has failed: nothing is reported, and this object
   * is no longer needed. It is offered again, as another object, at the time `until`, or else when
   * the platform announces it with the next connection. {@link Ota.check} gets it immediately.
   *
   * @throws {@link InvalidArgument}; {@link IotkitError} `ERR_BUSY`, `ERR_CLOSED`,
   *   `ERR_INVALID_STATE`.
   *
   * @example
   * try { await upgrade.download(path); } catch { await upgrade.defer({ until: Date.now() + 600_000 }); }
   */
  async defer(options?: DeferOptions): Promise<void> {
    const { until } = checkOptions('options', options, ['until']);
    const time = optional(until, checkTime);
    this.#assertIdle();
    this.#host.onDefer(this, this.#job, time);
    this.#refused = 'deferred';
    this.#consumption.endFeeds();
  }

  /** @internal Whether it was neither deferred nor rejected: it can be consumed. */
  get isWanted(): boolean {
    return this.#refused === undefined;
  }

  /**
   * Refuses the upgrade: step -1 is reported to the platform with the reason (at most 1,024 bytes)
   * as soon as there is a connection, and for the platform the upgrade has failed.
   *
   * @throws {@link InvalidArgument}; {@link IotkitError} `ERR_BUSY`, `ERR_CLOSED`,
   *   `ERR_INVALID_STATE`.
   */
  async reject(reason = ''): Promise<void> {
    checkDesc('reason', reason);
    this.#assertIdle();
    this.#host.onReject(this, reason);
    this.#refused = 'rejected';
    this.#consumption.endFeeds();
  }

  /**
   * Reports a step of this upgrade to the platform, after the download or instead of its own
   * reports (`report: false`), as {@link Ota.reportProgress} does for a module.
   *
   * @param step 0-100 percent; -1 upgrade failed, -2 download failed, -3 verification failed, -4
   *   writing failed. After one below 0 the platform's next notice offers the upgrade again.
   * @param desc the text that the platform's console shows with it, at most 1,024 bytes.
   * @throws {@link InvalidArgument}; {@link IotkitError} `ERR_NOT_CONNECTED`, `ERR_CLOSED`,
   *   `ERR_QUEUE_FULL`, `ERR_INVALID_STATE` (deferred or rejected).
   */
  async report(step: number, desc = ''): Promise<void> {
    integer('step', step, { min: -4, max: 100 });
    checkDesc('desc', desc);
    this.#assertWanted();
    await this.#host.report(this, step, desc);
  }

  /**
   * What followed the download has failed, such as flashing: step -1 is reported to the platform
   * with the reason (at most 1,024 bytes) as soon as there is a connection. The upgrade may be
   * downloaded again, and the platform's next notice offers it again.
   *
   * @throws {@link InvalidArgument}; {@link IotkitError} `ERR_BUSY`, `ERR_CLOSED`,
   *   `ERR_INVALID_STATE`.
   */
  async fail(reason = ''): Promise<void> {
    checkDesc('reason', reason);
    this.#assertIdle();
    this.#host.onFail(this, reason);
  }

  /** The announcement, without the query of the URL. */
  toJSON(): Record<string, unknown> {
    return {
      id: this.id,
      version: this.version,
      module: this.module,
      size: this.size,
      url: withoutQuery(this.#url),
      digestMethod: this.digestMethod,
      digest: this.digest,
      isDiff: this.isDiff,
      extData: this.extData,
      ...(this.files.length > 0 && { files: this.files }),
    };
  }

  /** @internal Not declared, so that users need no types of Node's. */
  [inspect.custom](): string {
    return `Upgrade ${inspect(this.toJSON())}`;
  }

  #assertIdle(): void {
    this.#assertWanted();
    this.#host.assertFree(this);
  }

  #assertWanted(): void {
    if (this.#refused === undefined) return;
    throw new IotkitError('ERR_INVALID_STATE', `the upgrade was ${this.#refused}`);
  }
}

function checkTime(until: Date | number): number {
  const time = isDate(until) ? until.getTime() : until;
  if (typeof time !== 'number') throw wrongType('until', 'a Date or milliseconds', until);
  if (!Number.isFinite(time)) throw outOfRange('until', 'a valid time', time);
  return time;
}

/** @internal The module that a notice is for; undefined: the default one, however it says so. */
export function moduleOf({ module }: Pick<NativeUpgradeInfo, 'module'>): string | undefined {
  return module === '' || module === 'default' ? undefined : module;
}

/** What an Upgrade says of its announcement. */
function announcedBy(info: NativeUpgradeInfo): Partial<Upgrade> {
  return {
    id: info.id,
    version: info.version,
    module: moduleOf(info),
    size: info.size,
    digestMethod: info.digestMethod,
    digest: info.digest,
    digestSign: info.digestSign === '' ? undefined : info.digestSign,
    statementSign: info.statementSign === '' ? undefined : info.statementSign,
    isDiff: info.isDiff,
    extData: info.extData === '' ? {} : JSON.parse(info.extData),
    files: info.files,
  };
}

function withoutQuery(url: string): string {
  const end = url.search(/[?#]/);
  return end === -1 ? url : `${url.slice(0, end)}?…`;
}
