/** Rigs that several unit tests share: native objects that do what the test says, and chance. */
import { createHash } from 'node:crypto';
import type {
  NativeChunkDownload,
  NativeChunkOptions,
  NativeDevice,
  NativeDownloadOptions,
  NativeFileDownload,
  NativeJob,
  NativeOnPhase,
  NativeTarget,
  NativeUpgradeInfo,
} from '../../lib/addon/binding';
import type { Consumption, ConsumptionHost } from '../../lib/download/consumption';
import { ProgressFeeds } from '../../lib/download/progress';
import { ProgressReporter } from '../../lib/download/reporter';
import { DownloadRun, type DownloadRunOptions } from '../../lib/download/run';
import { UpgradeStates } from '../../lib/download/state';
import { errorCodes } from '../../lib/generated/error-codes';

export const upgradeInfo: NativeUpgradeInfo = {
  id: '1',
  module: '',
  version: '2.0.0',
  url: 'https://fw.example.com/a?Signature=secret',
  size: 10,
  digestMethod: 'sha256',
  digest: 'ab'.repeat(32),
  digestSign: '',
  statementSign: '',
  isDiff: false,
  extData: '',
  files: [],
};

/** A native download into files, which the test reports of and ends. */
export class FakeFileDownload implements NativeFileDownload {
  readonly pauses: boolean[] = [];
  aborts = 0;

  constructor(
    readonly targets: readonly NativeTarget[],
    readonly options: NativeDownloadOptions,
    readonly onProgress: (received: number, resumed: number) => void,
    readonly onEnd: (errno: number, detail: string, made?: number) => void,
    readonly onPhase: NativeOnPhase,
  ) {}

  /** As the addon: an aborted download ends soon after. */
  abort(): void {
    this.aborts += 1;
    queueMicrotask(() => this.onEnd(errorCodes.ERR_ABORTED.errno, ''));
  }

  pause(paused: boolean): void {
    this.pauses.push(paused);
  }
}

type OnChunk = Parameters<NativeChunkDownload['take']>[0];
type Arrival = Parameters<OnChunk>;

/** A native download in chunks; the test delivers them, as far as there is room for them. */
export class FakeChunkDownload implements NativeChunkDownload {
  /** For how many chunks there is room. */
  lent = 0;
  readonly pauses: boolean[] = [];
  settles = 0;
  closes = 0;
  readonly #arrived: Arrival[] = [];
  #waiting: OnChunk | undefined;

  constructor(
    readonly targets: readonly NativeTarget[],
    readonly options: NativeChunkOptions,
    readonly onPhase: NativeOnPhase,
  ) {}

  lend(): boolean {
    this.lent += 1;
    return true;
  }

  take(onChunk: OnChunk): boolean {
    if (this.#waiting !== undefined) return false;
    this.#waiting = onChunk;
    this.#handOver();
    return true;
  }

  settle(): void {
    this.settles += 1;
  }

  pause(paused: boolean): void {
    this.pauses.push(paused);
  }

  close(onEnd: () => void): void {
    this.closes += 1;
    this.end(errorCodes.ERR_ABORTED.errno);
    queueMicrotask(onEnd);
  }

  /** The next bytes of the image have come. */
  deliver(...bytes: readonly number[]): void {
    if (this.lent === 0) throw new Error('nothing is lent');
    this.lent -= 1;
    const buffer = new ArrayBuffer(this.options.chunkSize);
    new Uint8Array(buffer).set(bytes);
    this.#arrive(0, '', buffer, bytes.length);
  }

  /** The image is complete and verified, or it has failed. */
  end(errno = 0, detail = ''): void {
    this.#arrive(errno, detail);
  }

  #arrive(...arrival: Arrival): void {
    this.#arrived.push(arrival);
    this.#handOver();
  }

  #handOver(): void {
    const onChunk = this.#waiting;
    if (onChunk === undefined || this.#arrived.length === 0) return;
    this.#waiting = undefined;
    onChunk(...(this.#arrived.shift() as Arrival));
  }
}

/** One announced upgrade, and the native downloads of it that were begun. */
export class FakeJob implements NativeJob {
  readonly info: NativeUpgradeInfo;
  readonly files: FakeFileDownload[] = [];
  readonly readers: FakeChunkDownload[] = [];
  /** The first download in chunks, once it has begun. */
  readonly reader: Promise<FakeChunkDownload>;
  #begun: (reader: FakeChunkDownload) => void = () => {};

  constructor(change: Partial<NativeUpgradeInfo> = {}) {
    this.info = { ...upgradeInfo, ...change };
    this.reader = new Promise((resolve) => {
      this.#begun = resolve;
    });
  }

  download(...begun: Parameters<NativeJob['download']>): FakeFileDownload {
    const download = new FakeFileDownload(...begun);
    this.files.push(download);
    return download;
  }

  chunks(...begun: Parameters<NativeJob['chunks']>): FakeChunkDownload {
    const download = new FakeChunkDownload(...begun);
    this.readers.push(download);
    this.#begun(download);
    return download;
  }
}

/** A run of an image of `size` bytes that nobody watches. */
export function runOf(size: number, options: Partial<DownloadRunOptions> = {}): DownloadRun {
  return new DownloadRun({
    isPublished: true,
    upgrade: { module: undefined, version: '2.0.0', size, digest: 'ab'.repeat(32), files: [] },
    path: undefined,
    reporter: undefined,
    feeds: new ProgressFeeds(),
    states: new UpgradeStates(),
    onProgress: undefined,
    signal: undefined,
    onEnd: () => {},
    ...options,
  });
}

export type SentStep = readonly [step: number, desc: string, must: boolean];

/** Keeps account of runs and of what is reported of them. */
export class FakeHost implements ConsumptionHost {
  readonly isPublished = true;
  readonly maxSize = 0;
  readonly running = new Set<DownloadRun>();
  readonly watched = new Set<Consumption>();
  readonly reports: SentStep[] = [];
  readonly steps = (): number[] => this.reports.map(([step]) => step);

  onRunStart(run: DownloadRun): void {
    this.running.add(run);
  }

  onRunEnd(run: DownloadRun): void {
    this.running.delete(run);
  }

  onWatched(consumption: Consumption, watched: boolean): void {
    if (watched) this.watched.add(consumption);
    else this.watched.delete(consumption);
  }

  openReporter(_module: string, size: number, upTo: number): ProgressReporter {
    return new ProgressReporter(size, (...report) => this.reports.push(report), upTo);
  }
}

/** A connection of a device, which the test takes away, and what was sent over it. */
export class FakeDevice implements NativeDevice {
  readonly versions: Array<readonly [version: string, module: string]> = [];
  readonly steps: Array<readonly [step: number, desc: string, module: string]> = [];
  readonly questions: Array<{ readonly id: string; readonly module: string }> = [];
  readonly limits: number[] = [];
  /** The ids of the requests for the configuration. */
  readonly configRequests: string[] = [];
  readonly configAnswers: Array<readonly [pushId: string, code: number, message: string]> = [];
  readonly timeRequests: string[] = [];
  readonly published: Array<readonly [topic: string, payload: string | Uint8Array, qos: number]> =
    [];
  readonly subscribed = new Map<number, string>();
  readonly holds: boolean[] = [];
  /** What publish() returns next, instead of success. */
  readonly publishResults: number[] = [];
  isConnected = true;
  #lastPacket = 0;

  reportVersion(version: string, module: string): number {
    return this.versions.push([version, module]);
  }

  reportProgress(step: number, desc: string, module: string): number {
    this.steps.push([step, desc, module]);
    return 0;
  }

  request(module: string): string | number {
    if (!this.isConnected) return errorCodes.ERR_NOT_CONNECTED.errno;
    const id = String(100 + this.questions.length);
    this.questions.push({ id, module });
    return id;
  }

  requestConfig(): string | number {
    if (!this.isConnected) return errorCodes.ERR_NOT_CONNECTED.errno;
    const id = String(500 + this.configRequests.length);
    this.configRequests.push(id);
    return id;
  }

  answerConfig(...answer: [pushId: string, code: number, message: string]): number {
    if (!this.isConnected) return errorCodes.ERR_NOT_CONNECTED.errno;
    this.configAnswers.push(answer);
    return 0;
  }

  requestTime(): string | number {
    if (!this.isConnected) return errorCodes.ERR_NOT_CONNECTED.errno;
    const id = String(700 + this.timeRequests.length);
    this.timeRequests.push(id);
    return id;
  }

  publish(topic: string, payload: string | Uint8Array, qos: number): number {
    if (!this.isConnected) return errorCodes.ERR_NOT_CONNECTED.errno;
    const result = this.publishResults.shift();
    if (result !== undefined) return result;
    this.published.push([topic, payload, qos]);
    return qos === 0 ? 0 : this.#nextPacket();
  }

  subscribe(id: number, filter: string): number {
    this.subscribed.set(id, filter);
    return this.isConnected ? this.#nextPacket() : 0;
  }

  unsubscribe(id: number): void {
    this.subscribed.delete(id);
  }

  holdReading(held: boolean): void {
    this.holds.push(held);
  }

  setBandwidthLimit(bytesPerSecond: number): void {
    this.limits.push(bytesPerSecond);
  }

  close(): void {}
  ref(): void {}
  unref(): void {}

  #nextPacket(): number {
    this.#lastPacket += 1;
    return this.#lastPacket;
  }
}

/** Lower-case hex. */
export function sha256Of(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** What `check` throws; it must be the error of a refused argument. */
export function refusalOf(check: () => unknown): Error {
  try {
    check();
  } catch (error) {
    expect(error).toMatchObject({ code: 'ERR_INVALID_ARGUMENT' });
    return error as Error;
  }
  throw new Error('nothing was refused');
}

/** Whole numbers below a bound, the same ones for the same seed. */
export function randomFrom(seed: number): (below: number) => number {
  let state = seed | 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

/** PEM texts of the right form, which hold nothing. */
export const pem = '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n';
export const publicKeyPem = '-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----\n';
export const privateKeyPem = '-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----\n';
