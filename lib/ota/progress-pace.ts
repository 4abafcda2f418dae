// Tested by test/unit/ota/progress-queue.test.ts
/** The rate at which progress reports go over a connection, those of all devices that it carries. */

// The platform takes 30 messages per second from a device. At most BURST + PER_SECOND of them are
// progress reports; the rest is left to requests, such as those for blocks of an image.
const BURST = 5;
/** What messages of the program, which may take turns of reports, leave to those. */
const LEFT_TO_REPORTS = 2;
const PER_SECOND = 5;
/** The order in which reports are sent, and the tokens each rank leaves to those before it. */
export const reserved = { failure: 0, must: 1, percentage: 2 } as const;
export type Rank = keyof typeof reserved;

/** A report that a queue would send next. */
export interface Candidate {
  /** Milliseconds until it is due, were there no others. */
  readonly wait: number;
  readonly rank: Rank;
  /** 0: it was sent, or given up. Else the milliseconds until it is tried again. */
  readonly send: () => number;
}

/** The reports of one device. */
export interface PacedQueue {
  /** undefined: none waits. */
  next(now: number): Candidate | undefined;
}

/**
 * Lets the queues of a connection take turns: of those whose report is due, the most urgent one, and
 * of these the one that was served longest ago.
 */
export class ProgressPace {
  /** In the order of their turns. */
  readonly #queues = new Set<PacedQueue>();
  #tokens = BURST;
  #filledAt = performance.now();
  #timer: NodeJS.Timeout | undefined;

  /** The queue may have something to send. */
  pump(queue: PacedQueue): void {
    this.#queues.add(queue);
    this.#pump();
  }

  /** It has nothing to send any more. */
  remove(queue: PacedQueue): void {
    this.#queues.delete(queue);
    if (this.#queues.size === 0) clearTimeout(this.#timer);
  }

  /** Takes a turn for another message. 0: it has one; else the milliseconds until there may be one. */
  takeTurn(): number {
    this.#fill(performance.now());
    const missing = LEFT_TO_REPORTS + 1 - this.#tokens;
    if (missing > 0) return Math.max((missing * 1000) / PER_SECOND, 1);
    this.#tokens -= 1;
    return 0;
  }

  /** A report has gone. */
  sent(): void {
    this.#tokens -= 1;
  }

  #pump(): void {
    clearTimeout(this.#timer);
    for (;;) {
      const wait = this.#sendNext(performance.now());
      if (wait === undefined) return;
      if (wait > 0) {
        this.#timer = setTimeout(() => this.#pump(), Math.ceil(wait));
        return;
      }
    }
  }

  /** 0: one was sent. Else the milliseconds until the next is due; undefined: none waits. */
  #sendNext(now: number): number | undefined {
    this.#fill(now);
    let first: { queue: PacedQueue; candidate: Candidate; wait: number } | undefined;
    for (const queue of this.#queues) {
      const candidate = queue.next(now);
      if (candidate === undefined) {
        this.#queues.delete(queue);
        continue;
      }
      const { rank } = candidate;
      const wait = Math.max(candidate.wait, this.#untilToken(rank));
      const isFirst =
        first === undefined ||
        wait < first.wait ||
        (wait === first.wait && reserved[rank] < reserved[first.candidate.rank]);
      if (isFirst) first = { queue, candidate, wait };
    }
    if (first === undefined || first.wait > 0) return first?.wait;
    this.#queues.delete(first.queue);
    this.#queues.add(first.queue);
    return first.candidate.send();
  }

  #fill(now: number): void {
    const more = ((now - this.#filledAt) * PER_SECOND) / 1000;
    this.#tokens = Math.min(BURST, this.#tokens + more);
    this.#filledAt = now;
  }

  #untilToken(rank: Rank): number {
    const missing = reserved[rank] + 1 - this.#tokens;
    return missing <= 0 ? 0 : Math.max((missing * 1000) / PER_SECOND, 1);
  }
}
