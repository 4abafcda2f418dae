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
    const { begin, openReader, recycle } = this.#options;
    const run = begin();
    this.#run = run;
    let reader: ChunkReader | undefined;
    try {
      reader = openReader(run);
      let received = 0;
      for (;;) {
        const chunk = await reader.next();
        if (chunk === undefined) break;
        received += chunk.byteLength;
        run.received(received);
        if (!recycle) reader.lend();
        yield chunk;
        if (recycle) reader.lend();
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
