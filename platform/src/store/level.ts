import { mkdir } from 'node:fs/promises';
import { ClassicLevel } from 'classic-level';
import { type Clock, systemClock, type Timer } from '../base/clock';
import { isFull, messageOf, PlatformError } from '../base/errors';
import { StateProblems } from '../base/problems';
import { readRecord } from './shapes';
import type { Change, RecordKind, Store, StoreHealth } from './store';

/** Texts by key; undefined removes. */
type Batch = ReadonlyMap<string, string | undefined>;

const FIRST_RETRY_MS = 1_000;
const LAST_RETRY_MS = 30_000;

/**
 * The records in LevelDB, as JSON under `{kind}/{key}`. LevelDB's log makes each batch whole or
 * absent. After a failed write it refuses all others until it is opened again, so that is what the next
 * write begins with.
 *
 * A second process is kept out by the lock of another database, `{directory}-lock`, which holds nothing
 * and stays open: the one of the records is free for a moment whenever they are opened again.
 */
export class LevelStore implements Store {
  readonly #db: ClassicLevel<string, string>;
  readonly #lock: ClassicLevel<string, string>;
  readonly #clock: Clock;
  readonly #problems: StateProblems;
  readonly #listeners: ((health: StoreHealth) => void)[] = [];
  /** What is queued and no write has taken along yet. */
  #open: Map<string, string | undefined> | undefined;
  /** What failed writes have left: older than whatever is queued. */
  #unwritten: Batch = new Map();
  /** Writes follow one another: each waits for the one before. */
  #turn: Promise<void> = Promise.resolve();
  #failure: unknown;
  #failures = 0;
  #retry: Timer | undefined;

  private constructor(
    { db, lock }: { readonly db: ClassicLevel; readonly lock: ClassicLevel },
    clock: Clock,
    problems: StateProblems,
  ) {
    this.#db = db;
    this.#lock = lock;
    this.#clock = clock;
    this.#problems = problems;
  }

  /** Rejects with ERR_STATE_LOCKED when another process has the directory open. */
  static async open(
    directory: string,
    clock: Clock = systemClock,
    problems = new StateProblems(),
  ): Promise<LevelStore> {
    const lock = await openDatabase(`${directory}-lock`, directory);
    try {
      return new LevelStore({ db: await openDatabase(directory), lock }, clock, problems);
    } catch (error) {
      await lock.close();
      throw error;
    }
  }

  get health(): StoreHealth {
    return this.#failure === undefined
      ? { degraded: false }
      : { degraded: true, reason: reasonOf(this.#failure) };
  }

  onHealth(listener: (health: StoreHealth) => void): void {
    this.#listeners.push(listener);
  }

  async isEmpty(): Promise<boolean> {
    for await (const _ of this.#db.keys({ limit: 1 })) return false;
    return true;
  }

  async load<T>(kind: RecordKind): Promise<T[]> {
    const records: T[] = [];
    for await (const [key, text] of this.#db.iterator({ gt: `${kind}/`, lt: `${kind}0` })) {
      const read = readRecord(kind, text);
      if ('record' in read) records.push(read.record as T);
      else this.#problems.report({ what: 'record', name: key, reason: read.flaw });
    }
    return records;
  }

  put(kind: RecordKind, key: string, record: object): void {
    this.#queue(`${kind}/${key}`, JSON.stringify(record));
  }

  remove(kind: RecordKind, key: string): void {
    this.#queue(`${kind}/${key}`, undefined);
  }

  commit(changes: readonly Change[]): Promise<void> {
    const batch = new Map(
      changes.map(({ kind, key, record }) => [
        `${kind}/${key}`,
        record === undefined ? undefined : JSON.stringify(record),
      ]),
    );
    return this.#writeWith(batch);
  }

  flush(): Promise<void> {
    return this.#writeWith(new Map());
  }

  async close(): Promise<void> {
    this.#retry?.cancel();
    try {
      await this.flush();
    } finally {
      this.#retry?.cancel();
      await this.#db.close();
      await this.#lock.close();
    }
  }

  #queue(key: string, text: string | undefined): void {
    if (this.#open === undefined) this.#begin();
    this.#open?.set(key, text);
  }

  /** What is queued until the turn of its write comes is one batch, if no other write takes it along. */
  #begin(): void {
    const queued = new Map<string, string | undefined>();
    this.#open = queued;
    // After a failure its timer comes back to what has been queued since.
    if (this.#retry !== undefined) return;
    this.#inTurn(async () => {
      if (this.#open !== queued) return;
      this.#open = undefined;
      await this.#write(queued, new Map());
    }).catch(() => undefined);
  }

  /** Writes `more` with what was queued before this call; what is queued after it comes later. */
  #writeWith(more: Batch): Promise<void> {
    const queued = this.#open ?? new Map();
    this.#open = undefined;
    return this.#inTurn(() => this.#write(queued, more));
  }

  #inTurn(write: () => Promise<void>): Promise<void> {
    const written = this.#turn.then(write);
    this.#turn = written.catch(() => undefined);
    return written;
  }

  /** Writes both as one batch. What was queued is kept after a failure, `more` is not. */
  async #write(queued: Batch, more: Batch): Promise<void> {
    const kept = new Map([...this.#unwritten, ...queued]);
    const batch = new Map([...kept, ...more]);
    if (batch.size === 0) return;
    try {
      if (this.#failure !== undefined) await this.#reopen();
      await this.#db.batch(operations(batch), { sync: true });
    } catch (error) {
      this.#unwritten = kept;
      this.#failed(error);
      throw writeError(error);
    }
    this.#unwritten = new Map();
    this.#succeeded();
  }

  async #reopen(): Promise<void> {
    await this.#db.close();
    await this.#db.open();
  }

  #succeeded(): void {
    if (this.#failure === undefined) return;
    this.#failure = undefined;
    this.#failures = 0;
    this.#retry?.cancel();
    this.#retry = undefined;
    for (const listener of this.#listeners) listener(this.health);
    // What was queued after the write that has just succeeded was left to the timer.
    this.flush().catch(() => undefined);
  }

  #failed(error: unknown): void {
    const isNew = this.#failure === undefined;
    this.#failure = error;
    this.#retry?.cancel();
    const delay = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** this.#failures++);
    this.#retry = this.#clock.at(this.#clock.now() + delay, () => {
      this.#retry = undefined;
      this.#tryAgain();
    });
    if (isNew) for (const listener of this.#listeners) listener(this.health);
  }

  /** Also where nothing is queued: whether records can be written again shows by writing one. */
  #tryAgain(): void {
    this.#writeWith(new Map([['probe', undefined]])).catch(() => undefined);
  }
}

/** `directory` is what an error names. */
async function openDatabase(path: string, directory = path): Promise<ClassicLevel> {
  // It holds the devices' secrets.
  await mkdir(path, { recursive: true, mode: 0o700 });
  const db = new ClassicLevel(path, { multithreading: false });
  try {
    await db.open();
  } catch (error) {
    throw openError(directory, error);
  }
  return db;
}

function operations(batch: Batch) {
  return [...batch].map(([key, value]) =>
    value === undefined ? ({ type: 'del', key } as const) : ({ type: 'put', key, value } as const),
  );
}

function openError(directory: string, error: unknown): PlatformError {
  const { cause } = error as { cause?: { code?: unknown } };
  if (cause?.code === 'LEVEL_LOCKED') {
    const text = `the state directory is in use by another platform: ${directory}`;
    return new PlatformError('ERR_STATE_LOCKED', text);
  }
  const text = `cannot open ${directory}: ${reasonOf(error)}`;
  return new PlatformError(isFull(error) ? 'ERR_STATE_FULL' : 'ERR_STATE', text, { cause: error });
}

function writeError(error: unknown): PlatformError {
  const text = `cannot write the state: ${reasonOf(error)}`;
  return new PlatformError(isFull(error) ? 'ERR_STATE_FULL' : 'ERR_STATE', text, { cause: error });
}

/** What LevelDB said, which classic-level puts beneath an error of its own. */
function reasonOf(error: unknown): string {
  return messageOf((error as { cause?: unknown }).cause ?? error);
}
