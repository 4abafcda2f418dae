// Tested by test/unit/delta/apply.test.ts
/** The bytes of a delta, in pieces of the size that is wanted: first as they are, then decompressed. */
import { type BrotliDecompress, createBrotliDecompress } from 'node:zlib';
import { checkWindow, damaged } from './format';

/** What is decompressed at a time. */
const PIECE = 64 * 1024;

const nothing = new Uint8Array(0);

/**
 * Reads a delta as it arrives. It asks for more only when what came is used up, so whoever sends
 * is held back. Thread: JavaScript; decompressing runs in the runtime's pool.
 */
export class PatchReader {
  readonly #source: AsyncIterator<Uint8Array>;
  /** Came, and is not used up. */
  #rest: Uint8Array = nothing;
  #hasEnded = false;
  /** Whether a next() of the source is under way. */
  #isAsking = false;
  /** Ends the wait for it. */
  #stop = (): void => {};
  #brotli: BrotliDecompress | undefined;
  #pieces: AsyncIterator<Buffer> | undefined;
  #piece: Uint8Array = nothing;
  #feeding: Promise<void> | undefined;
  /** Bytes that the decompressor was given. */
  #fed = 0;
  /** Why the source gave no more; thrown as it is. */
  #failure: { readonly reason: unknown } | undefined;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** Bytes that are not compressed; fewer if the delta ends before. */
  async plain(count: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(count);
    for (let at = 0; at < count; ) {
      if (this.#rest.length === 0 && !(await this.#more())) return bytes.subarray(0, at);
      const taken = this.#rest.subarray(0, count - at);
      bytes.set(taken, at);
      at += taken.length;
      this.#rest = this.#rest.subarray(taken.length);
    }
    return bytes;
  }

  /** What follows is one compressed stream. */
  async decompress(): Promise<void> {
    if (this.#rest.length === 0 && !(await this.#more())) throw damaged('it ends with its header');
    checkWindow(this.#rest[0] as number);
    const brotli = createBrotliDecompress({ chunkSize: PIECE });
    this.#brotli = brotli;
    this.#pieces = brotli[Symbol.asyncIterator]();
    this.#feeding = this.#feed(brotli);
  }

  /** Fills `out` from `from` up to `to` with decompressed bytes; throws if there are not as many. */
  async fill(out: Uint8Array, from: number, to: number): Promise<void> {
    for (let at = from; at < to; ) {
      if (this.#piece.length === 0 && !(await this.#next())) throw damaged('it ends too early');
      const taken = this.#piece.subarray(0, to - at);
      out.set(taken, at);
      at += taken.length;
      this.#piece = this.#piece.subarray(taken.length);
    }
  }

  /** Reads to the end of the delta; throws if anything is left, compressed or after that. */
  async end(): Promise<void> {
    if (this.#piece.length > 0 || (await this.#next())) throw damaged('it makes too much');
    await this.#feeding;
    this.#throwFailure();
    if (this.#brotli?.bytesWritten !== this.#fed) throw damaged('something follows its end');
  }

  /**
   * Nothing more is wanted: `reason` ends whoever waits. The source is left, and waited for unless
   * it was asked for bytes: a generator may then never return.
   */
  async close(reason?: unknown): Promise<void> {
    if (reason !== undefined) this.#failure ??= { reason };
    this.#stop();
    this.#brotli?.destroy();
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    const left = this.#source.return?.();
    if (this.#isAsking) Promise.resolve(left).catch(() => {});
    else await left;
  }

  async #more(): Promise<boolean> {
    while (this.#rest.length === 0 && !this.#hasEnded) {
      const { done, value } = await this.#ask();
      if (done === true) this.#hasEnded = true;
      else this.#rest = value;
    }
    return !this.#hasEnded;
  }

  async #ask(): Promise<IteratorResult<Uint8Array>> {
    this.#isAsking = true;
    const stopped = new Promise<never>((_, reject) => {
      this.#stop = () => reject(this.#failure?.reason);
    });
    try {
      return await Promise.race([this.#source.next(), stopped]);
    } catch (error) {
      // It has thrown, so it gives no more; or it was stopped, and close() leaves it.
      if (this.#failure === undefined) this.#hasEnded = true;
      throw error;
    } finally {
      this.#stop = () => {};
      if (this.#failure === undefined) this.#isAsking = false;
    }
  }

  async #next(): Promise<boolean> {
    let done: boolean | undefined;
    try {
      const result = await this.#pieces?.next();
      done = result?.done;
      this.#piece = done === true ? nothing : (result?.value ?? nothing);
    } catch (cause) {
      this.#throwFailure();
      throw damaged(`it cannot be decompressed (${(cause as Error).message})`, { cause });
    }
    this.#throwFailure();
    return done !== true;
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.reason;
  }

  /** Never rejects: what goes wrong is thrown to whoever reads. */
  async #feed(brotli: BrotliDecompress): Promise<void> {
    // One of each, however many chunks come: the end, an error and close() end a write as well.
    let settle = (): void => {};
    for (const event of ['end', 'error', 'close']) brotli.on(event, () => settle());
    try {
      while (this.#rest.length > 0 || (await this.#more())) {
        const chunk = this.#rest;
        this.#rest = nothing;
        this.#fed += chunk.length;
        // After its end or an error it takes nothing; the count shows what was left.
        if (brotli.readableEnded || brotli.destroyed) continue;
        await new Promise<void>((resolve) => {
          settle = resolve;
          brotli.write(chunk, () => resolve());
        });
      }
      brotli.end();
    } catch (reason) {
      this.#failure ??= { reason };
      brotli.destroy();
    }
  }
}
