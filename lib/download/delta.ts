// Tested by test/integration/delta.test.ts
/**
 * An upgrade that is a difference, applied while it is downloaded. The difference itself is stored
 * nowhere: it goes from the download's chunks through `applyDelta()` (lib/delta) to the target. Two
 * digests decide: the download's own, announced and perhaps signed, over the difference; and the one
 * in its header, which that covers, over the image. The target is committed after both.
 */
import { realpathSync } from 'node:fs';
import { dirname } from 'node:path';
import type { NativeTarget } from '../addon/binding';
import { IotkitError } from '../base/errors';
import type * as Delta from '../delta';
import type { ResultFile } from '../delta/result-file';
import type { ConsumedImage } from './image-identity';
import type { CheckedConsumption } from './options';
import type { OpenWriter, WriterTarget } from './stream-writers';
import type { CheckedTargets } from './targets';

/** A difference, and what it is applied to. */
export interface DeltaSource {
  /** The absolute path of the base. */
  readonly base: string;
  /** What the operator has said of it. */
  readonly extData: Readonly<Record<string, unknown>>;
  /** Hears what its header says, when the base is proven. */
  readonly onBase: ((info: Delta.DeltaInfo) => void) | undefined;
  /** Bytes that the image may have; 0: any number. */
  readonly maxSize: number;
}

/** Undefined: the image is downloaded as it is. */
export function deltaOf(
  { isDiff = false, extData = {}, files }: ConsumedImage,
  { base, onBase }: Pick<CheckedConsumption, 'base' | 'onBase'>,
  maxSize: number,
): DeltaSource | undefined {
  if (!isDiff || base === undefined || files.length > 0) return undefined;
  return { base, extData, onBase, maxSize };
}

/** What a difference makes of its base, in chunks. */
export function appliedChunks(
  { base, extData, onBase, maxSize }: DeltaSource,
  delta: AsyncIterable<Uint8Array>,
  recycle: boolean,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  // Most programs never need them.
  const { applyDelta }: typeof Delta = require('../delta');
  const { fromExtData }: typeof import('../delta/announced') = require('../delta/announced');
  return applyDelta(delta, base, {
    recycle,
    signal,
    expect: fromExtData(extData),
    onBase: (info) => {
      assertAllowed(info.result.size, maxSize);
      onBase?.(info);
    },
  });
}

/** Small as a difference may be, what counts is what it makes. */
function assertAllowed(size: number, maxSize: number): void {
  if (maxSize === 0 || size <= maxSize) return;
  const detail = `the difference makes ${size} bytes, and fetch.maxSize is ${maxSize}`;
  throw new IotkitError('ERR_NO_SPACE', detail);
}

type Warn = Parameters<WriterTarget['open']>[0];

/** The writer for a difference: into the writer or the one file among the targets. */
export function deltaTarget(source: DeltaSource, { native, writer }: CheckedTargets): WriterTarget {
  const [file, other] = native;
  const hasOne = (writer === undefined) !== (file === undefined) && other === undefined;
  if (!hasOne || file?.inPlace === true) {
    const detail = 'a difference with a base goes into one file or one writer; see chunks()';
    throw new IotkitError('ERR_UNSUPPORTED', detail);
  }
  const recycle = writer?.keepsChunks !== true;
  const open = (warn: Warn): OpenWriter => {
    if (file === undefined)
      return new DeltaWriter(source, (writer as WriterTarget).open(warn), recycle);
    const target = new FileWriter(file, source.maxSize === 0, warn);
    const onBase = (info: Delta.DeltaInfo): void => {
      target.size = info.result.size;
      source.onBase?.(info);
    };
    return new DeltaWriter({ ...source, onBase }, target, recycle);
  };
  return { keepsChunks: false, open };
}

/** The parts that were in a directory when this process first downloaded into it. */
const partsFound = new Map<string, readonly string[]>();

/**
 * The image is downloaded as it is: what a process that was killed has left of one that a difference made
 * goes. A directory is read once, since it may have the files of thousands of devices.
 */
export function clearBeside(files: CheckedTargets['native']): void {
  for (const { path, inPlace } of files) {
    if (inPlace) continue;
    const { clearParts, partsIn }: typeof import('../delta/parts') = require('../delta/parts');
    const file = whereItLeads(path);
    const directory = dirname(file);
    const found = partsFound.get(directory) ?? partsIn(directory);
    partsFound.set(directory, found);
    clearParts(file, found);
  }
}

function whereItLeads(path: string): string {
  try {
    return realpathSync.native(path);
  } catch {
    return path;
  }
}

/** Takes a difference in chunks and hands on what it makes. */
class DeltaWriter implements OpenWriter {
  readonly #target: OpenWriter;
  readonly #pipe = new Pipe();
  readonly #abort = new AbortController();
  readonly #applying: Promise<void>;
  #failure: { readonly reason: unknown } | undefined;

  constructor(source: DeltaSource, target: OpenWriter, recycle: boolean) {
    this.#target = target;
    this.#applying = this.#apply(source, recycle).catch((reason: unknown) => {
      this.#failure = { reason };
      this.#pipe.leave();
    });
  }

  watch(onFailure: (error: unknown) => void): () => void {
    return this.#target.watch?.(onFailure) ?? (() => {});
  }

  async write(chunk: Uint8Array): Promise<void> {
    await this.#pipe.write(chunk);
    if (this.#failure !== undefined) throw this.#failure.reason;
  }

  async close(): Promise<void> {
    this.#pipe.end();
    await this.#applying;
    if (this.#failure === undefined) return this.#target.close?.();
    await this.#target.abort?.(this.#failure.reason);
    throw this.#failure.reason;
  }

  async abort(reason: unknown): Promise<void> {
    this.#abort.abort(reason);
    this.#pipe.leave();
    await this.#applying;
    await this.#target.abort?.(reason);
  }

  async #apply(source: DeltaSource, recycle: boolean): Promise<void> {
    let offset = 0;
    for await (const chunk of appliedChunks(source, this.#pipe, recycle, this.#abort.signal)) {
      const { length } = chunk;
      await this.#target.write(chunk, offset);
      offset += length;
    }
  }
}

/** The one file. Its part is begun with the first byte of the image, so with a proven base. */
class FileWriter implements OpenWriter {
  readonly #target: NativeTarget;
  readonly #keepsReserve: boolean;
  readonly #warn: Warn;
  #file: ResultFile | undefined;
  /** Bytes of the image, known when the base is proven. */
  size = 0;

  constructor(target: NativeTarget, keepsReserve: boolean, warn: Warn) {
    this.#target = target;
    this.#keepsReserve = keepsReserve;
    this.#warn = warn;
  }

  async write(chunk: Uint8Array, offset: number): Promise<void> {
    const file = await this.#open();
    await file.write(chunk, offset);
  }

  async close(): Promise<void> {
    const file = await this.#open();
    const warning = await file.commit();
    if (warning !== undefined) this.#warn(warning);
  }

  async abort(): Promise<void> {
    await this.#file?.discard();
  }

  async #open(): Promise<ResultFile> {
    const { ResultFile }: typeof import('../delta/result-file') = require('../delta/result-file');
    const { path, mode: given } = this.#target;
    const mode = given === 0 ? undefined : given;
    const { size } = this;
    this.#file ??= await ResultFile.open(path, { mode, size, keepsReserve: this.#keepsReserve });
    return this.#file;
  }
}

type Result = IteratorResult<Uint8Array, undefined>;
const END: Result = { done: true, value: undefined };

/** Chunks from one who writes to one who iterates: a chunk is written when the next is asked for. */
class Pipe implements AsyncIterableIterator<Uint8Array, undefined> {
  #chunk: Uint8Array | undefined;
  #written = (): void => {};
  #asked: ((result: Result) => void) | undefined;
  #hasEnded = false;

  write(chunk: Uint8Array): Promise<void> {
    if (this.#hasEnded) return Promise.resolve();
    return new Promise((resolve) => {
      this.#written = resolve;
      this.#chunk = chunk;
      this.#serve();
    });
  }

  /** No more chunks come. */
  end(): void {
    this.#hasEnded = true;
    this.#serve();
  }

  /** Nobody asks any more: what is written is dropped. */
  leave(): void {
    this.#chunk = undefined;
    this.end();
    this.#written();
  }

  next(): Promise<Result> {
    if (this.#chunk === undefined) this.#written();
    return new Promise((resolve) => {
      this.#asked = resolve;
      this.#serve();
    });
  }

  async return(): Promise<Result> {
    this.leave();
    return END;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #serve(): void {
    const asked = this.#asked;
    if (asked === undefined) return;
    if (this.#chunk !== undefined) asked({ done: false, value: this.#chunk });
    else if (this.#hasEnded) asked(END);
    else return;
    this.#asked = undefined;
    this.#chunk = undefined;
  }
}
