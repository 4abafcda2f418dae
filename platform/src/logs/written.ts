// When entries were written: by the clock of the device, as far as that is to be believed.

import { MAX_LOG_ENTRIES, parseLogTime } from '../protocol/log-messages';
import type { LogEntry } from '../types/log';

/** What one message brought. */
export interface LogMessage {
  /** By our clock, milliseconds since the epoch. */
  readonly receivedAt: number;
  readonly entries: readonly LogEntry[];
}

/** How far a device's clock may be from ours. */
const MAX_DIFFERENCE = 10 * 60_000;
/** A clock that showed an earlier time had not been set yet. */
const EARLIEST_SET = Date.UTC(2020, 0);
/** Between the messages of one upload. */
const MAX_PAUSE = 60_000;

/**
 * The entries of `messages[index]` without those that were written before a time by our clock. Left out
 * is only what is sure: an entry whose time is none, or of a clock that is not believed, stays.
 */
export function writtenSince(
  messages: readonly LogMessage[],
  index: number,
  since: number,
): LogEntry[] {
  const behind = behindBy(lastOfUpload(messages, index));
  return (messages[index]?.entries ?? []).filter(({ utcTime }) => {
    const time = parseLogTime(utcTime);
    if (behind === undefined || time === undefined || time < EARLIEST_SET) return true;
    // Of a device that writes whole seconds, it may have been later in that second.
    return time + (time % 1000 === 0 ? 999 : 0) + behind >= since;
  });
}

/** An upload has several messages where one is full and the next follows. */
function lastOfUpload(messages: readonly LogMessage[], index: number): LogMessage | undefined {
  const message = messages[index];
  const next = messages[index + 1];
  const isLast =
    message === undefined ||
    next === undefined ||
    message.entries.length < MAX_LOG_ENTRIES ||
    next.receivedAt - message.receivedAt > MAX_PAUSE;
  return isLast ? message : lastOfUpload(messages, index + 1);
}

/**
 * How far the device's clock was behind ours at most, negative where it was ahead: its last entry was
 * written before it was received. Undefined for a clock that is not believed.
 */
function behindBy(message: LogMessage | undefined): number | undefined {
  const times = message?.entries.map(({ utcTime }) => parseLogTime(utcTime));
  const last = times?.findLast((time) => time !== undefined);
  if (message === undefined || last === undefined) return undefined;
  const behind = message.receivedAt - last;
  return Math.abs(behind) <= MAX_DIFFERENCE ? behind : undefined;
}
