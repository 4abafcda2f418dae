// Tested by test/unit/cli/agent/uploads.test.ts
/**
 * The log goes to the platform after updates that failed, were rolled back or refused; the agent does not wait
 * for it. Each entry goes once: again only of a message whose answer has not come.
 */
import type { Device } from '../../device/device';
import type { UpdateAgent } from '../../install/agent';
import type { UpdateModule } from '../../install/agent-options';
import { isUnderWay, type UpdateEntry } from '../../install/record';
import type { LogEntry } from '../../logs/device-logs';
import type { AgentLog } from './log';
import type { UploadState } from './upload-state';

const ANSWER_MS = 60_000;

export interface LogUploadsOptions {
  readonly device: Pick<Device, 'on' | 'state'> & { readonly logs: Pick<Device['logs'], 'post'> };
  readonly agent: Pick<UpdateAgent, 'entry'>;
  readonly modules: readonly Pick<UpdateModule, 'module'>[];
  readonly log: Pick<AgentLog, 'entries' | 'warn'>;
  readonly state: UploadState;
  readonly signal: AbortSignal;
}

/** What is owed is tried with each connection, until the platform has taken it. */
export class LogUploads {
  readonly #options: LogUploadsOptions;
  /** By module, the update whose end is known. */
  readonly #ended = new Map<string, string>();
  #failures = 0;
  #connections = 0;
  #running: Promise<void> | undefined;

  constructor(options: LogUploadsOptions) {
    this.#options = options;
    for (const entry of this.#entries()) {
      if (!isBad(entry)) continue;
      this.#ended.set(entry.module, nameOf(entry));
      // The power may have been cut before anything was owed.
      if (!entry.reported) options.state.owe();
    }
    options.device.on('state', ({ state }) => {
      if (state === 'connected') this.#connected();
    });
    if (options.device.state === 'connected') this.#connected();
  }

  /** Takes the news of an update. */
  follow(entry: UpdateEntry): void {
    // What the platform has heard of an end changes too.
    if (isBad(entry) && this.#ended.get(entry.module) !== nameOf(entry)) {
      this.#ended.set(entry.module, nameOf(entry));
      this.failed();
    }
    this.#start();
  }

  /** An update has failed, whether or not it had begun. */
  failed(): void {
    this.#failures += 1;
    this.#options.state.owe();
    this.#start();
  }

  async ended(): Promise<void> {
    await this.#running;
  }

  #connected(): void {
    this.#connections += 1;
    this.#start();
  }

  #start(): void {
    if (!this.#options.state.isOwed) return;
    // The ends of modules that are updated together come one right after the other.
    this.#running ??= Promise.resolve()
      .then(() => this.#upload())
      .finally(() => {
        this.#running = undefined;
      });
  }

  async #upload(): Promise<void> {
    const { log, state, signal } = this.#options;
    for (let tried = 0; this.#isDue() && tried !== this.#connections; ) {
      tried = this.#connections;
      const failures = this.#failures;
      try {
        await this.#post(state.untaken(log.entries()));
        if (failures === this.#failures) state.settle();
        else tried = 0;
      } catch (error) {
        if (signal.aborted) return;
        log.warn(`the log was not uploaded, the next connection tries again: ${messageOf(error)}`);
      }
    }
  }

  async #post(entries: readonly LogEntry[]): Promise<void> {
    const { device, state, signal } = this.#options;
    const onTaken = (count: number): void => {
      const last = entries[count - 1];
      if (last !== undefined) state.take(last);
    };
    await device.logs.post(entries, { signal, timeout: ANSWER_MS, onTaken });
  }

  #isDue(): boolean {
    const { device, state, signal } = this.#options;
    return state.isOwed && !signal.aborted && device.state === 'connected' && !this.#isGoingBack();
  }

  /** Of several modules some may have ended before the others. */
  #isGoingBack(): boolean {
    return this.#entries().some((entry) => isUnderWay(entry) && entry.reason !== '');
  }

  #entries(): readonly UpdateEntry[] {
    const { agent, modules } = this.#options;
    return modules.flatMap(({ module }) => agent.entry(module) ?? []);
  }
}

export function isBad({ phase }: UpdateEntry): boolean {
  return phase === 'failed' || phase === 'rolledBack';
}

export function messageOf(error: unknown): string {
  const { code, message } = Object(error) as { code?: unknown; message?: unknown };
  const text = typeof message === 'string' ? message : String(error);
  return typeof code === 'string' ? `${text} (${code})` : text;
}

function nameOf({ id, version }: UpdateEntry): string {
  return `${id} ${version}`;
}
