/** Reads an image in chunks of the addon's memory: chunks() and writers are built on it. */
import type {
  NativeChunkDownload,
  NativeChunkOptions,
  NativeJob,
  NativeOnPhase,
  NativeTarget,
} from '../addon/binding';
import { errorOf, unwrap } from '../addon/load';
import { IotkitError } from '../base/errors';
import type { DownloadControl, DownloadRun } from './run';

/** Network and digest go on while the consumer uses a chunk: room for so many bytes, in two to four chunks. */
const LENT_BYTES = 1024 * 1024;

/**
 * If a reader is dropped half way, the addon ends its download when the object is collected; this
 * then ends the run, so that the upgrade can be consumed again.
 */
const dropped = new FinalizationRegistry<DownloadRun>((run) => {
  run.fail(new IotkitError('ERR_ABORTED', 'the iteration was dropped'));
});

export interface ChunkReaderOptions {
  /** Bytes of the image. */
  readonly size: number;
  /** The addon writes every byte to these as well. */
  readonly targets: readonly NativeTarget[];
  readonly download: NativeChunkOptions;
  /**
   * Whether stopping ends the run by itself, because possibly nobody asks for a chunk any more; if
   * not, the code that reads ends it.
   */
  readonly stopEndsRun: boolean;
}

/** Reads the image of a run, in order. */
export class ChunkReader {
  readonly #download: NativeChunkDownload;
  readonly #run: DownloadRun;
  readonly #size: number;
  readonly #chunkSize: number;
  readonly #mostLent: number;
  #lent = 0;
  #received = 0;

  /** Starts the run. */
  constructor(job: NativeJob, run: DownloadRun, options: ChunkReaderOptions) {
    this.#download = unwrap(job.chunks(options.targets, options.download, onPhaseOf(run)));
    this.#run = run;
    this.#size = options.size;
    this.#chunkSize = options.download.chunkSize;
    this.#mostLent = Math.min(Math.max(Math.ceil(LENT_BYTES / this.#chunkSize), 2), 4);
    dropped.register(this.#download, run, run);
    run.start(control(run, new WeakRef(this.#download), options.stopEndsRun));
    for (let i = 0; i < this.#mostLent; i += 1) this.lend();
  }

  /** The next chunk, or undefined: the image is complete and verified. */
  next(): Promise<Uint8Array<ArrayBuffer> | undefined> {
    return new Promise((resolve, reject) => {
      this.#download.take((errno, detail, buffer, length) => {
        if (errno !== 0) reject(errorOf(errno, detail));
        else if (buffer === undefined) resolve(undefined);
        else resolve(this.#took(new Uint8Array(buffer, 0, length)));
      });
    });
  }

  #took(chunk: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
    this.#lent -= 1;
    this.#received += chunk.byteLength;
    return chunk;
  }

  /** Lends room for one more chunk, unless no more will come. */
  lend(): void {
    const left = this.#size - this.#received;
    if (this.#lent >= this.#mostLent || this.#lent * this.#chunkSize >= left) return;
    if (!this.#download.lend()) throw new IotkitError('ERR_NO_MEMORY');
    this.#lent += 1;
  }

  /** The consumer has used every chunk: the addon may complete its targets. */
  settle(): void {
    this.#download.settle();
  }

  /** Ends the download; resolves when the addon has ended it. */
  async close(): Promise<void> {
    dropped.unregister(this.#run);
    await new Promise<void>((resolve) => this.#download.close(resolve));
  }
}

/** A function that holds nothing but the run: see {@link control}. */
function onPhaseOf(run: DownloadRun): NativeOnPhase {
  return (...change) => run.entered(...change);
}

// The run must not keep the download alive, or a dropped reader would never be collected: so no
// closure here may share a scope with a strong reference to it.
function control(
  run: DownloadRun,
  download: WeakRef<NativeChunkDownload>,
  stopEndsRun: boolean,
): DownloadControl {
  const stopped = (): void => {
    if (stopEndsRun) run.fail(new IotkitError('ERR_ABORTED'));
  };
  return {
    stop: () => download.deref()?.close(stopped),
    pause: (paused) => download.deref()?.pause(paused),
  };
}
