import { ClassicLevel } from 'classic-level';
import { messageOf, PlatformError } from './errors';

/** A kind of record; the part of the key before the first "/". */
export type RecordKind = 'device' | 'firmware' | 'upgrade' | 'task' | 'config';

/**
 * What outlives a restart: JSON records in LevelDB, whose log makes each batch whole or absent.
 * Writes are queued; of several to one key before the next batch the last wins. One process at a
 * time.
 */
export class State {
  readonly #db: ClassicLevel<string, string>;
  #dirty = new Map<string, string | undefined>();
  #writing: Promise<void> | undefined;
  #failure: unknown;

  private constructor(db: ClassicLevel<string, string>) {
    this.#db = db;
  }

  /** Rejects with ERR_STATE_LOCKED when another process has the directory open. */
  static async open(directory: string): Promise<State> {
    const db = new ClassicLevel<string, string>(directory, { multithreading: false });
    try {
      await db.open();
    } catch (error) {
      const cause = (error as { cause?: { code?: unknown } }).cause;
      if (cause?.code === 'LEVEL_LOCKED') {
        throw new PlatformError(
          'ERR_STATE_LOCKED',
          `the state directory is in use by another platform: ${directory}`,
        );
      }
      throw new PlatformError(
        'ERR_STATE',
        `cannot open ${directory}: ${messageOf(cause ?? error)}`,
        {
          cause: error,
        },
      );
    }
    return new State(db);
  }

  /** Every record of a kind, in the order of the keys. */
  async load<T>(kind: RecordKind): Promise<T[]> {
    const records: T[] = [];
    for await (const text of this.#db.values({ gt: `${kind}/`, lt: `${kind}0` })) {
      records.push(JSON.parse(text) as T);
    }
    return records;
  }

  /** Queues a record; it is on disk when a later `flush` has resolved. */
  put(kind: RecordKind, key: string, record: object): void {
    this.#queue(`${kind}/${key}`, JSON.stringify(record));
  }

  remove(kind: RecordKind, key: string): void {
    this.#queue(`${kind}/${key}`, undefined);
  }

  /** Resolves when all that was queued so far is synced to disk. */
  async flush(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing;
    if (this.#failure !== undefined) {
      throw new PlatformError('ERR_STATE', `cannot write the state: ${messageOf(this.#failure)}`, {
        cause: this.#failure,
      });
    }
  }

  async close(): Promise<void> {
    try {
      await this.flush();
    } finally {
      await this.#db.close();
    }
  }

  #queue(key: string, text: string | undefined): void {
    this.#dirty.set(key, text);
    this.#writing ??= this.#write();
  }

  async #write(): Promise<void> {
    // One turn later, so that what one message changes goes out as one batch.
    await Promise.resolve();
    try {
      while (this.#dirty.size > 0) {
        const batch = [...this.#dirty].map(([key, value]) =>
          value === undefined
            ? ({ type: 'del', key } as const)
            : ({ type: 'put', key, value } as const),
        );
        this.#dirty = new Map();
        await this.#db.batch(batch, { sync: true });
      }
    } catch (error) {
      this.#failure = error;
    } finally {
      this.#writing = undefined;
    }
  }
}
