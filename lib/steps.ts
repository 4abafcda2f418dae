/** What a device tells the platform about its upgrades, at a rate the platform takes. */
import { IotkitError } from './errors';

/** Hands one message to the connection; negative: the error. */
export type Transport = (module: string, step: number, desc: string) => number;

// The platform takes 30 messages per second from a device. Never more than BURST + PER_SECOND of
// them are steps; the others are left to requests, such as those for blocks of an image.
const BURST = 5;
const PER_SECOND = 5;
/** Of one module's percentages. */
const INTERVAL_MS = 1_000;
/** Until a full queue of the connection is tried again. */
const RETRY_MS = 1_000;
/** Several runs of one module that began and ended while there was no connection. */
const MAX_KEPT = 12;
const MAX_WAITING = 256;

/** What goes first, with the tokens it leaves to those before it. */
const reserved = { failure: 0, must: 1, percentage: 2 } as const;
type Rank = keyof typeof reserved;

interface Step {
  readonly step: number;
  readonly desc: string;
  /** Never replaced by a later one. */
  readonly must: boolean;
  /** Kept while there is no connection. */
  readonly kept: boolean;
  readonly settled: (error: IotkitError | undefined) => void;
}

/** The messages of one module, in their order. */
interface Lane {
  readonly module: string;
  readonly steps: Step[];
  sentAt: number;
}

const nothing = (): void => {};

/**
 * The steps of a device's upgrades, by module: those of downloads, which wait for a connection, and
 * those of the user, which do not. Of percentages the last value wins; failures go first.
 */
export class Steps {
  readonly #transport: Transport;
  /** The one that was served longest ago comes first. */
  readonly #lanes = new Map<string, Lane>();
  #tokens = BURST;
  #filledAt = performance.now();
  #offline = false;
  #closed: IotkitError | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** A step of a download. `must`: it is sent in any case, however late; else the last one counts. */
  send(module: string, step: number, desc: string, must: boolean): void {
    if (this.#closed !== undefined) return;
    this.#push(module, { step, desc, must, kept: true, settled: nothing });
    this.#pump();
  }

  /**
   * A step of the user: resolves when it has been handed to the connection, or a newer percentage of
   * the module in its place. Rejects with `ERR_NOT_CONNECTED`, `ERR_QUEUE_FULL`, `ERR_CLOSED`.
   */
  ask(module: string, step: number, desc: string): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#waiting() >= MAX_WAITING) {
        throw new IotkitError('ERR_QUEUE_FULL', `${MAX_WAITING} steps are waiting`);
      }
      const must = step <= 0 || step === 100;
      const settled = (error: IotkitError | undefined) => (error ? reject(error) : resolve());
      this.#push(module, { step, desc, must, kept: false, settled });
      if (this.#offline) this.#goOffline();
      this.#pump();
    });
  }

  /** There is a (new) connection. */
  connected(): void {
    this.#offline = false;
    this.#pump();
  }

  /** Sends what must be sent, then nothing more. */
  close(error: IotkitError): void {
    this.#closed = error;
    clearTimeout(this.#timer);
    for (const { module, steps } of this.#lanes.values()) {
      for (const { step, desc, must, kept, settled } of steps.splice(0)) {
        if (must && kept && !this.#offline) this.#transport(module, step, desc);
        settled(error);
      }
    }
    this.#lanes.clear();
  }

  #waiting(): number {
    let count = 0;
    for (const { steps } of this.#lanes.values()) count += steps.length;
    return count;
  }

  #push(module: string, step: Step): void {
    const lane = this.#lanes.get(module) ?? { module, steps: [], sentAt: -INTERVAL_MS };
    this.#lanes.set(module, lane);
    const last = lane.steps.at(-1);
    // A percentage that has not gone out is replaced, and for its sender as good as sent. Without a
    // connection the last one before the end stays: nobody may have heard of any yet.
    const isEnd = step.kept && step.must;
    if (last?.must === false && last.kept === step.kept && !(this.#offline && isEnd)) {
      lane.steps[lane.steps.length - 1] = {
        ...step,
        settled: (error) => {
          last.settled(error);
          step.settled(error);
        },
      };
      return;
    }
    lane.steps.push(step);
    while (lane.steps.length > MAX_KEPT && lane.steps[0]?.kept) lane.steps.shift();
  }

  #pump(): void {
    clearTimeout(this.#timer);
    while (!this.#offline) {
      const wait = this.#sendNext(performance.now());
      if (wait === undefined) return;
      if (wait > 0) {
        this.#timer = setTimeout(() => this.#pump(), Math.ceil(wait));
        return;
      }
    }
  }

  /** 0: one was sent, or given up. Else how long to wait for the next; undefined: there is none. */
  #sendNext(now: number): number | undefined {
    this.#fill(now);
    let soonest: { readonly lane: Lane; readonly wait: number; readonly rank: Rank } | undefined;
    for (const lane of this.#lanes.values()) {
      if (lane.steps.length === 0) {
        if (now - lane.sentAt >= INTERVAL_MS) this.#lanes.delete(lane.module);
        continue;
      }
      const rank = rankOf(lane);
      const wait = Math.max(this.#untilDue(lane, now), this.#untilToken(rank));
      const first =
        soonest === undefined ||
        wait < soonest.wait ||
        (wait === soonest.wait && reserved[rank] < reserved[soonest.rank]);
      if (first) soonest = { lane, wait, rank };
    }
    if (soonest === undefined || soonest.wait > 0) return soonest?.wait;
    return this.#deliver(soonest.lane, now);
  }

  #deliver(lane: Lane, now: number): number {
    const [step] = lane.steps;
    if (step === undefined) return 0;
    const rc = this.#transport(lane.module, step.step, step.desc);
    const error = rc < 0 ? IotkitError.fromErrno(rc) : undefined;
    if (error?.code === 'ERR_NOT_CONNECTED') {
      this.#goOffline();
      return 0;
    }
    if (error?.retryable && step.kept) return RETRY_MS;
    lane.steps.shift();
    lane.sentAt = now;
    this.#tokens -= 1;
    this.#lanes.delete(lane.module);
    this.#lanes.set(lane.module, lane);
    step.settled(error);
    return 0;
  }

  // What the user has asked for is refused; downloads go on and their steps wait.
  #goOffline(): void {
    this.#offline = true;
    for (const lane of this.#lanes.values()) {
      const all = lane.steps.splice(0);
      lane.steps.push(...all.filter(({ kept }) => kept));
      for (const { kept, settled } of all) {
        if (!kept) settled(new IotkitError('ERR_NOT_CONNECTED'));
      }
    }
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

  /** Percentages of a download come once a second; what something waits behind is not held back. */
  #untilDue({ steps: [first, second], sentAt }: Lane, now: number): number {
    if (first === undefined || first.must || !first.kept || second !== undefined) return 0;
    return Math.max(sentAt + INTERVAL_MS - now, 0);
  }
}

function rankOf({ steps }: Lane): Rank {
  if (steps.some(({ step }) => step < 0)) return 'failure';
  return steps.some(({ must }) => must) ? 'must' : 'percentage';
}
