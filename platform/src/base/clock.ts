/** A pending call of a {@link Clock}. */
export interface Timer {
  readonly cancel: () => void;
}

/** Where the platform takes the time from: expiry of URLs, time-outs and retries of upgrades. */
export interface Clock {
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Calls `callback` once at `time`, milliseconds since the epoch; never before this returned. */
  readonly at: (time: number, callback: () => void) => Timer;
}

/** Longest delay a timer of the runtime takes; longer ones are set anew when it has passed. */
const MAX_DELAY_MS = 2 ** 31 - 1;

/**
 * The system's clock. Its timers keep no process alive, and take as long as it was when they were set:
 * a clock that is put back or forward in between, as NTP does, neither holds nor hurries them.
 */
export const systemClock: Clock = {
  now: () => Date.now(),
  at: (time, callback) => {
    let handle: NodeJS.Timeout;
    const end = performance.now() + time - Date.now();
    const arm = (): void => {
      const left = Math.max(0, end - performance.now());
      const due = (): void => (performance.now() < end ? arm() : callback());
      handle = setTimeout(due, Math.min(left, MAX_DELAY_MS));
      handle.unref();
    };
    arm();
    return { cancel: () => clearTimeout(handle) };
  },
};

interface Waiting {
  readonly time: number;
  readonly callback: () => void;
}

/** A clock that stands still until it is moved, for tests. */
export class ManualClock implements Clock {
  #now: number;
  readonly #waiting = new Set<Waiting>();

  constructor(now = Date.parse('2026-01-01T00:00:00Z')) {
    this.#now = now;
  }

  readonly now = (): number => this.#now;

  readonly at = (time: number, callback: () => void): Timer => {
    const entry: Waiting = { time, callback };
    this.#waiting.add(entry);
    return { cancel: () => this.#waiting.delete(entry) };
  };

  /** Moves on by `ms`, calling what falls due in its order. */
  advance(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      const next = [...this.#waiting]
        .filter((entry) => entry.time <= end)
        .reduce<Waiting | undefined>(
          (first, entry) => (first === undefined || entry.time < first.time ? entry : first),
          undefined,
        );
      if (next === undefined) break;
      this.#waiting.delete(next);
      this.#now = Math.max(this.#now, next.time);
      next.callback();
    }
    this.#now = end;
  }
}
