import type { Change, RecordKind, Store, StoreHealth } from '../../src/store/store';

/** A store for tests of one room; like the real one, it keeps JSON and no objects. */
export class MemoryStore implements Store {
  readonly health: StoreHealth = { degraded: false };
  /** Set: commits are refused with it. */
  refusal: Error | undefined;
  readonly #records = new Map<string, string>();

  async load<T>(kind: RecordKind): Promise<T[]> {
    return [...this.#records]
      .filter(([key]) => key.startsWith(`${kind}/`))
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([, text]) => JSON.parse(text) as T);
  }

  put(kind: RecordKind, key: string, record: object): void {
    this.#records.set(`${kind}/${key}`, JSON.stringify(record));
  }

  remove(kind: RecordKind, key: string): void {
    this.#records.delete(`${kind}/${key}`);
  }

  onHealth(): void {}

  async commit(changes: readonly Change[]): Promise<void> {
    if (this.refusal !== undefined) throw this.refusal;
    for (const { kind, key, record } of changes) {
      if (record === undefined) this.remove(kind, key);
      else this.put(kind, key, record);
    }
  }

  async flush(): Promise<void> {}

  async close(): Promise<void> {}
}
