/**
 * This room is the platform's time: platform-time.ts asks for it, clock-watch.ts reports a clock of
 * this machine that is wrong. It may import base and addon; of the device it knows {@link TimeHost}.
 */
import type { NativeDevice, NativeReading } from '../addon/binding';
import { abortSignal, options as checkOptions, integer, orElse } from '../base/arguments';
import { IotkitError } from '../base/errors';
import { Requests } from '../base/requests';
import { throwIfAborted } from '../base/signals';

/** What {@link Device.time} takes. */
export interface TimeOptions {
  /**
   * How many messages are exchanged, 1-16; the one with the shortest way there and back counts.
   * Default 4.
   */
  readonly exchanges?: number | undefined;
  /** Milliseconds for all of them, 1-3,600,000, of which each gets an equal share. Default 10,000. */
  readonly timeout?: number | undefined;
  /** Ends the wait; its reason is what it rejects with. */
  readonly signal?: AbortSignal | undefined;
}

/** What time it is for the platform. */
export interface PlatformTime {
  /** The platform's time when this was made: milliseconds since 1970 UTC, `Date.now() + offset`. */
  readonly time: number;
  /** What to add to this machine's clock, milliseconds: above 0 where that is behind. */
  readonly offset: number;
  /**
   * `time` and `offset` are right by so many milliseconds, if the platform's own clock is: half of
   * the time that the messages were on their way, and 1 for the clocks' resolution.
   */
  readonly uncertainty: number;
}

/** @internal What the time needs of its device. */
export interface TimeHost {
  /** Keeps the process alive until `operation` has settled. */
  holdWhile<T>(operation: Promise<T>): Promise<T>;
}

/** @internal */
export interface CheckedTime {
  readonly exchanges: number;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

const EXCHANGES = 4;
const TIMEOUT_MS = 10_000;

/** @internal Throws an {@link InvalidArgument}. */
export function checkTimeOptions(options: TimeOptions | undefined): CheckedTime {
  const given = checkOptions('options', options, ['exchanges', 'timeout', 'signal']);
  return {
    exchanges: integer('exchanges', orElse(given.exchanges, EXCHANGES), { min: 1, max: 16 }),
    timeoutMs: integer('timeout', orElse(given.timeout, TIMEOUT_MS), { min: 1, max: 3_600_000 }),
    signal: abortSignal('signal', given.signal),
  };
}

/** @internal Asks for the time, one exchange after the other. */
export class TimeRequests {
  readonly #device: TimeHost;
  readonly #native: Pick<NativeDevice, 'requestTime'>;
  readonly #onMeasured: (reading: NativeReading) => void;
  readonly #requests = new Requests<NativeReading>();
  #closed: IotkitError | undefined;

  /** @param onMeasured hears of the best reading of each measurement. */
  constructor(
    device: TimeHost,
    native: Pick<NativeDevice, 'requestTime'>,
    onMeasured: (reading: NativeReading) => void,
  ) {
    this.#device = device;
    this.#native = native;
    this.#onMeasured = onMeasured;
  }

  async ask(options: CheckedTime): Promise<PlatformTime> {
    throwIfAborted(options.signal);
    if (this.#closed !== undefined) throw this.#closed;
    return toTime(await this.#device.holdWhile(this.#measure(options, false)));
  }

  /** Asks for the device itself; nobody waits for it. */
  async askByItself(): Promise<void> {
    await this.#measure(checkTimeOptions({}), true);
  }

  onTime(reading: NativeReading, requestId: string): void {
    this.#requests.answered(requestId, reading);
  }

  /** Returns false if nobody waits for the answer. */
  onRefused(error: IotkitError, requestId: string): boolean {
    return this.#requests.refused(requestId, error);
  }

  onConnected(): void {
    this.#requests.connected();
  }

  close(error: IotkitError): void {
    this.#closed = error;
    this.#requests.close(error);
  }

  async #measure(
    { exchanges, timeoutMs, signal }: CheckedTime,
    isBackground: boolean,
  ): Promise<NativeReading> {
    const until = performance.now() + timeoutMs;
    let best: NativeReading | undefined;
    let failure: unknown;
    for (let left = exchanges; left > 0; left -= 1) {
      const share = Math.max(1, Math.floor((until - performance.now()) / left));
      try {
        const send = (): string | number => this.#native.requestTime();
        const options = { timeoutMs: share, signal, isBackground };
        const reading = await this.#requests.ask(send, options);
        if (best === undefined || reading.uncertainty < best.uncertainty) best = reading;
      } catch (error) {
        if (!isPassing(error)) throw error;
        failure = error;
      }
    }
    if (best === undefined) throw lateOr(failure, timeoutMs);
    this.#onMeasured(best);
    return best;
  }
}

/** Whether another exchange may go better: its message was lost, or its answer was none. */
function isPassing(error: unknown): boolean {
  return (
    IotkitError.is(error) && (error.code === 'ERR_TIMEOUT' || error.code.startsWith('ERR_NOTICE'))
  );
}

function lateOr(failure: unknown, timeoutMs: number): unknown {
  if (!IotkitError.is(failure) || failure.code !== 'ERR_TIMEOUT') return failure;
  return new IotkitError('ERR_TIMEOUT', `the platform did not answer within ${timeoutMs} ms`);
}

function toTime({ offset, uncertainty }: NativeReading): PlatformTime {
  return { time: Date.now() + offset, offset, uncertainty };
}
