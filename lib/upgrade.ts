import { inspect } from 'node:util';
import { abortSignal, options as checkOptions, conflict, outOfRange, text } from './arguments';
import type { NativeDownloadOptions, NativeJob } from './binding';
import { ChunkReader, type ChunkReaderOptions } from './chunks';
import {
  type ChunksOptions,
  type Consumption,
  checkChunks,
  checkDownload,
  DEFAULT_CHUNK_SIZE,
  type DownloadOptions,
} from './download-options';
import { IotkitError } from './errors';
import { unwrap } from './native';
import { type Progress, ProgressViews } from './progress';
import type { Reporter } from './reporter';
import { type Announced, Run } from './run';
import { checkTargets, type Destination, type ImageWriter, type Target } from './targets';
import { writeImage } from './writing';

/** One file of an upgrade that has several. */
export interface UpgradeFile {
  /** The name it gets in the directory. */
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  readonly digestMethod: 'md5' | 'sha256';
  /** The announced digest, lower-case hex. */
  readonly digest: string;
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
  openReporter(module: string, size: number, upTo: number): Reporter;
  /** The same image may be announced again, after the next connection. Throws if it is closed. */
  onDefer(upgrade: Upgrade): void;
  /** The platform is told; the same notice is not announced again. Throws if it is closed. */
  onReject(upgrade: Upgrade, reason: string): void;
}

const REASON_MAX = 1024;

/**
 * One announced firmware update, and the download of it: into files and devices, to a writer, or in
 * chunks. One consumption at a time (`ERR_BUSY`); after it has ended, in whatever way, it may be
 * consumed again.
 */
export class Upgrade {
  /** The id of the platform's message. */
  readonly id: string;
  /** The version to be. */
  readonly version: string;
  /** The module it is for; undefined is the default module. */
  readonly module: string | undefined;
  /** Bytes of the image; of several files together. */
  readonly size: number;
  readonly digestMethod: 'md5' | 'sha256';
  /** The announced digest, lower-case hex; `''` with several files, each of which has its own. */
  readonly digest: string;
  /** Base64 signature over the digest, if the product has a signing key. */
  readonly digestSign: string | undefined;
  /** Whether the image is a difference to the running version. */
  readonly isDiff: boolean;
  /** What the operator has attached, parsed; `{}` if nothing. */
  readonly extData: Readonly<Record<string, unknown>>;
  /** The files of an upgrade that has several; empty: it is one image. */
  readonly files: readonly UpgradeFile[];

  readonly #job: NativeJob;
  readonly #host: UpgradeHost;
  readonly #url: string;
  readonly #views = new ProgressViews();
  #run: Run | undefined;
  #refused: 'deferred' | 'rejected' | undefined;

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
    this.files = info.files;
  }

  /**
   * Where the image is. Its query is a credential: it is not part of what logging the upgrade
   * shows.
   */
  get url(): string {
    return this.#url;
  }

  /**
   * Downloads the image into a file, a device, a writer, or several of them at once. A file appears
   * whole under its name or not at all: bytes go to `path.part`, are verified and synced, then it is
   * renamed. Of an upgrade with several files the target is the directory, made if it is missing;
   * either all of them appear under their names or none.
   *
   * Files and devices are written by the addon, and no byte passes through JavaScript. What an
   * interrupted download has left (`path.part` and its journal) is proven and used by the next one
   * of the same image, in this or another process: see `resume`. Nothing is used or left behind
   * where a writer is among the targets, because it needs every byte.
   *
   * @throws {@link InvalidArgument}
   * @throws {@link IotkitError} `ERR_DIGEST_MISMATCH`, `ERR_SIZE_MISMATCH`, `ERR_SIGNATURE`,
   *   `ERR_SIGNATURE_MISSING`: nothing is left behind. `ERR_HTTP_STATUS`, `ERR_URL_EXPIRED`, network
   *   errors when the tries are used up, `ERR_NO_SPACE`, `ERR_FILE_ACCESS`, `ERR_FILE_NOT_FOUND`,
   *   `ERR_FILE_LOCKED`, `ERR_FILE`, `ERR_CLOSED`: what has come stays for the next time.
   *   `ERR_BUSY`, `ERR_INVALID_STATE` (deferred or rejected), `ERR_UNSUPPORTED` (several files into
   *   anything but directories).
   * @throws the signal's reason, or what the writer throws.
   */
  async download(target: Target | readonly Target[], options?: DownloadOptions): Promise<void> {
    const destination = checkTargets(target);
    const consumption = checkDownload(options);
    if (this.files.length > 0) assertDirectories(destination);
    const native = this.#nativeOptions(consumption);
    const run = this.#begin(destination.path, consumption);
    const { writer } = destination;
    if (writer === undefined) await this.#downloadToStores(run, destination, native);
    else await this.#downloadToWriter(run, writer, destination, native);
  }

  /** The image in chunks with default options: {@link Upgrade.chunks}. */
  [Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    return this.chunks();
  }

  /**
   * The image in order, in chunks of at most `chunkSize` bytes, received straight into their
   * memory. Nothing is read ahead of the consumer but four chunks. After the last chunk the image
   * is verified: if it is not the announced one, the iteration throws instead of ending. Leaving
   * the loop cancels the download. Nothing is kept of it for another time.
   *
   * @throws {@link InvalidArgument}; {@link IotkitError} `ERR_UNSUPPORTED` with several files; while
   *   iterating what {@link Upgrade.download} throws, but for files.
   *
   * @example
   * for await (const chunk of upgrade.chunks({ recycle: true })) await partition.write(chunk);
   */
  chunks(options?: ChunksOptions): AsyncGenerator<Uint8Array, void, undefined> {
    const checked = checkChunks(options);
    this.#assertOneImage();
    return this.#iterate(checked, checked.chunkSize, checked.recycle);
  }

  /**
   * The image as a web stream of bytes; {@link Upgrade.chunks} for those who need one. Cancelling
   * it cancels the download.
   *
   * @throws {@link InvalidArgument}; the stream errors with what chunks() throws.
   */
  stream(options?: Omit<ChunksOptions, 'recycle'>): ReadableStream<Uint8Array> {
    checkOptions('options', options, ['signal', 'onProgress', 'report', 'signature', 'chunkSize']);
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

  /**
   * Suspends the running consumption until {@link Upgrade.resume}: nothing is received, no time-out
   * of it runs, and it keeps its place among the downloads that run at once. Without one it does
   * nothing.
   */
  pause(): void {
    this.#run?.pause(true);
  }

  /** Continues after {@link Upgrade.pause}. */
  resume(): void {
    this.#run?.pause(false);
  }

  /** Whether the running consumption is suspended. */
  get paused(): boolean {
    return this.#run?.paused ?? false;
  }

  /**
   * Cancels the running consumption, which then rejects with `reason` (default: `ERR_ABORTED`).
   * What a file has got of it stays for the next time.
   */
  abort(reason?: unknown): void {
    this.#run?.cancel(reason ?? new IotkitError('ERR_ABORTED', 'abort() was called'));
  }

  /**
   * Not now: nothing is reported, and this object is of no more use. The platform announces the
   * upgrade again, with the next connection, and {@link Ota.check} gets it at once.
   *
   * @throws {@link IotkitError} `ERR_BUSY`, `ERR_CLOSED`, `ERR_INVALID_STATE`.
   */
  async defer(): Promise<void> {
    this.#assertIdle();
    this.#host.onDefer(this);
    this.#refused = 'deferred';
  }

  /**
   * Not at all: the platform is told step -1 with the reason (at most 1,024 bytes), as soon as there
   * is a connection, and the upgrade has failed there.
   *
   * @throws {@link InvalidArgument}; {@link IotkitError} `ERR_BUSY`, `ERR_CLOSED`,
   *   `ERR_INVALID_STATE`.
   */
  async reject(reason = ''): Promise<void> {
    text('reason', reason, { min: 0, max: REASON_MAX });
    if (Buffer.byteLength(reason) > REASON_MAX) {
      throw outOfRange('reason', 'at most 1,024 bytes', reason);
    }
    this.#assertIdle();
    this.#host.onReject(this, reason);
    this.#refused = 'rejected';
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
      ...(this.files.length > 0 && { files: this.files }),
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
      digestsOf(this) === digestsOf(other)
    );
  }

  #assertIdle(): void {
    if (this.#refused !== undefined) {
      throw new IotkitError('ERR_INVALID_STATE', `the upgrade was ${this.#refused}`);
    }
    if (this.#run?.running) {
      throw new IotkitError('ERR_BUSY', 'the upgrade is being downloaded already');
    }
  }

  #assertOneImage(): void {
    if (this.files.length === 0) return;
    const detail = 'the upgrade has several files; use download(directory)';
    throw new IotkitError('ERR_UNSUPPORTED', detail);
  }

  #nativeOptions({ resume, signature, signatures }: Consumption): NativeDownloadOptions {
    const names = this.files.map(({ name }) => name);
    const unknown = [...signatures.keys()].find((name) => !names.includes(name));
    if (unknown !== undefined) {
      throw conflict(`signatures has ${JSON.stringify(unknown)}, which is no file of the upgrade`);
    }
    if (names.length === 0) return { resume, signatures: [signature] };
    if (signature !== undefined) {
      throw conflict('signature is of one image; the upgrade has several files, see signatures');
    }
    return { resume, signatures: names.map((name) => signatures.get(name)) };
  }

  #begin(path: string | undefined, { signal, onProgress, reportUpTo }: Consumption): Run {
    signal?.throwIfAborted();
    this.#assertIdle();
    const reporter =
      reportUpTo > 0
        ? this.#host.openReporter(this.module ?? '', this.size, reportUpTo)
        : undefined;
    const run = new Run({
      upgrade: this,
      path,
      reporter,
      views: this.#views,
      onProgress,
      signal,
      onEnd: (ended) => this.#host.onRunEnd(ended),
    });
    this.#host.onRunStart(run);
    this.#run = run;
    return run;
  }

  async #downloadToStores(
    run: Run,
    { stores }: Destination,
    options: NativeDownloadOptions,
  ): Promise<void> {
    try {
      await new Promise<void>((resolve, reject) => {
        const native = unwrap(
          this.#job.download(
            stores,
            options,
            (received, resumed) => run.received(received, resumed),
            (errno, detail) => {
              if (errno === 0) resolve();
              else reject(IotkitError.fromErrno(errno, detail));
            },
          ),
        );
        run.start({
          stop: () => native.abort(),
          pause: (paused) => native.pause(paused),
        });
      });
    } catch (error) {
      throw run.fail(error);
    }
    run.succeed();
  }

  async #downloadToWriter(
    run: Run,
    writer: ImageWriter,
    { stores }: Destination,
    options: NativeDownloadOptions,
  ): Promise<void> {
    const openReader = (): ChunkReader =>
      this.#read(run, {
        stores,
        download: { ...options, resume: false },
        chunkSize: DEFAULT_CHUNK_SIZE,
        stopEndsRun: false,
      });
    await writeImage(run, writer, openReader);
  }

  async *#iterate(
    consumption: Consumption,
    chunkSize: number,
    recycle: boolean,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const run = this.#begin(undefined, consumption);
    let reader: ChunkReader | undefined;
    try {
      reader = this.#read(run, {
        stores: [],
        download: this.#nativeOptions(consumption),
        chunkSize,
        stopEndsRun: true,
      });
      let received = 0;
      for (;;) {
        const chunk = await reader.next();
        if (chunk === undefined) break;
        received += chunk.byteLength;
        run.received(received);
        if (!recycle) reader.lend();
        yield chunk;
        if (recycle) reader.lend(chunk.buffer);
      }
      run.succeed();
    } catch (error) {
      throw run.fail(error);
    } finally {
      await reader?.close();
      if (run.running) run.fail(new IotkitError('ERR_ABORTED', 'the iteration was left'));
    }
  }

  /** Starts the run. */
  #read(run: Run, options: Omit<ChunkReaderOptions, 'size'>): ChunkReader {
    const reader = new ChunkReader(this.#job, run, { size: this.size, ...options });
    run.received(0);
    return reader;
  }
}

function withoutQuery(url: string): string {
  const end = url.search(/[?#]/);
  return end === -1 ? url : `${url.slice(0, end)}?…`;
}

function assertDirectories({ stores, writer }: Destination): void {
  if (writer === undefined && !stores.some(({ inPlace }) => inPlace)) return;
  const detail = 'the upgrade has several files, which go into a directory';
  throw new IotkitError('ERR_UNSUPPORTED', detail);
}

function digestsOf({ digest, files }: Announced): string {
  return [digest, ...files.map((file) => `${file.name}:${file.digest}`)].join('/');
}
