// Tested by platform/test/faults.test.ts

import { type FileHandle, open } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';

/** What part of a file to send, and what goes wrong with it. */
export interface Body {
  readonly path: string;
  /** First byte, and the byte after the last one. */
  readonly start: number;
  readonly end: number;
  /** Bytes after which `ending` happens; at most the length. */
  readonly stopAfter?: number;
  readonly ending?: 'destroy' | 'end-connection' | 'stall';
  /** Offset in the file of a byte to invert. */
  readonly corruptAt?: number;
  /** Zero bytes to send after the file's. */
  readonly extraBytes?: number;
  readonly bytesPerSecond?: number;
  /** Largest single write. */
  readonly chunkBytes?: number;
}

/**
 * Three buffers make reading and sending overlap; half a megabyte each was the knee of the curve
 * (1.4 GB/s over TLS on loopback, against 1.1 with a pipeline and its fresh buffers).
 */
const BUFFERS = 3;
const BUFFER_BYTES = 512 * 1024;
const SLOW_STEPS_PER_SECOND = 20;

/**
 * Sends a body and ends the response. However it ends, resolves with how many bytes of the file the
 * system has accepted.
 */
export async function sendBody(response: ServerResponse, body: Body): Promise<number> {
  const closed = new AbortController();
  response.once('close', () => closed.abort());
  if (response.destroyed) closed.abort();
  const pump = new Pump(response, body, closed.signal);
  let file: FileHandle | undefined;
  try {
    file = await open(body.path);
    await pump.run(file);
  } catch (error) {
    response.destroy();
    if (!closed.signal.aborted) throw error;
  } finally {
    await file?.close();
  }
  return pump.sent;
}

class Pump {
  sent = 0;
  readonly #response: ServerResponse;
  readonly #body: Body;
  readonly #closed: AbortSignal;
  readonly #free: Buffer[] = [];
  #wake: (() => void) | undefined;

  constructor(response: ServerResponse, body: Body, closed: AbortSignal) {
    this.#response = response;
    this.#body = body;
    this.#closed = closed;
    closed.addEventListener('abort', () => this.#wake?.());
  }

  async run(file: FileHandle): Promise<void> {
    const { start, end, stopAfter, ending, extraBytes } = this.#body;
    const stop = Math.min(end, start + (stopAfter ?? end - start));
    await this.#sendFile(file, start, stop);
    if (this.#closed.aborted) return;
    if (ending !== undefined) {
      await this.#misbehave(ending);
      return;
    }
    if (extraBytes) this.#response.write(Buffer.alloc(extraBytes));
    this.#response.end();
  }

  async #sendFile(file: FileHandle, start: number, stop: number): Promise<void> {
    const size = this.#writeSize(stop - start);
    for (let i = 0; i < BUFFERS; i++) this.#free.push(Buffer.allocUnsafeSlow(size));
    for (let position = start; position < stop; ) {
      const buffer = await this.#buffer();
      if (buffer === undefined) return;
      const wanted = Math.min(size, stop - position);
      const { bytesRead } = await file.read(buffer, 0, wanted, position);
      if (bytesRead === 0) throw new Error('the firmware file has shrunk');
      this.#corrupt(buffer, position, bytesRead);
      if (this.#closed.aborted) return;
      this.#write(buffer, bytesRead);
      position += bytesRead;
      await this.#pace(bytesRead);
    }
    // All bytes must have reached the system: ending the connection earlier would lose some.
    while (this.#free.length < BUFFERS && !this.#closed.aborted) await this.#freed();
  }

  #writeSize(length: number): number {
    const { bytesPerSecond, chunkBytes } = this.#body;
    const slow = bytesPerSecond && Math.ceil(bytesPerSecond / SLOW_STEPS_PER_SECOND);
    return Math.max(1, Math.min(BUFFER_BYTES, length, slow ?? length, chunkBytes ?? length));
  }

  /** A buffer that is not being sent; undefined when the connection has ended. */
  async #buffer(): Promise<Buffer | undefined> {
    while (this.#free.length === 0 && !this.#closed.aborted) await this.#freed();
    return this.#closed.aborted ? undefined : this.#free.pop();
  }

  #freed(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  #write(buffer: Buffer, length: number): void {
    this.#response.write(buffer.subarray(0, length), (error) => {
      if (!error) this.sent += length;
      this.#free.push(buffer);
      this.#wake?.();
    });
  }

  #corrupt(buffer: Buffer, position: number, length: number): void {
    const index = (this.#body.corruptAt ?? -1) - position;
    if (index >= 0 && index < length) buffer[index] = ~(buffer[index] as number) & 0xff;
  }

  async #pace(bytes: number): Promise<void> {
    const { bytesPerSecond } = this.#body;
    if (bytesPerSecond === undefined) return;
    const ms = (bytes / bytesPerSecond) * 1000;
    await delay(ms, undefined, { signal: this.#closed }).catch(() => undefined);
  }

  async #misbehave(ending: 'destroy' | 'end-connection' | 'stall'): Promise<void> {
    // A head without a body has not been sent yet.
    if (this.sent === 0) this.#response.flushHeaders();
    if (ending === 'destroy') this.#response.destroy();
    else if (ending === 'end-connection') this.#response.socket?.end();
    else if (!this.#closed.aborted)
      await new Promise((resolve) => this.#response.once('close', resolve));
  }
}
