/**
 * This room consumes one announced image: into files and devices (files.ts), to a writer
 * (writer.ts), in chunks or as a stream (chunks.ts). A difference is applied on the way (delta.ts).
 * Consumption begins a run (run.ts), hands it to the way that was asked for, and knows the run that
 * is under way. progress.ts says how far a run is to the program, reporter.ts to the platform. It
 * may import base, options, delta and addon; what an upgrade is besides its image it does not know.
 */
import type { NativeDownloadOptions, NativeJob } from '../addon/binding';
import { provideTrust } from '../addon/trust';
import { conflict } from '../base/arguments';
import { traced } from '../base/diagnostics';
import { IotkitError } from '../base/errors';
import type { Feed } from '../base/feed';
import type { Subscription } from '../base/listeners';
import { throwIfAborted } from '../base/signals';
import { ChunkReader, type ChunkReaderOptions } from './chunk-reader';
import { ImageChunks } from './chunks';
import { appliedChunks, clearBeside, type DeltaSource, deltaOf, deltaTarget } from './delta';
import { writeFiles } from './files';
import type { ConsumedImage } from './image-identity';
import {
  type CheckedChunks,
  type CheckedConsumption,
  type ImageSignatures,
  SMALL_CHUNK_SIZE,
} from './options';
import { type Progress, ProgressFeeds, type Retrying } from './progress';
import type { ProgressReporter } from './reporter';
import { DownloadRun } from './run';
import { type UpgradeState, UpgradeStates } from './state';
import type { CheckedTargets } from './targets';
import { type ConsumptionTrace, traceOf } from './trace';
import { writeImage } from './writer';

/** What keeps account of the runs of a device. */
export interface ConsumptionHost {
  /** Whether its runs are published on the diagnostics channels, which are about upgrades. */
  readonly isPublished: boolean;
  /** Bytes that an image may have, `fetch.maxSize`; 0: any number. The addon holds what it fetches to it. */
  readonly maxSize: number;
  onRunStart(run: DownloadRun): void;
  onRunEnd(run: DownloadRun): void;
  /** Whether somebody follows a consumption; {@link Consumption.endFeeds}. */
  onWatched(consumption: Consumption, watched: boolean): void;
  openReporter(module: string, size: number, upTo: number): ProgressReporter;
}

/**
 * How one image is consumed: one run at a time (`ERR_BUSY`); after it has ended, in whatever way,
 * another may begin. Each run fetches a copy of the job, so a failed one leaves nothing in it.
 */
export class Consumption {
  readonly #image: ConsumedImage;
  #job: NativeJob;
  readonly #host: ConsumptionHost;
  readonly #assertWanted: () => void;
  readonly #feeds = new ProgressFeeds(() => this.#tellWatched());
  readonly #states = new UpgradeStates(() => this.#tellWatched());
  #hasEnded = false;
  /** The run that is under way, or else the last one. */
  #run: DownloadRun | undefined;

  /** @param assertWanted throws if the image may not be consumed, now or any more. */
  constructor(
    image: ConsumedImage,
    job: NativeJob,
    host: ConsumptionHost,
    assertWanted: () => void,
  ) {
    this.#image = image;
    this.#job = job;
    this.#host = host;
    this.#assertWanted = assertWanted;
  }

  /** The image was announced once more: the next run fetches what `job` says. */
  renew(job: NativeJob): void {
    this.#job = job;
  }

  /** Into files, devices and a writer. */
  async download(targets: CheckedTargets, options: CheckedConsumption): Promise<void> {
    const trace = traceOf(this.#image, targets);
    await this.#traced(trace, () => this.#download(targets, options, trace));
  }

  async #download(
    targets: CheckedTargets,
    options: CheckedConsumption,
    trace: ConsumptionTrace,
  ): Promise<void> {
    if (this.#image.files.length > 0) assertDirectories(targets);
    const native = this.#nativeOptions(options);
    const delta = deltaOf(this.#image, options, this.#host.maxSize);
    const { native: files, writer } = withDelta(targets, delta);
    const run = this.#begin(targets.path, options, trace);
    if (delta === undefined && this.#image.files.length === 0) clearBeside(files);
    if (writer === undefined) {
      await writeFiles(this.#job, run, files, native);
      return;
    }
    const recycle = !writer.keepsChunks;
    const openReader = (): ChunkReader =>
      this.#openReader(run, {
        targets: files,
        download: {
          ...native,
          resume: false,
          share: false,
          chunkSize: SMALL_CHUNK_SIZE,
          recycle,
        },
        stopEndsRun: false,
      });
    await writeImage(run, writer, openReader);
  }

  /** In chunks; begins when the first one is asked for. */
  chunks(options: CheckedChunks): AsyncGenerator<Uint8Array, void, undefined> {
    const { chunkSize } = options;
    const delta = deltaOf(this.#image, options, this.#host.maxSize);
    // A difference's chunks are used up before the next is asked for.
    const recycle = options.recycle || delta !== undefined;
    return new ImageChunks({
      begin: () => this.#beginChunks(options),
      openReader: (run) =>
        this.#openReader(run, {
          targets: [],
          download: { ...this.#nativeOptions(options), chunkSize, recycle },
          stopEndsRun: true,
        }),
      recycle,
      ...(delta && { applied: (chunks) => appliedChunks(delta, chunks, options.recycle) }),
    });
  }

  // Traced from its first chunk to its outcome, whoever asks for the chunks meanwhile.
  #beginChunks(options: CheckedChunks): DownloadRun {
    const trace = traceOf(this.#image);
    let run!: DownloadRun; // set at once, or begin() throws
    const begin = (): Promise<void> => {
      run = this.#begin(undefined, options, trace);
      return run.outcome;
    };
    this.#traced(trace, begin).catch(() => {});
    return run;
  }

  #traced(trace: ConsumptionTrace, call: () => Promise<void>): Promise<void> {
    return this.#host.isPublished ? traced('download', trace, call) : call();
  }

  /** Throws `ERR_UNSUPPORTED` for an image of several files, which has no order of bytes. */
  assertOneImage(): void {
    if (this.#image.files.length === 0) return;
    const detail = 'the upgrade has several files; use download(directory)';
    throw new IotkitError('ERR_UNSUPPORTED', detail);
  }

  /** The outcome of the run that is under way, or else of the last one. */
  async outcome(): Promise<void> {
    if (this.#run === undefined) {
      throw new IotkitError('ERR_INVALID_STATE', 'the image has not been downloaded');
    }
    await this.#run.outcome;
  }

  /** The progress of the run that is under way, or else of the next one. */
  progress(signal: AbortSignal | undefined): Feed<Progress> {
    const feed = this.#feeds.open(signal);
    if (this.#hasEnded && !this.#run?.running) this.#feeds.end();
    return feed;
  }

  get state(): UpgradeState {
    return this.#states.current;
  }

  /** The present state, then those of the run that is under way, or else of the next one. */
  states(signal: AbortSignal | undefined): Feed<UpgradeState> {
    const feed = this.#states.open(signal);
    if (this.#hasEnded && !this.#run?.running) this.#states.end();
    return feed;
  }

  /** Calls `listener` with each change of the state. */
  onState(listener: (state: UpgradeState) => void): Subscription {
    return this.#states.listen(listener);
  }

  /** No further run begins: who iterates gets what the present run still says, or nothing. */
  endFeeds(): void {
    this.#hasEnded = true;
    if (this.#run?.running) return;
    this.#feeds.end();
    this.#states.end();
  }

  pause(paused: boolean): void {
    this.#run?.pause(paused);
  }

  get retrying(): Retrying | undefined {
    return this.#run?.retrying;
  }

  get paused(): boolean {
    return this.#run?.paused ?? false;
  }

  cancel(reason: unknown): void {
    this.#run?.cancel(reason);
  }

  /** Throws `ERR_BUSY` while a run is under way. */
  assertIdle(): void {
    if (this.#run?.running) {
      throw new IotkitError('ERR_BUSY', 'the upgrade is being downloaded already');
    }
  }

  #tellWatched(): void {
    this.#host.onWatched(this, this.#feeds.watched || this.#states.watched);
  }

  #begin(
    path: string | undefined,
    { signal, onProgress, reportUpTo }: CheckedConsumption,
    trace: ConsumptionTrace,
  ): DownloadRun {
    throwIfAborted(signal);
    this.#assertWanted();
    this.assertIdle();
    provideTrust();
    const { module = '', size } = this.#image;
    const reporter = reportUpTo > 0 ? this.#host.openReporter(module, size, reportUpTo) : undefined;
    const run = new DownloadRun({
      upgrade: this.#image,
      isPublished: this.#host.isPublished,
      path,
      reporter,
      feeds: this.#feeds,
      states: this.#states,
      onProgress,
      signal,
      onEnd: (ended) => {
        const { bytes, sharedAs } = ended;
        Object.assign(trace, bytes, sharedAs !== undefined && { sharedAs });
        this.#host.onRunEnd(ended);
      },
    });
    this.#host.onRunStart(run);
    this.#run = run;
    return run;
  }

  #nativeOptions({ resume, share, ...given }: CheckedConsumption): NativeDownloadOptions {
    return { resume, share, signatures: signaturesOf(this.#image, given) };
  }

  /** Starts the run. */
  #openReader(run: DownloadRun, options: Omit<ChunkReaderOptions, 'size'>): ChunkReader {
    const reader = new ChunkReader(this.#job, run, { size: this.#image.size, ...options });
    run.received(0);
    return reader;
  }
}

/** The signature of the image, or of each of its files in their order. */
function signaturesOf(
  { files }: ConsumedImage,
  { signature, signatures }: ImageSignatures,
): NativeDownloadOptions['signatures'] {
  const names = files.map(({ name }) => name);
  const unknown = [...signatures.keys()].find((name) => !names.includes(name));
  if (unknown !== undefined) {
    throw conflict(`signatures has ${JSON.stringify(unknown)}, which is no file of the upgrade`);
  }
  if (names.length === 0) return [signature];
  if (signature !== undefined) {
    throw conflict('signature is of one image; the upgrade has several files, see signatures');
  }
  return names.map((name) => signatures.get(name));
}

/** A difference with a base goes through JavaScript, whatever the target is. */
function withDelta(targets: CheckedTargets, delta: DeltaSource | undefined): CheckedTargets {
  if (delta === undefined) return targets;
  return { ...targets, native: [], writer: deltaTarget(delta, targets) };
}

function assertDirectories({ native, writer }: CheckedTargets): void {
  if (writer === undefined && !native.some(({ inPlace }) => inPlace)) return;
  const detail = 'the upgrade has several files, which go into a directory';
  throw new IotkitError('ERR_UNSUPPORTED', detail);
}
