/** The image in buffers that are lent to the addon: what chunks() and writers read. */
import type {
  NativeChunkDownload,
  NativeDownloadOptions,
  NativeJob,
  NativeTarget,
} from './binding';
import { IotkitError } from './errors';
import { unwrap } from './native';
import type { Run, RunControl } from './run';

/** Enough for network and digest to go on while a chunk is consumed. */
const LENT_BUFFERS = 4;

/**
 * A reader that was dropped half way has been ended by the addon; this frees its upgrade for
 * another.
 */
const dropped = new FinalizationRegistry<Run>((run) => {
  run.fail(new IotkitError('ERR_ABORTED', 'the iteration was dropped'));
});

export interface ChunkReaderOptions {
  /** Bytes of the image. */
  readonly size: number;
  /** Upper bound of a chunk, bytes. */
  readonly chunkSize: number;
  /** Get every byte as well. */
  readonly stores: readonly NativeTarget[];
  readonly download: NativeDownloadOptions;
  /**
   * Whether the run ends as soon as it is stopped, because nobody may ask for a chunk any more; else
   * who reads ends it.
   */
  readonly stopEndsRun: boolean;
}

/** Reads the image of a run, in order. */
export class ChunkReader {
  readonly #download: NativeChunkDownload;
  readonly #run: Run;
  readonly #size: number;
  readonly #chunkSize: number;
  #lent = 0;
  #received = 0;

  /** Starts the run. */
  constructor(job: NativeJob, run: Run, options: ChunkReaderOptions) {
    this.#download = unwrap(job.chunks(options.stores, options.download));
    this.#run = run;
    this.#size = options.size;
    this.#chunkSize = options.chunkSize;
    dropped.register(this.#download, run, run);
    run.start(control(run, new WeakRef(this.#download), options.stopEndsRun));
    for (let i = 0; i < LENT_BUFFERS; i += 1) this.lend();
  }

  /** The next chunk, or undefined: the image is complete and verified. */
  async next(): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const chunk = await take(this.#download);
    if (chunk !== undefined) {
      this.#lent -= 1;
      this.#received += chunk.byteLength;
    }
    return chunk;
  }

  /** Lends memory for another chunk if there will be one: this, or where it is gone, new one. */
  lend(buffer?: ArrayBuffer): void {
    const left = this.#size - this.#received;
    if (this.#lent >= LENT_BUFFERS || this.#lent * this.#chunkSize >= left) return;
    if (buffer === undefined || !this.#download.lend(buffer)) {
      this.#download.lend(new ArrayBuffer(this.#chunkSize));
    }
    this.#lent += 1;
  }

  /** Every chunk is used: the stores may be completed. */
  settle(): void {
    this.#download.settle();
  }

  /** Ends it; resolves when the addon has. */
  async close(): Promise<void> {
    dropped.unregister(this.#run);
    await new Promise<void>((resolve) => this.#download.close(resolve));
  }
}

// The run must not keep the download alive, or a dropped reader would never be collected: so no
// closure here may share a scope with a strong reference to it.
function control(
  run: Run,
  download: WeakRef<NativeChunkDownload>,
  stopEndsRun: boolean,
): RunControl {
  const stopped = (): void => {
    if (stopEndsRun) run.fail(new IotkitError('ERR_ABORTED'));
  };
  return {
    stop: () => download.deref()?.close(stopped),
    pause: (paused) => download.deref()?.pause(paused),
  };
}

function take(download: NativeChunkDownload): Promise<Uint8Array<ArrayBuffer> | undefined> {
  return new Promise((resolve, reject) => {
    download.take((errno, detail, buffer, length) => {
      if (errno !== 0) reject(IotkitError.fromErrno(errno, detail));
      else resolve(buffer === undefined ? undefined : new Uint8Array(buffer, 0, length));
    });
  });
}
