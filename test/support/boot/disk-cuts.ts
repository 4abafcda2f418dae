/** All that a disk may hold when its power is cut at any moment of some work. */
import { createHash } from 'node:crypto';
import type { DiskWrite, PowerDisk } from './power-disk';

const SECTOR = 512;
/** How often chance picks what is left, after each write. */
const PICKS = 2;

/** What was done to a disk, from what it held before. */
export interface DiskRecording {
  readonly before: Buffer;
  readonly events: readonly (DiskWrite | 'flush')[];
}

/** Does the work, and records what comes to the disk meanwhile. */
export async function recorded(disk: PowerDisk, work: () => Promise<void>): Promise<DiskRecording> {
  disk.flush();
  const before = disk.read(0, disk.size);
  const events: (DiskWrite | 'flush')[] = [];
  disk.onWrite = ({ offset, data }) => {
    events.push({ offset, data: Buffer.from(data) });
    return 'done';
  };
  disk.onFlush = () => events.push('flush');
  try {
    await work();
  } finally {
    disk.onWrite = () => 'done';
    disk.onFlush = () => {};
  }
  return { before, events };
}

/**
 * Each content once, in the order of its moments; the last one is what is left when the work has ended. Of what was
 * not flushed the first requests are there, each whole; or any sectors, as of a disk with an order of its own.
 */
export function* cutsOf({ before, events }: DiskRecording, random: () => number): Iterable<Buffer> {
  const flushed = Buffer.from(before);
  let waiting: DiskWrite[] = [];
  const seen = new Set<string>();
  const isNew = (content: Buffer): boolean => {
    const digest = createHash('sha1').update(content).digest('hex');
    return seen.size < seen.add(digest).size;
  };
  for (const event of events) {
    if (event === 'flush') {
      for (const { offset, data } of waiting) data.copy(flushed, offset);
      waiting = [];
      continue;
    }
    waiting.push(event);
    const all = Buffer.from(flushed);
    for (const { offset, data } of waiting) data.copy(all, offset);
    const picks = Array.from({ length: PICKS }, () => picked(flushed, waiting, random));
    yield* [all, ...picks].filter(isNew);
  }
  yield flushed;
}

function picked(flushed: Buffer, waiting: readonly DiskWrite[], random: () => number): Buffer {
  const content = Buffer.from(flushed);
  for (const { offset, data } of waiting) {
    for (let at = 0; at < data.length; at += SECTOR) {
      if (random() < 0.5) data.copy(content, offset + at, at, at + SECTOR);
    }
  }
  return content;
}
