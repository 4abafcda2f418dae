import type { TaskState, UpgradeTask } from '../types/upgrade';

type Mutable<T> = { -readonly [Name in keyof T]: T[Name] };

/** A task as it is stored. Only Jobs changes it. */
export type Task = Mutable<UpgradeTask>;

/**
 * The states that may follow each.
 *
 * | state           | event (reason in the history)                   | next            |
 * |-----------------|-------------------------------------------------|-----------------|
 * | (none)          | job is created (created)                        | pending         |
 * | (none)          | job is created, to be confirmed first (created) | to-be-confirmed |
 * | (none)          | job is created, device has a task (conflict)    | failed          |
 * | to-be-confirmed | operator confirms (confirmed)                   | pending         |
 * | pending         | notice is delivered (delivered)                 | pushed          |
 * | pending         | device is answered with the notice (pulled)     | pushed          |
 * | pending, pushed | step 0…100, the time-out starts (progress)      | upgrading       |
 * | pending, pushed | step -1…-4 (device-failed)                      | failed          |
 * | upgrading       | step -1…-4 (device-failed)                      | failed          |
 * | upgrading       | neither source nor target version (wrong-version) | failed        |
 * | upgrading       | time is up (time-out)                           | failed          |
 * | unfinished      | target version is reported (version-reported)   | succeeded       |
 * | unfinished      | operator cancels (cancelled-by-operator)        | cancelled       |
 * | unfinished      | device is removed (device-removed)              | cancelled       |
 *
 * Any other event leaves the state as it is: a notice sent again, a pull while upgrading, the
 * source version at any time. Unfinished is each state but the three final ones.
 *
 * A failure by device-failed or wrong-version with attempts left is not shown: the state stays, the
 * history says `retry`, and the notice is sent again after the delay.
 */
const NEXT: Readonly<Record<TaskState, readonly TaskState[]>> = {
  'to-be-confirmed': ['pending', 'succeeded', 'cancelled'],
  pending: ['pushed', 'upgrading', 'succeeded', 'failed', 'cancelled'],
  pushed: ['upgrading', 'succeeded', 'failed', 'cancelled'],
  upgrading: ['succeeded', 'failed', 'cancelled'],
  succeeded: [],
  failed: [],
  cancelled: [],
};

export function mayFollow(state: TaskState, next: TaskState): boolean {
  return NEXT[state].includes(next);
}

/** Whether a task has ended. */
export function isFinal(state: TaskState): boolean {
  return state === 'succeeded' || state === 'failed' || state === 'cancelled';
}

/** Whether the delay before a task's retry is still running. */
export function isAwaitingRetry({ notBefore }: Task, now: number): boolean {
  return notBefore !== undefined && now < notBefore;
}

/** What a version report means for an unfinished task whose target is `target`. */
export function meaningOf(
  task: Task,
  target: string,
  version: string,
): 'target' | 'source' | 'other' {
  if (version === target) return 'target';
  // Until it upgrades, a device may change its version on its own; then that is where it starts.
  if (task.state !== 'upgrading' || task.sourceVersion === undefined) return 'source';
  return version === task.sourceVersion ? 'source' : 'other';
}
