/**
 * A disk whose power can be cut: what is written stays in a cache until it is flushed, and a cut leaves any part of
 * that, sector by sector, as chance has it. It is a file, and the cut can come at a write that a test names.
 */
import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import type { Place } from './image';

const SECTOR = 512;
/** A disk keeps no more than that, and writes what it has whenever it likes. */
const CACHE_SECTORS = 65_536;

/** A write to a place of the disk, before it is in force. */
export interface DiskWrite {
  readonly offset: number;
  readonly data: Buffer;
}

/** What becomes of a write: it is done, or the power goes: before it, within it or as it is done. */
export type Verdict = 'done' | 'cut-before' | 'cut-within' | 'cut-after';

export class PowerDisk {
  readonly #fd: number;
  readonly #cache = new Map<number, Buffer>();
  #isOn = false;
  /** Asked of each write; the test sets it. */
  onWrite: (write: DiskWrite) => Verdict = () => 'done';
  /** Told of each flush; the test sets it. */
  onFlush: () => void = () => {};
  /** Called when a verdict has cut the power: whoever runs the machine ends it. */
  onCut: () => void = () => {};

  /**
   * @param file its content
   * @param size bytes
   * @param random of 0 to 1, for what a cut leaves
   */
  constructor(
    file: string,
    readonly size: number,
    private readonly random: () => number,
  ) {
    this.#fd = openSync(file, 'r+');
  }

  /** Whether it takes writes. */
  get isOn(): boolean {
    return this.#isOn;
  }

  powerOn(): void {
    this.#isOn = true;
  }

  /** The power goes: of what was not flushed, each sector is there or is not. */
  cut(): void {
    if (!this.#isOn) return;
    this.#isOn = false;
    for (const [sector, data] of this.#cache) {
      if (this.random() < 0.5) this.#store(sector, data);
    }
    this.#cache.clear();
  }

  read(offset: number, length: number): Buffer {
    const data = Buffer.allocUnsafe(length);
    if (readSync(this.#fd, data, 0, length, offset) !== length) throw new Error('short read');
    if (this.#cache.size === 0) return data;
    const first = offset / SECTOR;
    for (let i = 0; i < length / SECTOR; i += 1) {
      const cached = this.#cache.get(first + i);
      if (cached !== undefined) data.set(cached, i * SECTOR);
    }
    return data;
  }

  /** @returns whether the power is still there */
  write(offset: number, data: Buffer, isFlushed: boolean): boolean {
    const verdict = this.onWrite({ offset, data });
    if (verdict !== 'cut-before') this.#keep(offset, data);
    if (verdict === 'cut-after') this.flush();
    if (verdict === 'done') {
      if (isFlushed) this.flush();
      if (this.#cache.size > CACHE_SECTORS) this.flush();
      return true;
    }
    this.cut();
    this.onCut();
    return false;
  }

  flush(): void {
    this.onFlush();
    for (const [sector, data] of this.#cache) this.#store(sector, data);
    this.#cache.clear();
  }

  close(): void {
    this.cut();
    closeSync(this.#fd);
  }

  #keep(offset: number, data: Buffer): void {
    const first = offset / SECTOR;
    for (let i = 0; i < data.length / SECTOR; i += 1) {
      this.#cache.delete(first + i); // so that it is the newest
      this.#cache.set(first + i, data.subarray(i * SECTOR, (i + 1) * SECTOR));
    }
  }

  #store(sector: number, data: Buffer): void {
    writeSync(this.#fd, data, 0, SECTOR, sector * SECTOR);
  }
}

/** Whether a write touches a place. */
export function touches({ offset, data }: DiskWrite, place: Place): boolean {
  return offset < place.offset + place.size && place.offset < offset + data.length;
}

/** What a write puts at a place that it covers whole; undefined: it does not. */
export function contentAt({ offset, data }: DiskWrite, place: Place): Buffer | undefined {
  const from = place.offset - offset;
  if (from < 0 || from + place.size > data.length) return undefined;
  return data.subarray(from, from + place.size);
}
