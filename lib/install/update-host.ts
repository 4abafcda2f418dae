// Tested by test/unit/install/agent.test.ts
/** What an update needs of its agent. */
import type { Clock } from './clock';
import type { Limits } from './decide';
import type { CheckedHealth, Vitals } from './health';
import type { CheckedHooks } from './hooks';
import type { Images } from './images';
import type { CheckedPolicy } from './policy';
import type { RecordFile, UpdateEntry } from './record';
import type { Reports } from './reports';

/** @internal What all updates share. */
export interface UpdateHost {
  readonly record: RecordFile;
  readonly reports: Reports;
  readonly images: Images;
  readonly clock: Clock;
  readonly bootId: () => Promise<string>;
  readonly policy: CheckedPolicy;
  readonly hooks: CheckedHooks;
  readonly health: CheckedHealth;
  readonly vitals: Vitals;
  readonly limits: Limits;
  /** Where the percentages of the download and of the installation end. */
  readonly progress: { readonly download: number; readonly install: number };
  /** Milliseconds that the upgrades of the other modules are waited for. */
  readonly gatherMs: number;
  readonly signal: AbortSignal;
  /** Resolves when an upgrade was announced for each of these modules. */
  offered(modules: readonly string[], signal: AbortSignal): Promise<void>;
  /** Resolves when the user consents; rejects when the user does not. */
  consent(step: 'download' | 'install', entry: UpdateEntry, signal: AbortSignal): Promise<void>;
  /** Calls it once another upgrade of the module is announced, at once if it was; returns what stops that. */
  whenReplaced(entry: UpdateEntry, call: () => void): () => void;
  /** Whether the platform has another upgrade of the module by now; waits for a connection, to ask it. */
  isReplaced(entry: UpdateEntry): Promise<boolean>;
  onEntry(entry: UpdateEntry): void;
  onError(error: unknown): void;
}
