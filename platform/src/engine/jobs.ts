import { randomBytes } from 'node:crypto';
import type { Clock, Timer } from '../clock';
import { PlatformError } from '../errors';
import type { Events } from '../events';
import { deviceId, moduleKey } from '../names';
import type { State } from '../state';
import type {
  DeviceKey,
  RetryPolicy,
  TaskReason,
  TaskState,
  TaskTransition,
  Upgrade,
  UpgradeTask,
} from '../types';

/** A job as it is stored; its tasks are records of their own. */
export type Job = Omit<Upgrade, 'tasks' | 'settled'>;

type Mutable<T> = { -readonly [Name in keyof T]: T[Name] };

/** A task as it is stored. Only {@link Jobs} changes it. */
export type Task = Mutable<UpgradeTask>;

/** What a transition tells besides its reason. */
interface Cause {
  readonly step?: number;
  readonly desc?: string;
}

/** The states that may follow each; `failed` is left again only by a retry. */
const NEXT: Readonly<Record<TaskState, readonly TaskState[]>> = {
  'to-be-confirmed': ['pending', 'succeeded', 'cancelled'],
  pending: ['pushed', 'succeeded', 'cancelled'],
  pushed: ['upgrading', 'succeeded', 'failed', 'cancelled'],
  upgrading: ['succeeded', 'failed', 'cancelled'],
  succeeded: [],
  failed: ['pending'],
  cancelled: [],
};

const MINUTE_MS = 60_000;

export function isFinal(state: TaskState): boolean {
  return state === 'succeeded' || state === 'failed' || state === 'cancelled';
}

/** Snapshot for the outside. */
export function toPublic(task: Task): UpgradeTask {
  return { ...task, history: [...task.history] };
}

/**
 * The book of upgrades: jobs, their tasks, and the one way a task changes its state. Keeps the
 * timers of time-outs and retries, writes every change to the state, tells it as an event.
 */
export class Jobs {
  readonly #state: State;
  readonly #clock: Clock;
  readonly #events: Events;
  /** Called when a task becomes due for delivery by itself: its retry's time has come. */
  readonly #due: (task: Task) => void;
  readonly #jobs = new Map<string, Job>();
  readonly #tasks = new Map<string, Task[]>();
  /** The one unfinished task of each module of a device, by device. */
  readonly #active = new Map<string, Map<string, Task>>();
  readonly #timers = new Map<Task, Timer>();

  constructor(state: State, clock: Clock, events: Events, due: (task: Task) => void) {
    this.#state = state;
    this.#clock = clock;
    this.#events = events;
    this.#due = due;
  }

  /** Takes the state over and arms the timers; what fell due meanwhile fires at once. */
  async load(): Promise<void> {
    for (const job of await this.#state.load<Job>('upgrade')) {
      this.#jobs.set(job.id, job);
      this.#tasks.set(job.id, []);
    }
    for (const task of await this.#state.load<Task>('task')) {
      this.#tasks.get(task.upgradeId)?.push(task);
      if (isFinal(task.state)) continue;
      this.#occupy(task);
      this.#arm(task);
    }
  }

  /** Enters a job with one task for each device; a task whose place is taken fails at once. */
  create(options: Omit<Job, 'id' | 'createdAt'>, devices: readonly DeviceKey[]): Job {
    const now = this.#clock.now();
    const job: Job = { ...options, id: newId(this.#jobs), createdAt: now };
    this.#jobs.set(job.id, job);
    this.#state.put('upgrade', job.id, job);
    const tasks: Task[] = devices.map(({ productKey, deviceName }) => ({
      upgradeId: job.id,
      productKey,
      deviceName,
      ...(job.module !== undefined && { module: job.module }),
      state: job.requireConfirmation ? 'to-be-confirmed' : 'pending',
      retries: 0,
      history: [],
    }));
    this.#tasks.set(job.id, tasks);
    for (const task of tasks) this.#enter(task);
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

  uses(firmwareId: string): boolean {
    return this.unfinished().some((task) => this.job(task.upgradeId).firmwareId === firmwareId);
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

  /** Moves a task on. A move the table does not know is refused with false. */
  move(task: Task, state: TaskState, reason: TaskReason, cause: Cause = {}): boolean {
    if (!NEXT[task.state].includes(state)) return false;
    this.#record(task, state, reason, cause);
    if (state === 'failed') this.#retry(task, reason);
    return true;
  }

  /** Keeps a step of a task that is upgrading. */
  progress(task: Task, step: number, desc: string): void {
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

  #enter(task: Task): void {
    if (this.active(task, task.module) !== undefined) {
      this.#record(task, 'failed', 'conflict', {});
      return;
    }
    this.#record(task, task.state, 'created', {});
  }

  #record(task: Task, state: TaskState, reason: TaskReason, cause: Cause): void {
    const now = this.#clock.now();
    const transition: TaskTransition = { state, time: now, reason, ...cause };
    task.state = state;
    task.history = [...task.history, transition];
    delete task.deadline;
    delete task.notBefore;
    if (cause.step !== undefined) task.step = cause.step;
    if (cause.desc !== undefined) task.desc = cause.desc;
    const { timeoutMinutes, retry } = this.job(task.upgradeId);
    if (state === 'upgrading' && timeoutMinutes !== undefined) {
      task.deadline = now + timeoutMinutes * MINUTE_MS;
    }
    if (reason === 'retry' && retry !== undefined) {
      task.retries++;
      task.notBefore = now + retry.delayMinutes * MINUTE_MS;
    }
    if (isFinal(state)) this.#vacate(task);
    else this.#occupy(task);
    this.#arm(task);
    this.#save(task);
    this.#events.emit('task-changed', { upgradeId: task.upgradeId, task: toPublic(task) });
  }

  #retry(task: Task, reason: TaskReason): void {
    if (reason !== 'device-failed' && reason !== 'wrong-version') return;
    const retry: RetryPolicy | undefined = this.job(task.upgradeId).retry;
    if (retry === undefined || task.retries >= retry.attempts) return;
    // A listener of the failure may have given the place to another upgrade.
    if (this.active(task, task.module) !== undefined) return;
    this.#record(task, 'pending', 'retry', {});
  }

  #occupy(task: Task): void {
    const id = deviceId(task);
    const tasks = this.#active.get(id) ?? new Map<string, Task>();
    this.#active.set(id, tasks.set(moduleKey(task.module), task));
  }

  /** A task that failed as a conflict never had the place. */
  #vacate(task: Task): void {
    if (this.active(task, task.module) !== task) return;
    const tasks = this.#active.get(deviceId(task));
    tasks?.delete(moduleKey(task.module));
    if (tasks?.size === 0) this.#active.delete(deviceId(task));
  }

  #arm(task: Task): void {
    this.#timers.get(task)?.cancel();
    this.#timers.delete(task);
    const time = task.deadline ?? task.notBefore;
    if (time === undefined) return;
    const fire = (): void => {
      this.#timers.delete(task);
      if (task.deadline !== undefined) this.move(task, 'failed', 'time-out');
      else this.#due(task);
    };
    this.#timers.set(task, this.#clock.at(time, fire));
  }

  #save(task: Task): void {
    this.#state.put('task', `${task.upgradeId}/${deviceId(task)}`, task);
  }
}

/** Ids sort in the order of creation, so that a restart lists upgrades as before. */
function newId(taken: ReadonlyMap<string, unknown>): string {
  const number = String(taken.size + 1).padStart(6, '0');
  return `${number}-${randomBytes(3).toString('hex')}`;
}
