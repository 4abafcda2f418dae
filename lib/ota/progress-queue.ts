/**
 * The progress reports of a device on their way to the platform, at a rate the platform takes:
 * those of its downloads (download/reporter.ts) and those of `reportProgress()`. The rate is that of
 * progress-pace.ts.
 */
import { IotkitError } from '../base/errors';
import { moduleKey } from '../download/image-identity';
import {
  type Candidate,
  type PacedQueue,
  ProgressPace,
  type Rank,
  reserved,
} from './progress-pace';

/** Hands one report to the connection; negative: the error. */
export type SendProgress = (module: string, step: number, desc: string) => number;

/** Between two percentages of one module. */
const INTERVAL_MS = 1_000;
/** Until a report is tried again that found the queue of the connection full. */
const RETRY_MS = 1_000;
/** Reports of one module, whose downloads may have begun and ended often without a connection. */
const MAX_KEPT = 12;
const MAX_WAITING = 256;

type Settle = (error: IotkitError | undefined) => void;

interface Report {
  /** As the one who reports calls it. */
  readonly module: string;
  readonly step: number;
  readonly desc: string;
  /** Never replaced by a later one. */
  readonly must: boolean;
  /** Of a download: kept while there is no connection. If not, the user's. */
  readonly kept: boolean;
  /** Those who wait for it, and for the percentages that it has replaced. */
  readonly waiting: Settle[];
}

/** The reports of one module that wait, in their order. */
interface ModuleQueue {
  readonly key: string;
  readonly reports: Report[];
  sentAt: number;
}

/**
 * Sends reports in turns by module. Those of downloads wait for a connection, those of the user do
 * not. A percentage that waits is replaced by a later one; failures go first.
 */
export class ProgressQueue implements PacedQueue {
  readonly #sendNow: SendProgress;
  /** By module; the one that was served longest ago comes first. */
  readonly #queues = new Map<string, ModuleQueue>();
  readonly #pace: ProgressPace;
  #offline = false;
  #closed: IotkitError | undefined;

  /** @param pace that of the connection, which several devices may share */
  constructor(sendNow: SendProgress, pace = new ProgressPace()) {
    this.#sendNow = sendNow;
    this.#pace = pace;
  }

  /**
   * A report of a download. `must`: it is sent in any case, however late; if not, a later one takes
   * its place.
   */
  send(module: string, step: number, desc: string, must: boolean): void {
    if (this.#closed !== undefined) return;
    this.#push({ module, step, desc, must, kept: true, waiting: [] });
    this.#pump();
  }

  /**
   * A report of the user: resolves when it has been handed to the connection, or a newer percentage
   * of the module in its place. Rejects with `ERR_NOT_CONNECTED`, `ERR_QUEUE_FULL`, `ERR_CLOSED`.
   */
  submit(module: string, step: number, desc: string): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#waiting() >= MAX_WAITING) {
        throw new IotkitError('ERR_QUEUE_FULL', `${MAX_WAITING} steps are waiting`);
      }
      const must = step <= 0 || step === 100;
      const settle: Settle = (error) => (error ? reject(error) : resolve());
      this.#push({ module, step, desc, must, kept: false, waiting: [settle] });
      if (this.#offline) this.#goOffline();
      this.#pump();
    });
  }

  /** As {@link ProgressPace.takeTurn}. */
  takeTurn(): number {
    return this.#pace.takeTurn();
  }

  /** The modules, by key, of which a failure waits to be sent. */
  failing(): string[] {
    const all = [...this.#queues.values()];
    return all.filter(({ reports }) => reports.some(isFailure)).map(({ key }) => key);
  }

  /** Resolves when the failures of a module that wait now have been sent; rejects when they cannot be. */
  failuresSent(module: string): Promise<void> {
    const last = this.#queues.get(moduleKey(module))?.reports.filter(isFailure).at(-1);
    if (last === undefined) return Promise.resolve();
    return new Promise((resolve, reject) => {
      last.waiting.push((error) => (error ? reject(error) : resolve()));
    });
  }

  /** There is a new connection. */
  connected(): void {
    this.#offline = false;
    this.#pump();
  }

  /** Sends now what must be sent, rejects the reports of the user with `error`, then stops. */
  close(error: IotkitError): void {
    this.#closed = error;
    this.#pace.remove(this);
    for (const { reports } of this.#queues.values()) {
      for (const { module, step, desc, must, kept, waiting } of reports.splice(0)) {
        if (must && kept && !this.#offline) this.#sendNow(module, step, desc);
        settle(waiting, error);
      }
    }
    this.#queues.clear();
  }

  #waiting(): number {
    let count = 0;
    for (const { reports } of this.#queues.values()) count += reports.length;
    return count;
  }

  #push(report: Report): void {
    const key = moduleKey(report.module);
    const queue = this.#queues.get(key) ?? { key, reports: [], sentAt: -INTERVAL_MS };
    this.#queues.set(key, queue);
    const last = queue.reports.at(-1);
    // A percentage that waits is replaced, and counts as sent for the one who submitted it. Without
    // a connection the last one before the end stays: the platform may not have got any yet.
    const isEnd = report.kept && report.must;
    if (last?.must === false && last.kept === report.kept && !(this.#offline && isEnd)) {
      // However many there are, each is moved once.
      last.waiting.push(...report.waiting);
      queue.reports[queue.reports.length - 1] = { ...report, waiting: last.waiting };
      return;
    }
    queue.reports.push(report);
    while (queue.reports.length > MAX_KEPT && queue.reports[0]?.kept) queue.reports.shift();
  }

  #pump(): void {
    if (!this.#offline) this.#pace.pump(this);
  }

  /** The next one; undefined: none waits. */
  next(now: number): Candidate | undefined {
    if (this.#offline) return undefined;
    let soonest:
      | { readonly queue: ModuleQueue; readonly wait: number; readonly rank: Rank }
      | undefined;
    for (const queue of this.#queues.values()) {
      if (queue.reports.length === 0) {
        if (now - queue.sentAt >= INTERVAL_MS) this.#queues.delete(queue.key);
        continue;
      }
      const rank = rankOf(queue);
      const wait = this.#untilDue(queue, now);
      const first =
        soonest === undefined ||
        wait < soonest.wait ||
        (wait === soonest.wait && reserved[rank] < reserved[soonest.rank]);
      if (first) soonest = { queue, wait, rank };
    }
    if (soonest === undefined) return undefined;
    const { queue, wait, rank } = soonest;
    return { wait, rank, send: () => this.#deliver(queue, now) };
  }

  #deliver(queue: ModuleQueue, now: number): number {
    const [report] = queue.reports;
    if (report === undefined) return 0;
    const rc = this.#sendNow(report.module, report.step, report.desc);
    const error = rc < 0 ? IotkitError.fromErrno(rc) : undefined;
    if (error?.code === 'ERR_NOT_CONNECTED') {
      this.#goOffline();
      return 0;
    }
    if (error?.retryable && report.kept) return RETRY_MS;
    queue.reports.shift();
    queue.sentAt = now;
    this.#pace.sent();
    this.#queues.delete(queue.key);
    this.#queues.set(queue.key, queue);
    settle(report.waiting, error);
    return 0;
  }

  // The user's reports are refused; downloads continue and their reports wait.
  #goOffline(): void {
    this.#offline = true;
    for (const queue of this.#queues.values()) {
      const all = queue.reports.splice(0);
      queue.reports.push(...all.filter(({ kept }) => kept));
      for (const { kept, waiting } of all) {
        if (!kept) settle(waiting, new IotkitError('ERR_NOT_CONNECTED'));
      }
    }
  }

  /** Percentages of a download go once a second, unless another report waits after them. */
  #untilDue({ reports: [first, second], sentAt }: ModuleQueue, now: number): number {
    if (first === undefined || first.must || !first.kept || second !== undefined) return 0;
    return Math.max(sentAt + INTERVAL_MS - now, 0);
  }
}

function settle(waiting: readonly Settle[], error: IotkitError | undefined): void {
  for (const one of waiting) one(error);
}

function isFailure({ step }: Report): boolean {
  return step < 0;
}

function rankOf({ reports }: ModuleQueue): Rank {
  if (reports.some(isFailure)) return 'failure';
  return reports.some(({ must }) => must) ? 'must' : 'percentage';
}
