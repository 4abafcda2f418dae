import type { DeviceKey } from './device';

/**
 * The platform's states of one device's upgrade. `succeeded`, `failed` and `cancelled` are final.
 */
export type TaskState =
  | 'to-be-confirmed'
  | 'pending'
  | 'pushed'
  | 'upgrading'
  | 'succeeded'
  | 'failed'
  | 'cancelled';

/**
 * Retries by the platform after a negative step or a wrong version; never after a time-out. While
 * one is due the task keeps its state, and its time-out runs on.
 */
export interface RetryPolicy {
  readonly attempts: 1 | 2 | 5;
  readonly delayMinutes: 0 | 10 | 30 | 60 | 1440;
}

/** One step in the life of a task. */
export interface TaskTransition {
  readonly state: TaskState;
  /** Milliseconds since the epoch. */
  readonly time: number;
  readonly reason: TaskReason;
  /** Progress step that caused it. */
  readonly step?: number;
  /** The device's own words. */
  readonly desc?: string;
}

/** Why a task entered a state. */
export type TaskReason =
  | 'created'
  | 'confirmed'
  | 'delivered'
  | 'pulled'
  | 'progress'
  | 'version-reported'
  | 'wrong-version'
  | 'device-failed'
  | 'time-out'
  | 'conflict'
  | 'retry'
  | 'cancelled-by-operator'
  | 'device-removed';

/** One device's part in an upgrade. */
export interface UpgradeTask extends DeviceKey {
  readonly upgradeId: string;
  readonly module?: string;
  readonly state: TaskState;
  /**
   * What the module ran when its upgrade began, as far as it is known: to report it again is only a
   * restart. Follows the reports until the task is `upgrading`, and after a retry.
   */
  readonly sourceVersion?: string;
  /** Last step reported: 0…100, or -1…-4. */
  readonly step?: number;
  readonly desc?: string;
  /** 0 at first; counts the retries begun. */
  readonly retries: number;
  /** Milliseconds since the epoch at which the task times out; set by its first progress report. */
  readonly deadline?: number;
  /** Milliseconds since the epoch before which a task that waits for its retry is not pushed. */
  readonly notBefore?: number;
  readonly history: readonly TaskTransition[];
}

/** An upgrade job: one firmware, some devices. */
export interface Upgrade {
  readonly id: string;
  readonly firmwareId: string;
  /** Target version, kept when the firmware is removed. */
  readonly version: string;
  readonly module?: string;
  readonly timeoutMinutes?: number;
  readonly requireConfirmation: boolean;
  readonly retry?: RetryPolicy;
  readonly delivery: 'push' | 'pull';
  readonly protocol: 'https' | 'mqtt';
  /** Whether another upgrade of the same device may run beside this one, for another module. */
  readonly multiModule?: boolean;
  /** With MQTT: what blocks are asked of. */
  readonly streamId?: number;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  readonly tasks: readonly UpgradeTask[];
  /** Whether every task is final. */
  readonly settled: boolean;
}
