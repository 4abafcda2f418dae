// Tested by test/unit/cli/agent/service.test.ts
/**
 * What a service manager is told, by the program `systemd-notify`: Node.js has no datagrams of Unix
 * sockets. A unit needs `NotifyAccess=all` for it. Nothing of the agent waits for that program.
 */
import { failureOf, run } from '../../install/child';

/** Characters of a line for people. */
const STATUS_MAX = 512;
const TOLD_WITHIN_MS = 10_000;
/** The end of the agent waits no longer. */
const STOPPING_WITHIN_MS = 1000;
/** Between SIGTERM and SIGKILL for `systemd-notify`. */
const GRACE_MS = 500;

const names = ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID'] as const;

/** The variables that the service manager sets. */
export type ServiceEnvironment = Readonly<Partial<Record<(typeof names)[number], string>>>;

export interface ServiceOptions {
  /** Hears once that the service manager cannot be told, and again after it could. */
  readonly onError: (message: string) => void;
  /** Resolves while the agent can work: the watchdog hears nothing until it does. */
  readonly isAlive: () => Promise<unknown>;
}

/** The service manager; where there is none nothing is told. */
export class ServiceManager {
  readonly #env: ServiceEnvironment;
  readonly #options: ServiceOptions;
  /** By what a state is about: of several that wait the newest is told. */
  readonly #waiting = new Map<string, string>();
  readonly #ending = new AbortController();
  #telling: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isAsking = false;
  #hasFailed = false;

  /** @param env its variables are taken out: no program that the agent starts may speak for it */
  constructor(env: NodeJS.ProcessEnv, options: ServiceOptions) {
    this.#env = Object.fromEntries(names.map((name) => [name, env[name]]));
    this.#options = options;
    for (const name of names) delete env[name];
  }

  /**
   * The program does what it is for. From now on the watchdog hears of it as often as it wants.
   * Resolves when the service manager was told, or cannot be.
   */
  async ready(): Promise<void> {
    const told = this.#tell('READY', '1');
    const everyMs = watchdogMs(this.#env);
    if (everyMs !== undefined && this.#env.NOTIFY_SOCKET !== undefined) {
      this.#timer = setInterval(() => void this.#watchdog(), everyMs);
      this.#timer.unref();
    }
    await told;
  }

  /** A line for people who ask the service manager. Resolves as {@link ServiceManager.ready}. */
  async status(text: string): Promise<void> {
    await this.#tell('STATUS', text.replace(/[\s\0]+/g, ' ').slice(0, STATUS_MAX));
  }

  /** Resolves within two seconds. Nothing is told after it. */
  async stopping(): Promise<void> {
    clearInterval(this.#timer);
    this.#ending.abort();
    await this.#telling;
    if (this.#env.NOTIFY_SOCKET !== undefined) await this.#run('STOPPING=1', STOPPING_WITHIN_MS);
  }

  /** An agent whose disk, or whose threads, answer no more is one that the watchdog is there for. */
  async #watchdog(): Promise<void> {
    if (this.#isAsking) return;
    this.#isAsking = true;
    try {
      await this.#options.isAlive();
      void this.#tell('WATCHDOG', '1');
    } catch (error) {
      this.#fail(`the watchdog hears nothing: ${(error as Error).message}`);
    } finally {
      this.#isAsking = false;
    }
  }

  #tell(about: string, text: string): Promise<void> {
    if (this.#env.NOTIFY_SOCKET === undefined || this.#ending.signal.aborted) {
      return Promise.resolve();
    }
    this.#waiting.delete(about);
    this.#waiting.set(about, `${about}=${text}`);
    this.#telling ??= this.#tellAll();
    return this.#telling;
  }

  async #tellAll(): Promise<void> {
    for (let [next] = this.#waiting; next !== undefined; [next] = this.#waiting) {
      const [about, state] = next;
      this.#waiting.delete(about);
      await this.#run(state, TOLD_WITHIN_MS, this.#ending.signal);
    }
    this.#telling = undefined;
  }

  async #run(state: string, timeoutMs: number, signal?: AbortSignal): Promise<void> {
    const argv = ['systemd-notify', state];
    try {
      const result = await run({ argv, env: this.#env, timeoutMs, graceMs: GRACE_MS, signal });
      if (result.code !== 0) throw new Error(failureOf(argv, result));
      this.#hasFailed = false;
    } catch (error) {
      if (signal?.aborted !== true) this.#fail(`${argv.join(' ')}: ${(error as Error).message}`);
    }
  }

  #fail(message: string): void {
    if (!this.#hasFailed) this.#options.onError(message);
    this.#hasFailed = true;
  }
}

/** Half of what the watchdog waits; undefined: there is none for this process. */
function watchdogMs({ WATCHDOG_USEC, WATCHDOG_PID }: ServiceEnvironment): number | undefined {
  const limit = Number(WATCHDOG_USEC) / 1000;
  const isOurs = WATCHDOG_PID === undefined || Number(WATCHDOG_PID) === process.pid;
  return limit > 0 && isOurs ? Math.max(limit / 2, 100) : undefined;
}
