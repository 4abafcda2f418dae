// Tested by test/unit/testing/fake-platform.test.ts
/** An announced image that is in memory: what the addon has as a job. */
import { createHash } from 'node:crypto';
import { open, rename, writeFile } from 'node:fs/promises';
import type {
  NativeChunkDownload,
  NativeDownloadOptions,
  NativeFileDownload,
  NativeJob,
  NativeOnPhase,
  NativePhase,
  NativeTarget,
  NativeUpgradeInfo,
} from '../addon/binding';
import { type ErrorCode, IotkitError } from '../base/errors';

/** An upgrade that the fake platform announces. */
export interface FakeNotice {
  /** The version it updates to. */
  readonly version: string;
  /** The image. */
  readonly data: Uint8Array;
  /** Default: the default module. */
  readonly module?: string | undefined;
  /** What the operator has attached. Default: nothing. */
  readonly extData?: Readonly<Record<string, unknown>> | undefined;
  /** Whether the image is a difference to the running version. Default false. */
  readonly isDiff?: boolean | undefined;
  /**
   * How its downloads end when their bytes have been received, one after the other: with these
   * errors, then well.
   */
  readonly failures?: readonly ErrorCode[] | undefined;
  /**
   * Tries that fail with these errors in the middle of the first download, one after the other; it
   * goes on by itself.
   */
  readonly retries?: readonly ErrorCode[] | undefined;
  /**
   * Bytes that an earlier download has left on disk, which every download into a file proves, and
   * begins after. Default 0.
   */
  readonly onDisk?: number | undefined;
}

/** @internal What is left of what the notice's downloads are to do; shared by its jobs. */
export interface FakeScript {
  readonly failures: ErrorCode[];
  readonly retries: ErrorCode[];
}

const CHUNK_BYTES = 64 * 1024;

/** What a pause holds up; the rest goes on. */
const heldUp: ReadonlySet<NativePhase> = new Set(['queued', 'downloading', 'retrying']);

type OnChunk = Parameters<NativeChunkDownload['take']>[0];

// That of the program may be a fake one by the time it is called.
const { setImmediate: schedule } = globalThis;
const nextTurn = (): Promise<void> => new Promise((resolve) => schedule(resolve));

/** @internal */
export class FakeJob implements NativeJob {
  readonly info: NativeUpgradeInfo;
  readonly #data: Uint8Array;
  readonly #onDisk: number;
  readonly #script: FakeScript;

  constructor(id: string, notice: FakeNotice, script: FakeScript) {
    this.#data = notice.data;
    this.#onDisk = notice.onDisk ?? 0;
    this.#script = script;
    this.info = {
      id,
      module: notice.module ?? '',
      version: notice.version,
      url: `https://fake.invalid/${notice.version}`,
      size: notice.data.byteLength,
      digestMethod: 'sha256',
      digest: createHash('sha256').update(notice.data).digest('hex'),
      digestSign: '',
      statementSign: '',
      isDiff: notice.isDiff ?? false,
      extData: notice.extData === undefined ? '' : JSON.stringify(notice.extData),
      files: [],
    };
  }

  download(
    targets: readonly NativeTarget[],
    { resume }: NativeDownloadOptions,
    onProgress: (received: number, resumed: number) => void,
    onEnd: (errno: number, detail: string) => void,
    onPhase: NativeOnPhase,
  ): NativeFileDownload {
    const transfer = new Transfer(onPhase);
    this.#receive(transfer, resume ? this.#onDisk : 0, onProgress)
      .then(() => this.#complete(transfer, targets))
      .then(
        () => onEnd(0, ''),
        (error: unknown) => onEnd(...failureOf(error)),
      );
    return transfer;
  }

  async #receive(
    transfer: Transfer,
    onDisk: number,
    onProgress: (received: number, resumed: number) => void,
  ): Promise<void> {
    await transfer.queue();
    if (onDisk > 0) await transfer.prove();
    transfer.enter('downloading');
    const size = this.#data.byteLength;
    for (let received = onDisk; ; received += CHUNK_BYTES) {
      await transfer.turn();
      onProgress(Math.min(received, size), onDisk);
      if (received >= size) return;
      if (received + CHUNK_BYTES >= size / 2) await transfer.retry(this.#script.retries);
    }
  }

  async #complete(transfer: Transfer, targets: readonly NativeTarget[]): Promise<void> {
    transfer.enter('verifying');
    const code = this.#script.failures.shift();
    if (code !== undefined) throw new IotkitError(code, 'as the test has asked for');
    if (targets.length > 0) transfer.enter('committing');
    for (const target of targets) await write(target, this.#data);
  }

  chunks(
    targets: readonly NativeTarget[],
    _options: NativeDownloadOptions,
    onPhase: NativeOnPhase,
  ): FakeChunks {
    const transfer = new Transfer(onPhase);
    return new FakeChunks(this.#data, transfer, this.#script.retries, () =>
      this.#complete(transfer, targets),
    );
  }
}

/** What may be stopped and paused, and reports its phases as the addon does. */
class Transfer implements NativeFileDownload {
  readonly #onPhase: NativeOnPhase;
  #phase: NativePhase = 'queued';
  #failed: Parameters<NativeOnPhase> | undefined;
  #isAborted = false;
  #paused: Promise<void> | undefined;
  #resume: () => void = () => {};

  constructor(onPhase: NativeOnPhase) {
    this.#onPhase = onPhase;
  }

  abort(): void {
    this.#isAborted = true;
    this.#setPaused(false);
  }

  pause(paused: boolean): void {
    if (paused === (this.#paused !== undefined)) return;
    this.#setPaused(paused);
    if (!heldUp.has(this.#phase)) return;
    if (paused) this.#report('paused');
    else this.#report(this.#phase);
  }

  enter(phase: NativePhase): void {
    this.#phase = phase;
    if (this.#paused === undefined || !heldUp.has(phase)) this.#report(phase);
    else this.#report('paused');
  }

  /** Its turn comes at once. */
  async queue(): Promise<void> {
    await nextTurn();
    this.#throwIfAborted();
  }

  /** What is on disk is proven, also while it is paused. */
  async prove(): Promise<void> {
    this.enter('proving');
    await nextTurn();
    this.#throwIfAborted();
  }

  /** These tries fail, one after the other. */
  async retry(codes: ErrorCode[]): Promise<void> {
    for (let attempt = 1; codes.length > 0; attempt += 1) {
      const { errno } = new IotkitError(codes.shift() as ErrorCode);
      this.#failed = ['retrying', attempt, errno, 'as the test has asked for', 0];
      this.enter('retrying');
      await this.turn();
    }
    if (this.#phase === 'retrying') this.enter('downloading');
  }

  #report(phase: NativePhase): void {
    if (phase === 'retrying' && this.#failed !== undefined) this.#onPhase(...this.#failed);
    else this.#onPhase(phase, 0, 0, '', 0);
  }

  #throwIfAborted(): void {
    if (this.#isAborted) throw new IotkitError('ERR_ABORTED');
  }

  #setPaused(paused: boolean): void {
    this.#resume();
    this.#paused = paused
      ? new Promise((resolve) => {
          this.#resume = resolve;
        })
      : undefined;
  }

  /** Waits until it may go on. */
  async turn(): Promise<void> {
    await nextTurn();
    while (this.#paused !== undefined) await this.#paused;
    this.#throwIfAborted();
  }
}

/** The image in chunks: one for each that room was lent for. */
class FakeChunks implements NativeChunkDownload {
  readonly #data: Uint8Array;
  readonly #transfer: Transfer;
  readonly #retries: ErrorCode[];
  readonly #complete: () => Promise<void>;
  #offset = 0;
  #isTaken = false;

  constructor(
    data: Uint8Array,
    transfer: Transfer,
    retries: ErrorCode[],
    complete: () => Promise<void>,
  ) {
    this.#data = data;
    this.#transfer = transfer;
    this.#retries = retries;
    this.#complete = complete;
  }

  lend(): boolean {
    return true;
  }

  take(onChunk: OnChunk): boolean {
    if (this.#isTaken) return false;
    this.#isTaken = true;
    this.#next().then(
      (chunk) => {
        this.#isTaken = false;
        if (chunk === undefined) onChunk(0, '');
        else onChunk(0, '', chunk.buffer, chunk.byteLength);
      },
      (error: unknown) => {
        this.#isTaken = false;
        onChunk(...failureOf(error));
      },
    );
    return true;
  }

  settle(): void {}

  pause(paused: boolean): void {
    this.#transfer.pause(paused);
  }

  close(onEnd: () => void): void {
    this.#transfer.abort();
    schedule(onEnd);
  }

  // A chunk has memory of its own, no larger than the smallest that a program may ask for.
  async #next(): Promise<Uint8Array<ArrayBuffer> | undefined> {
    if (this.#offset === 0) {
      await this.#transfer.queue();
      this.#transfer.enter('downloading');
    }
    await this.#transfer.turn();
    if (this.#offset >= this.#data.byteLength / 2) await this.#transfer.retry(this.#retries);
    const chunk = this.#data.slice(this.#offset, this.#offset + 4096);
    this.#offset += chunk.byteLength;
    if (chunk.byteLength > 0) return new Uint8Array(chunk);
    await this.#complete();
    return undefined;
  }
}

async function write(target: NativeTarget, data: Uint8Array): Promise<void> {
  try {
    if (target.inPlace) {
      const file = await open(target.path, 'r+');
      await file.write(data, 0, data.byteLength, target.base).finally(() => file.close());
    } else {
      await writeFile(`${target.path}.part`, data);
      await rename(`${target.path}.part`, target.path);
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const known = code === 'ENOENT' ? 'ERR_FILE_NOT_FOUND' : 'ERR_FILE';
    throw new IotkitError(known, `${target.path}: ${code}`);
  }
}

function failureOf(error: unknown): [errno: number, detail: string] {
  const { errno, detail } = IotkitError.is(error) ? error : new IotkitError('ERR_INTERNAL');
  return [errno, detail];
}
