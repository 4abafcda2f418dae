import type { DeviceKey } from './device';

/** How grave an entry is, the gravest first. */
export type LogLevel = 'FATAL' | 'ERROR' | 'WARN' | 'INFO' | 'DEBUG';

/** One line of a device's log. */
export interface LogEntry {
  /** The device's own words for when it was; not checked. */
  readonly utcTime: string;
  readonly logLevel: LogLevel;
  /** The part of the device that it is of. */
  readonly module: string;
  /** The device's own number or name of what happened. */
  readonly code: string;
  readonly logContent: string;
  /** What belongs together has the same. */
  readonly traceContext?: string;
}

/** An entry as it is kept. */
export interface DeviceLogEntry extends DeviceKey, LogEntry {
  /** Milliseconds since the epoch, by the platform's clock. */
  readonly receivedAt: number;
  /** The same of `utcTime`, by the device's clock; absent where that is no time. */
  readonly time?: number;
}
