/** Writers, and streams that are written as such: a Node.js Writable or a WritableStream. */
import type { Writable } from 'node:stream';

/**
 * A target of your own. One call at a time: the next comes when the promise of the last is settled,
 * and meanwhile no more is received than four chunks hold.
 */
export interface ImageWriter {
  /** The bytes at `offset`, in order; `chunk` is valid until the returned promise is settled. */
  write(chunk: Uint8Array, offset: number): void | Promise<void>;
  /** Every byte was written, the image is the announced one, and all other targets have it. */
  close?: (() => void | Promise<void>) | undefined;
  /** The download has failed or was cancelled: what was written is no image. Not after `close`. */
  abort?: ((reason: unknown) => void | Promise<void>) | undefined;
}

/**
 * A `Writable` of Node.js, such as a socket, a transform or what `createWriteStream()` returns, by
 * what tells it from an {@link ImageWriter}. It is ended when the image is complete and verified,
 * and destroyed if it is not; `process.stdout` and `process.stderr` are neither.
 */
export interface NodeWritable {
  /** Whether it takes any more. */
  readonly writable: boolean;
  /** Nothing more comes. */
  end(): unknown;
  /** Hears of errors between two writes. */
  on(event: 'error', listener: (error: Error) => void): unknown;
}

/**
 * A `WritableStream`, by what tells it from an {@link ImageWriter}. It is closed when the image is
 * complete and verified, and aborted if it is not.
 */
export interface WebWritable {
  /** Whether somebody else writes to it: then it is refused. */
  readonly locked: boolean;
  /** Locks it for the download. */
  getWriter(): object;
}

/** @internal A writer during one download. */
export interface OpenWriter extends ImageWriter {
  /** Calls back if it fails on its own, between two writes; returns what ends the watching. */
  watch?(onFailure: (error: unknown) => void): () => void;
}

/** @internal What a download does with a writer. */
export interface WriterTarget {
  /** It uses a chunk after its write() has settled, so each needs memory of its own. */
  readonly keepsChunks: boolean;
  /** Called once for each download. `warn` takes what is missing of a success, such as a sync. */
  readonly open: (warn: (warning: string) => void) => OpenWriter;
}

/** @internal */
export function isNodeWritable(target: object): target is NodeWritable {
  const { writable, end, on } = target as Partial<NodeWritable>;
  return typeof writable === 'boolean' && typeof end === 'function' && typeof on === 'function';
}

/** @internal */
export function isWebWritable(target: object): target is WebWritable {
  return 'getWriter' in target && typeof target.getWriter === 'function';
}

/** Whoever waits for the end of a stream that may come from elsewhere. */
class StreamEnd {
  #onFailure: ((error: unknown) => void) | undefined;
  #failWrite: ((error: unknown) => void) | undefined;
  #error: unknown;

  watch(onFailure: (error: unknown) => void): () => void {
    this.#onFailure = onFailure;
    return () => {
      this.#onFailure = undefined;
    };
  }

  /** A write that is under way may never be answered once the stream has ended. */
  duringWrite(write: (resolve: () => void, reject: (error: unknown) => void) => void) {
    return new Promise<void>((resolve, reject) => {
      this.#failWrite = reject;
      if (this.#error === undefined) write(resolve, reject);
      else reject(this.#error);
    });
  }

  arrived(error: unknown): void {
    this.#error = error ?? new Error('the stream was ended before the image was complete');
    this.#failWrite?.(this.#error);
    this.#onFailure?.(this.#error);
  }
}

/** @internal */
export function openNodeWritable(target: NodeWritable): OpenWriter {
  // Here and not at the top: few programs need it, and it takes a while to load.
  const { finished }: typeof import('node:stream') = require('node:stream');
  const stream = target as Writable;
  const end = new StreamEnd();
  const closed = new Promise<void>((resolve, reject) => {
    // Its listeners stay, so that an error which destroying the stream emits ends no process.
    finished(stream, { readable: false }, (error) => {
      if (error) reject(error);
      else resolve();
      end.arrived(error);
    });
  });
  closed.catch(() => {});
  const isStandard = stream === process.stdout || stream === process.stderr;
  return {
    write: (chunk) =>
      end.duringWrite((resolve, reject) => {
        stream.write(chunk, (error) => (error ? reject(error) : resolve()));
      }),
    close: async () => {
      if (isStandard) return;
      stream.end();
      await closed;
    },
    abort: (reason) => {
      if (isStandard) return;
      stream.destroy?.(typeof reason === 'object' ? (reason as Error) : undefined);
    },
    watch: (onFailure) => end.watch(onFailure),
  };
}

/** @internal */
export function openWebWritable(stream: WebWritable): OpenWriter {
  const end = new StreamEnd();
  const writer = (stream as WritableStream<Uint8Array>).getWriter();
  const arrived = (error?: unknown): void => end.arrived(error);
  writer.closed.then(() => arrived(), arrived);
  return {
    write: (chunk) => writer.write(chunk),
    close: async () => {
      await writer.close();
      writer.releaseLock();
    },
    abort: async (reason) => {
      await writer.abort(reason);
      writer.releaseLock();
    },
    watch: (onFailure) => end.watch(onFailure),
  };
}
