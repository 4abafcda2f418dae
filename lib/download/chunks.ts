/** Two ways of consuming an image: in chunks, and as a web stream made of them. */
import { IotkitError } from '../base/errors';
import type { ChunkReader } from './chunk-reader';
import type { DownloadRun } from './run';

export interface ImageChunksOptions {
  /** Begins the run; called when the first chunk is asked for. */
  readonly begin: () => DownloadRun;
  readonly openReader: (run: DownloadRun) => ChunkReader;
  /** Room is lent again only when the consumer asks for the next chunk. */
  readonly recycle: boolean;
  /** What is handed out instead: the image that a difference makes. */
  readonly applied?: ((delta: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>) | undefined;
}

/**
 * The iteration over an image. An async generator alone would not do: its return() and throw() wait
 * until next() has settled, which a stalled or paused download does not do.
 */
export class ImageChunks implements AsyncGenerator<Uint8Array, void, undefined> {
  readonly #options: ImageChunksOptions;
  readonly #chunks: AsyncGenerator<Uint8Array, void, undefined>;
  #run: DownloadRun | undefined;
  #left = false;
  #received = 0;

  constructor(options: ImageChunksOptions) {
    this.#options = options;
    this.#chunks = this.#read();
  }

  next(): Promise<IteratorResult<Uint8Array, void>> {
    return this.#chunks.next();
  }

  /** Ends the download at once; a next() that waits then has no chunk. */
  return(): Promise<IteratorResult<Uint8Array, void>> {
    this.#left = true;
    this.#run?.cancel(leaving());
    return this.#chunks.return();
  }

  /** Ends the download at once with `error`, which a next() that waits rejects with as well. */
  throw(error: unknown): Promise<IteratorResult<Uint8Array, void>> {
    if (isAbort(error)) this.#run?.cancel(error);
    else this.#run?.breakOff(error);
    return this.#chunks.throw(error);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  async *#read(): AsyncGenerator<Uint8Array, void, undefined> {
    const { begin, openReader, applied } = this.#options;
    const run = begin();
    this.#run = run;
    let reader: ChunkReader | undefined;
    try {
      reader = openReader(run);
      if (applied === undefined) {
        // Not by a generator of its own: each costs every chunk some turns of microtasks.
        for (;;) {
          const chunk = await this.#ask(reader);
          if (chunk === undefined) break;
          this.#took(run, reader, chunk);
          yield chunk;
        }
      } else {
        yield* applied(this.#receive(run, reader));
      }
      run.succeed();
    } catch (error) {
      const failure = run.fail(error);
      if (!this.#left) throw failure;
    } finally {
      await reader?.close();
      if (run.running) run.fail(leaving());
    }
  }

  async *#receive(
    run: DownloadRun,
    reader: ChunkReader,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    for (;;) {
      const chunk = await this.#ask(reader);
      if (chunk === undefined) return;
      this.#took(run, reader, chunk);
      yield chunk;
    }
  }

  /** Whoever asks for a chunk needs the one before no longer. */
  #ask(reader: ChunkReader): Promise<Uint8Array | undefined> {
    if (this.#options.recycle && this.#received > 0) reader.lend();
    return reader.next();
  }

  #took(run: DownloadRun, reader: ChunkReader, chunk: Uint8Array): void {
    this.#received += chunk.byteLength;
    run.received(this.#received);
    if (!this.#options.recycle) reader.lend();
  }
}

function leaving(): IotkitError {
  return new IotkitError('ERR_ABORTED', 'the iteration was left');
}

/** What AbortSignals and streams that are told to stop give as the reason: no failure. */
function isAbort(error: unknown): boolean {
  return (
    typeof error === 'object' && error !== null && 'name' in error && error.name === 'AbortError'
  );
}

/** A stream of bytes that reads nothing before it is asked; cancelling it leaves the iteration. */
export function streamOf(
  chunks: AsyncGenerator<Uint8Array, void, undefined>,
): ReadableStream<Uint8Array> {
  let cancelled = false;
  return new ReadableStream(
    {
      type: 'bytes',
      async pull(controller) {
        const { done, value } = await chunks.next();
        if (cancelled) return;
        if (done !== true) {
          controller.enqueue(value);
          return;
        }
        controller.close();
        controller.byobRequest?.respond(0);
      },
      async cancel() {
        cancelled = true;
        await chunks.return();
      },
    },
    { highWaterMark: 0 },
  );
}
