// store/: what outlives a restart: the contract of the records (here), LevelDB under it
// (level.ts), files that records name (owned-files.ts), and secrets in files of their own
// (private-files.ts). Other rooms see the contract, never what implements it; only the assembly
// chooses. Imports base.

/**
 * A kind of record, by whom it is written and under which key:
 *
 * | kind     | room     | key                                      |
 * |----------|----------|------------------------------------------|
 * | device   | devices  | `{deviceName}&{productKey}`              |
 * | product  | devices  | product key                              |
 * | token    | identities | `{deviceName}&{productKey}/{clientId}`  |
 * | certificate | identities | serial number                        |
 * | authority | identities | fingerprint of the CA's certificate  |
 * | relation | gateways | `{deviceName}&{productKey}` of the sub-device |
 * | firmware | firmware | id of the firmware                       |
 * | config   | configs  | product key                              |
 * | log      | logs     | `{deviceName}&{productKey}/{number}`     |
 * | log-wish | logs     | `{deviceName}&{productKey}`              |
 * | upgrade  | engine   | id of the upgrade, without its tasks     |
 * | task     | engine   | `{upgradeId}/{deviceName}&{productKey}`  |
 * | file     | store    | `{folder}/{id}`: to be removed at a start |
 */
export type RecordKind =
  | 'device'
  | 'product'
  | 'token'
  | 'certificate'
  | 'authority'
  | 'relation'
  | 'firmware'
  | 'config'
  | 'log'
  | 'log-wish'
  | 'upgrade'
  | 'task'
  | 'file';

/** One record to write, or to remove where there is none. */
export interface Change {
  readonly kind: RecordKind;
  readonly key: string;
  readonly record?: object;
}

/** Whether what is written becomes durable. */
export interface StoreHealth {
  /** The last write failed: what devices report is kept in memory until one succeeds. */
  readonly degraded: boolean;
  readonly reason?: string;
}

/**
 * JSON records, held by one process at a time. What an operator changes is committed before it
 * shows; what devices report is queued, and tried again until it is durable.
 */
export interface Store {
  readonly health: StoreHealth;
  /** Calls `listener` whenever the health changes. */
  onHealth(listener: (health: StoreHealth) => void): void;
  /**
   * Every durable record of a kind, in the order of the keys; one that cannot be read is a problem and
   * is left where it is. Meant for the start.
   */
  load<T>(kind: RecordKind): Promise<T[]>;
  /** Queues a record. Of several under one key the last one wins. */
  put(kind: RecordKind, key: string, record: object): void;
  /** Queues the removal of a record; one that does not exist is no error. */
  remove(kind: RecordKind, key: string): void;
  /**
   * Resolves when the changes, and all that was queued before, are durable together. Rejects with
   * ERR_STATE_FULL or ERR_STATE, and then nothing of the changes is kept.
   */
  commit(changes: readonly Change[]): Promise<void>;
  /**
   * Resolves when everything queued so far is durable. Rejects as `commit` does; what is queued stays
   * queued.
   */
  flush(): Promise<void>;
  /** Flushes, then lets the records go to another process. Rejects as `flush` does. */
  close(): Promise<void>;
}
