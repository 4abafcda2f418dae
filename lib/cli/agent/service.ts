/**
 * What a service manager is told, by the program `systemd-notify`: Node.js has no datagrams of Unix
 * sockets. A unit needs `NotifyAccess=all` for it.
 */
import { execFile } from 'node:child_process';

/** Characters of a line for people. */
const STATUS_MAX = 512;

/** The variables that the service manager sets. */
export type ServiceEnvironment = Readonly<
  Partial<Record<'NOTIFY_SOCKET' | 'WATCHDOG_USEC' | 'WATCHDOG_PID', string>>
>;

/** The service manager; where there is none nothing is told. */
export class ServiceManager {
  readonly #env: ServiceEnvironment;
  readonly #onError: (message: string) => void;
  #timer: NodeJS.Timeout | undefined;
  /** What is told goes in order, one after the other. */
  #told: Promise<void> = Promise.resolve();

  constructor(env: ServiceEnvironment, onError: (message: string) => void) {
    this.#env = env;
    this.#onError = onError;
  }

  /** The program does what it is for. From now on the watchdog hears of it as often as it wants. */
  async ready(): Promise<void> {
    await this.#tell('READY=1');
    const everyMs = watchdogMs(this.#env);
    if (everyMs === undefined || this.#env.NOTIFY_SOCKET === undefined) return;
    this.#timer = setInterval(() => void this.#tell('WATCHDOG=1'), everyMs);
    this.#timer.unref();
  }

  /** A line for people who ask the service manager. */
  async status(text: string): Promise<void> {
    await this.#tell(`STATUS=${text.replace(/[\s\0]+/g, ' ').slice(0, STATUS_MAX)}`);
  }

  async stopping(): Promise<void> {
    clearInterval(this.#timer);
    await this.#tell('STOPPING=1');
  }

  #tell(state: string): Promise<void> {
    if (this.#env.NOTIFY_SOCKET !== undefined) {
      this.#told = this.#told.then(() => this.#run(state));
    }
    return this.#told;
  }

  #run(state: string): Promise<void> {
    return new Promise((resolve) => {
      const end = (error: Error | null): void => {
        if (error !== null) this.#onError(`systemd-notify ${state}: ${error.message.trim()}`);
        resolve();
      };
      try {
        const env = { ...process.env, ...this.#env };
        execFile('systemd-notify', [state], { env, timeout: 10_000 }, end);
      } catch (error) {
        end(error as Error); // without a process: the next notification may get one
      }
    });
  }
}

/** Half of what the watchdog waits; undefined: there is none for this process. */
function watchdogMs({ WATCHDOG_USEC, WATCHDOG_PID }: ServiceEnvironment): number | undefined {
  const limit = Number(WATCHDOG_USEC) / 1000;
  const isOurs = WATCHDOG_PID === undefined || Number(WATCHDOG_PID) === process.pid;
  return limit > 0 && isOurs ? Math.max(limit / 2, 100) : undefined;
}
