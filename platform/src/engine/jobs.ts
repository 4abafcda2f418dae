import { randomBytes } from 'node:crypto';
import type { Clock, Timer } from '../base/clock';
import { PlatformError } from '../base/errors';
import { deviceId, moduleKey } from '../devices/names';
import type { Events } from '../events/events';
import type { Store } from '../store/store';
import type { DeviceKey } from '../types/device';
import type {
  RetryPolicy,
  TaskReason,
  TaskState,
  TaskTransition,
  Upgrade,
  UpgradeTask,
} from '../types/upgrade';
import { isAwaitingRetry, isFinal, mayFollow, meaningOf, type Task } from './task-states';

/** A job as it is stored; its tasks are records of their own. */
export type Job = Omit<Upgrade, 'tasks' | 'settled'>;

/** A device that a job is for, and what its module runs as far as it has reported it. */
export interface Target extends DeviceKey {
  readonly version?: string;
}

/** What a transition records besides its reason. */
interface Cause {
  readonly step?: number;
  readonly desc?: string;
}

const MINUTE_MS = 60_000;

/** A copy that the task's next transition does not change. */
function toPublic(task: Task): UpgradeTask {
  return { ...task, history: [...task.history] };
}

/**
 * All upgrades: jobs, their tasks, and the only way a task changes its state. Keeps the timers of
 * time-outs and retries, writes every change to the store and reports it as an event.
 */
export class Jobs {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #events: Events;
  readonly #dueListeners: ((task: Task) => void)[] = [];
  readonly #jobs = new Map<string, Job>();
  readonly #tasks = new Map<string, Task[]>();
  /** The one unfinished task of each module of a device, by device. */
  readonly #active = new Map<string, Map<string, Task>>();
  readonly #timers = new Map<Task, Timer>();
  /** Jobs that are being committed. */
  readonly #creating = new Set<Job>();
  /** How many ids were given out, those of upgrades that could not be kept included. */
  #created = 0;

  constructor(store: Store, clock: Clock, events: Events) {
    this.#store = store;
    this.#clock = clock;
    this.#events = events;
  }

  /** Calls `listener` when the delay before a task's retry is over: its notice is due. */
  onDue(listener: (task: Task) => void): void {
    this.#dueListeners.push(listener);
  }

  /**
   * Reads the store and sets the timers; what fell due while nothing ran fires in the next turn.
   */
  async load(): Promise<void> {
    for (const job of await this.#store.load<Job>('upgrade')) {
      this.#jobs.set(job.id, job);
      this.#tasks.set(job.id, []);
    }
    for (const task of await this.#store.load<Task>('task')) {
      this.#tasks.get(task.upgradeId)?.push(task);
      if (isFinal(task.state)) continue;
      // A crash may have come before a conflict was recorded.
      if (this.active(task, task.module) !== undefined)
        this.#record(task, 'failed', 'conflict', {});
      else {
        this.#setActive(task);
        this.#arm(task);
      }
    }
  }

  /**
   * Adds a job with one task for each device. A task of a device that has an unfinished one fails
   * as a conflict; with `multiModule` only where that is of the same module. Rejects with
   * ERR_STATE_FULL or ERR_STATE, and then there is no job.
   */
  async create(options: Omit<Job, 'id' | 'createdAt'>, devices: readonly Target[]): Promise<Job> {
    const now = this.#clock.now();
    const job: Job = { ...options, id: this.#newId(), createdAt: now };
    const tasks: Task[] = devices.map(({ productKey, deviceName, version }) => ({
      upgradeId: job.id,
      productKey,
      deviceName,
      ...(job.module !== undefined && { module: job.module }),
      ...(version !== undefined && { sourceVersion: version }),
      state: job.requireConfirmation ? 'to-be-confirmed' : 'pending',
      retries: 0,
      history: [],
    }));
    this.#creating.add(job);
    try {
      await this.#store.commit([
        { kind: 'upgrade', key: job.id, record: job },
        ...tasks.map((task) => ({ kind: 'task', key: taskKey(task), record: task }) as const),
      ]);
    } finally {
      this.#creating.delete(job);
    }
    this.#jobs.set(job.id, job);
    this.#tasks.set(job.id, tasks);
    for (const task of tasks) this.#add(task);
    return job;
  }

  job(id: string): Job {
    const job = this.#jobs.get(id);
    if (job !== undefined) return job;
    throw new PlatformError('ERR_UPGRADE_UNKNOWN', `there is no upgrade ${id}`);
  }

  tasks(id: string): readonly Task[] {
    return this.#tasks.get(this.job(id).id) ?? [];
  }

  active(key: DeviceKey, module: string | undefined): Task | undefined {
    return this.#active.get(deviceId(key))?.get(moduleKey(module));
  }

  activeOf(key: DeviceKey): Task[] {
    return [...(this.#active.get(deviceId(key))?.values() ?? [])];
  }

  /** Every unfinished task. */
  unfinished(): Task[] {
    return [...this.#active.values()].flatMap((tasks) => [...tasks.values()]);
  }

  /** Whether an unfinished task has this firmware, or a job that is being committed. */
  uses(firmwareId: string): boolean {
    const jobs = [
      ...this.#creating,
      ...this.unfinished().map(({ upgradeId }) => this.job(upgradeId)),
    ];
    return jobs.some((job) => job.firmwareId === firmwareId);
  }

  get(id: string): Upgrade | undefined {
    const job = this.#jobs.get(id);
    if (job === undefined) return undefined;
    const tasks = this.tasks(id);
    return {
      ...job,
      tasks: tasks.map(toPublic),
      settled: tasks.every((task) => isFinal(task.state)),
    };
  }

  list(): Upgrade[] {
    return [...this.#jobs.keys()].map((id) => this.get(id) as Upgrade);
  }

  /** Moves a task on. A move that the table of states does not have is refused with false. */
  move(task: Task, state: TaskState, reason: TaskReason, cause: Cause = {}): boolean {
    if (!mayFollow(task.state, state)) return false;
    if (state === 'failed' && this.#mayRetry(task, reason)) {
      this.#record(task, task.state, 'retry', cause);
    } else this.#record(task, state, reason, cause);
    return true;
  }

  /**
   * Moves tasks on as an operator says: all or, with ERR_STATE_FULL or ERR_STATE, none. One that a
   * device moved on meanwhile, so that the table has no such move for it, stays where it is.
   */
  async moveAll(tasks: readonly Task[], state: TaskState, reason: TaskReason): Promise<void> {
    const moving = tasks.filter((task) => mayFollow(task.state, state));
    await this.#store.commit(
      moving.map((task) => {
        const record = this.#next(task, state, reason, {});
        return { kind: 'task', key: taskKey(task), record } as const;
      }),
    );
    for (const task of moving) this.move(task, state, reason);
  }

  /** A version of the task's module is reported. */
  versionReported(task: Task, version: string): void {
    const meaning = meaningOf(task, this.job(task.upgradeId).version, version);
    if (meaning === 'target') {
      this.move(task, 'succeeded', 'version-reported');
      return;
    }
    // Nothing is under way while a retry is awaited: it will start from what runs then.
    if (meaning === 'other' && !isAwaitingRetry(task, this.#clock.now())) {
      this.move(task, 'failed', 'wrong-version', { desc: version });
    }
    if (isFinal(task.state) || task.sourceVersion === version) return;
    task.sourceVersion = version;
    this.#save(task);
  }

  /** A device reports a step of a task that its notice may have reached. */
  stepReported(task: Task, step: number, desc: string): void {
    if (step >= 0) this.move(task, 'upgrading', 'progress', { step, desc });
    this.#progress(task, step, desc);
    // That attempt has failed already.
    if (step >= 0 || isAwaitingRetry(task, this.#clock.now())) return;
    this.move(task, 'failed', 'device-failed', { step, desc });
  }

  #progress(task: Task, step: number, desc: string): void {
    task.step = step;
    task.desc = desc;
    this.#save(task);
    const { upgradeId, productKey, deviceName, module } = task;
    this.#events.emit('progress', {
      upgradeId,
      productKey,
      deviceName,
      ...(module !== undefined && { module }),
      step,
      desc,
    });
  }

  close(): void {
    for (const timer of this.#timers.values()) timer.cancel();
    this.#timers.clear();
  }

  #add(task: Task): void {
    const others = this.activeOf(task);
    const { multiModule } = this.job(task.upgradeId);
    if (others.some((other) => !multiModule || other.module === task.module)) {
      this.#record(task, 'failed', 'conflict', {});
      return;
    }
    this.#record(task, task.state, 'created', {});
  }

  /** What a task becomes by a transition. */
  #next(before: Task, state: TaskState, reason: TaskReason, cause: Cause): Task {
    const now = this.#clock.now();
    const transition: TaskTransition = { state, time: now, reason, ...cause };
    const task = { ...before, ...cause, state, history: [...before.history, transition] };
    delete task.notBefore;
    const { timeoutMinutes, retry } = this.job(task.upgradeId);
    if (isFinal(state)) delete task.deadline;
    else if (reason === 'progress' && timeoutMinutes !== undefined) {
      task.deadline = now + timeoutMinutes * MINUTE_MS;
    }
    if (reason === 'retry' && retry !== undefined) {
      task.retries++;
      task.notBefore = now + retry.delayMinutes * MINUTE_MS;
    }
    return task;
  }

  #record(task: Task, state: TaskState, reason: TaskReason, cause: Cause): void {
    const next = this.#next(task, state, reason, cause);
    delete task.notBefore;
    delete task.deadline;
    Object.assign(task, next);
    if (isFinal(state)) this.#unsetActive(task);
    else this.#setActive(task);
    this.#arm(task);
    this.#save(task);
    this.#events.emit('task-changed', { upgradeId: task.upgradeId, task: toPublic(task) });
  }

  #mayRetry(task: Task, reason: TaskReason): boolean {
    if (reason !== 'device-failed' && reason !== 'wrong-version') return false;
    const retry: RetryPolicy | undefined = this.job(task.upgradeId).retry;
    return retry !== undefined && task.retries < retry.attempts;
  }

  #setActive(task: Task): void {
    const id = deviceId(task);
    const tasks = this.#active.get(id) ?? new Map<string, Task>();
    this.#active.set(id, tasks.set(moduleKey(task.module), task));
  }

  /** A task that failed as a conflict was never the active one. */
  #unsetActive(task: Task): void {
    if (this.active(task, task.module) !== task) return;
    const tasks = this.#active.get(deviceId(task));
    tasks?.delete(moduleKey(task.module));
    if (tasks?.size === 0) this.#active.delete(deviceId(task));
  }

  #arm(task: Task): void {
    this.#timers.get(task)?.cancel();
    this.#timers.delete(task);
    const { deadline = Number.POSITIVE_INFINITY, notBefore = Number.POSITIVE_INFINITY } = task;
    const time = Math.min(deadline, notBefore);
    if (time === Number.POSITIVE_INFINITY) return;
    const fire = deadline <= notBefore ? this.#timedOut : this.#retryDue;
    this.#timers.set(
      task,
      this.#clock.at(time, () => fire.call(this, task)),
    );
  }

  #timedOut(task: Task): void {
    this.move(task, 'failed', 'time-out');
  }

  #retryDue(task: Task): void {
    delete task.notBefore;
    this.#arm(task);
    this.#save(task);
    for (const listener of this.#dueListeners) listener(task);
  }

  #save(task: Task): void {
    this.#store.put('task', taskKey(task), task);
  }

  /** Ids sort in the order of creation, so that a restart lists upgrades as before. */
  #newId(): string {
    this.#created = Math.max(this.#created, this.#jobs.size) + 1;
    return `${String(this.#created).padStart(6, '0')}-${randomBytes(3).toString('hex')}`;
  }
}

function taskKey(task: Task): string {
  return `${task.upgradeId}/${deviceId(task)}`;
}
