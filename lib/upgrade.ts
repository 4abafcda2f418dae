import { inspect } from 'node:util';
import {
  abortSignal,
  callback,
  options as checkOptions,
  flag,
  integer,
  optional,
  text,
} from './arguments';
import type { NativeChunkDownload, NativeJob } from './binding';
import { IotkitError } from './errors';
import { unwrap } from './native';
import { type Progress, ProgressViews } from './progress';
import { Reporter } from './reporter';
import { type Announced, Run } from './run';

export interface DownloadOptions {
  /** Cancels the download: it rejects with the signal's reason and leaves no file. */
  readonly signal?: AbortSignal;
  /**
   * Called at 0 %, at most every 100 ms, and at 100 %. What it throws cancels the download as long as
   * bytes are missing.
   */
  readonly onProgress?: (progress: Progress) => void;
  /**
   * Whether the platform is told: 0, growing percentages, 100 or the code of the failure. Default
   * true.
   */
  readonly report?: boolean;
}

export interface ChunksOptions extends DownloadOptions {
  /**
   * `true`: a chunk is valid until the next one is asked for, and its memory is used again. Default
   * `false`: each chunk has memory of its own.
   */
  readonly recycle?: boolean;
  /** Upper bound of a chunk, bytes, 4,096-16,777,216. Default 262,144. */
  readonly chunkSize?: number;
}

export interface ProgressOptions {
  /** Ends the iteration by throwing its reason; the download goes on. */
  readonly signal?: AbortSignal;
}

/** The OTA channel, as far as its upgrades need it. */
export interface UpgradeHost {
  /** Throws if it is closed. */
  onRunStart(run: Run): void;
  onRunEnd(run: Run): void;
  sendStep(module: string, step: number, desc: string): void;
}

const DEFAULT_CHUNK_SIZE = 256 * 1024;
/**
 * Buffers that are lent at once: enough for network and digest to go on while a chunk is consumed.
 */
const LENT_BUFFERS = 4;

/**
 * A chunks() iteration that was dropped half way has been ended by the addon; this frees its
 * upgrade for another.
 */
const dropped = new FinalizationRegistry<Run>((run) => {
  run.fail(new IotkitError('ERR_ABORTED', 'the iteration was dropped'));
});

/**
 * One announced firmware update, and the download of it: into a file, or in chunks. One consumption
 * at a time (`ERR_BUSY`); after it has ended, in whatever way, it may be consumed again.
 */
export class Upgrade {
  /** The id of the platform's message. */
  readonly id: string;
  /** The version to be. */
  readonly version: string;
  /** The module it is for; undefined is the default module. */
  readonly module: string | undefined;
  /** Bytes of the image. */
  readonly size: number;
  readonly digestMethod: 'md5' | 'sha256';
  /** The announced digest, lower-case hex. */
  readonly digest: string;
  /** Base64 signature over the digest, if the product has a signing key. */
  readonly digestSign: string | undefined;
  /** Whether the image is a difference to the running version. */
  readonly isDiff: boolean;
  /** What the operator has attached, parsed; `{}` if nothing. */
  readonly extData: Readonly<Record<string, unknown>>;

  readonly #job: NativeJob;
  readonly #host: UpgradeHost;
  readonly #url: string;
  readonly #views = new ProgressViews();
  #run: Run | undefined;

  /** @internal */
  constructor(job: NativeJob, host: UpgradeHost) {
    const { info } = job;
    this.#job = job;
    this.#host = host;
    this.#url = info.url;
    this.id = info.id;
    this.version = info.version;
    this.module = info.module === '' ? undefined : info.module;
    this.size = info.size;
    this.digestMethod = info.digestMethod;
    this.digest = info.digest;
    this.digestSign = info.digestSign === '' ? undefined : info.digestSign;
    this.isDiff = info.isDiff;
    this.extData = info.extData === '' ? {} : JSON.parse(info.extData);
  }

  /**
   * Where the image is. Its query is a credential: it is not part of what logging the upgrade
   * shows.
   */
  get url(): string {
    return this.#url;
  }

  /**
   * Downloads the image into a file that appears whole under its name or not at all: bytes go to
   * `path.part`, are verified and synced, then it is renamed. No byte passes through JavaScript.
   *
   * @throws {@link InvalidArgument}
   * @throws {@link IotkitError} `ERR_DIGEST_MISMATCH`, `ERR_SIZE_MISMATCH`, `ERR_HTTP_STATUS`,
   *   `ERR_URL_EXPIRED`, `ERR_NO_SPACE`, `ERR_FILE_ACCESS`, `ERR_FILE_NOT_FOUND`,
   *   `ERR_FILE_LOCKED`, `ERR_BUSY`, `ERR_CLOSED` and network errors when the tries are used up. No
   *   file is left behind.
   * @throws the signal's reason.
   */
  async download(path: string, options?: DownloadOptions): Promise<void> {
    text('path', path, { max: 4095 });
    const run = this.#begin(
      path,
      checkOptions('options', options, ['signal', 'onProgress', 'report']),
    );
    try {
      await new Promise<void>((resolve, reject) => {
        const native = unwrap(
          this.#job.download(
            path,
            (received) => run.received(received),
            (errno, detail) => {
              if (errno === 0) resolve();
              else reject(IotkitError.fromErrno(errno, detail));
            },
          ),
        );
        run.start(() => native.abort());
      });
    } catch (error) {
      throw run.fail(error);
    }
    run.succeed();
  }

  /** The image in chunks with default options: {@link Upgrade.chunks}. */
  [Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    return this.chunks();
  }

  /**
   * The image in order, in chunks of at most `chunkSize` bytes, received straight into their
   * memory. Nothing is read ahead of the consumer but four chunks. After the last chunk the image
   * is verified: if it is not the announced one, the iteration throws instead of ending. Leaving
   * the loop cancels the download.
   *
   * @throws {@link InvalidArgument}; while iterating what {@link Upgrade.download} throws, but for
   *   files.
   *
   * @example
   * for await (const chunk of upgrade.chunks({ recycle: true })) await partition.write(chunk);
   */
  chunks(options?: ChunksOptions): AsyncGenerator<Uint8Array, void, undefined> {
    const { recycle, chunkSize, ...rest } = checkOptions('options', options, [
      'signal',
      'onProgress',
      'report',
      'recycle',
      'chunkSize',
    ]);
    const size = integer('chunkSize', chunkSize ?? DEFAULT_CHUNK_SIZE, {
      min: 4096,
      max: 16 * 1024 * 1024,
    });
    return this.#iterate(rest, size, flag('recycle', recycle === undefined ? false : recycle));
  }

  /**
   * The image as a web stream of bytes; {@link Upgrade.chunks} for those who need one. Cancelling
   * it cancels the download.
   *
   * @throws {@link InvalidArgument}; the stream errors with what chunks() throws.
   */
  stream(options?: Omit<ChunksOptions, 'recycle'>): ReadableStream<Uint8Array> {
    checkOptions('options', options, ['signal', 'onProgress', 'report', 'chunkSize']);
    const chunks = this.chunks(options);
    return new ReadableStream(
      {
        type: 'bytes',
        async pull(controller) {
          const { done, value } = await chunks.next();
          if (done !== true) {
            controller.enqueue(value);
            return;
          }
          controller.close();
          controller.byobRequest?.respond(0);
        },
        async cancel() {
          await chunks.return();
        },
      },
      { highWaterMark: 0 },
    );
  }

  /**
   * The outcome of the running consumption, else of the last one: resolves if the image was
   * complete and the announced one.
   *
   * @throws {@link IotkitError} why it was not, such as `ERR_DIGEST_MISMATCH`; `ERR_INVALID_STATE`
   *   if none was begun.
   */
  async verify(): Promise<void> {
    if (this.#run === undefined) {
      throw new IotkitError('ERR_INVALID_STATE', 'the image has not been downloaded');
    }
    await this.#run.outcome;
  }

  /**
   * The progress of the running consumption, else of the next one, until it ends in whatever way. A
   * slow consumer sees the latest only.
   *
   * @throws {@link InvalidArgument}
   */
  progress(options?: ProgressOptions): AsyncIterableIterator<Progress> {
    const { signal } = checkOptions('options', options, ['signal']);
    return this.#views.open(abortSignal('signal', signal));
  }

  /** Cancels the running consumption, which then rejects with `reason` (default: `ERR_ABORTED`). */
  abort(reason?: unknown): void {
    this.#run?.cancel(reason ?? new IotkitError('ERR_ABORTED', 'abort() was called'));
  }

  /** What is announced, without the query of the URL. */
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
    };
  }

  /** @internal Not declared, so that users need no types of Node's. */
  [inspect.custom](): string {
    return `Upgrade ${inspect(this.toJSON())}`;
  }

  /** @internal Whether `other` announces the same image for the same module. */
  isSame(other: Announced): boolean {
    return (
      this.module === other.module &&
      this.version === other.version &&
      this.size === other.size &&
      this.digest === other.digest
    );
  }

  #begin(path: string | undefined, options: Partial<DownloadOptions>): Run {
    const signal = abortSignal('signal', options.signal);
    const onProgress = optional(options.onProgress, (value) => callback('onProgress', value));
    const report = flag('report', options.report === undefined ? true : options.report);
    signal?.throwIfAborted();
    if (this.#run?.running) {
      throw new IotkitError('ERR_BUSY', 'the upgrade is being downloaded already');
    }
    const module = this.module ?? '';
    const send = (step: number, desc: string) => this.#host.sendStep(module, step, desc);
    const run = new Run({
      upgrade: this,
      path,
      reporter: report ? new Reporter(this.size, send) : undefined,
      views: this.#views,
      onProgress,
      signal,
      onEnd: (ended) => this.#host.onRunEnd(ended),
    });
    this.#host.onRunStart(run);
    this.#run = run;
    return run;
  }

  async *#iterate(
    options: Partial<DownloadOptions>,
    chunkSize: number,
    recycle: boolean,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const run = this.#begin(undefined, options);
    let download: NativeChunkDownload | undefined;
    try {
      download = unwrap(this.#job.chunks());
      dropped.register(download, run, run);
      run.start(stopper(download, run));
      let lent = 0;
      let received = 0;
      const lend = (buffer: ArrayBuffer | undefined): void => {
        if (lent >= LENT_BUFFERS || lent * chunkSize >= this.size - received) return;
        if (buffer === undefined || download?.lend(buffer) === false) {
          download?.lend(new ArrayBuffer(chunkSize));
        }
        lent += 1;
      };
      for (let i = 0; i < LENT_BUFFERS; i += 1) lend(undefined);
      for (;;) {
        const chunk = await take(download);
        if (chunk === undefined) break;
        lent -= 1;
        received += chunk.byteLength;
        run.received(received);
        if (!recycle) lend(undefined);
        yield chunk;
        if (recycle) lend(chunk.buffer);
      }
      run.succeed();
    } catch (error) {
      throw run.fail(error);
    } finally {
      if (download !== undefined) {
        dropped.unregister(run);
        await closed(download);
      }
      if (run.running) run.fail(new IotkitError('ERR_ABORTED', 'the iteration was left'));
    }
  }
}

// The run must not keep the download alive, or a dropped iteration would never be collected: so no
// closure here may share a scope with a strong reference to it.
function stopper(download: NativeChunkDownload, run: Run): () => void {
  const weak = new WeakRef(download);
  return () => {
    weak.deref()?.close(() => run.fail(new IotkitError('ERR_ABORTED')));
  };
}

function closed(download: NativeChunkDownload): Promise<void> {
  return new Promise((resolve) => download.close(resolve));
}

/** The next chunk, or undefined: the image is complete and verified. */
function take(download: NativeChunkDownload): Promise<Uint8Array<ArrayBuffer> | undefined> {
  return new Promise((resolve, reject) => {
    download.take((errno, detail, buffer, length) => {
      if (errno !== 0) reject(IotkitError.fromErrno(errno, detail));
      else resolve(buffer === undefined ? undefined : new Uint8Array(buffer, 0, length));
    });
  });
}

function withoutQuery(url: string): string {
  const end = url.search(/[?#]/);
  return end === -1 ? url : `${url.slice(0, end)}?…`;
}
