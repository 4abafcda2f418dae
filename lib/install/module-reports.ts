// Tested by test/unit/install/agent-faults.test.ts
/** What runs of one module, and what the platform hears of it: one report after the other. */
import type { Installer } from './installer';
import type { RecordFile, UpdateEntry } from './record';
import type { Reports } from './reports';

interface ReportsHost {
  readonly record: RecordFile;
  readonly reports: Reports;
  readonly signal: AbortSignal;
  isReplaced(entry: UpdateEntry): Promise<boolean>;
  onEntry(entry: UpdateEntry): void;
  onError(error: unknown): void;
}

/** @internal */
export class ModuleReports {
  readonly #module: string;
  readonly #installer: Installer;
  readonly #version: (() => string | Promise<string>) | undefined;
  readonly #host: ReportsHost;
  #sent: Promise<void> = Promise.resolve();

  constructor(
    module: string,
    installer: Installer,
    version: (() => string | Promise<string>) | undefined,
    host: ReportsHost,
  ) {
    this.#module = module;
    this.#installer = installer;
    this.#version = version;
    this.#host = host;
  }

  /** Resolves when nothing is left to report. */
  get sent(): Promise<void> {
    return this.#sent;
  }

  /** The version that runs, as far as anybody can say. */
  async running(): Promise<string | undefined> {
    if (this.#version !== undefined) return this.#version();
    const { booted, slots } = await this.#installer.status();
    const confirmed = this.#host.record.content.confirmed[this.#module];
    if (confirmed?.slot === booted) return confirmed.version;
    return slots.find(({ name }) => name === booted)?.version;
  }

  /** Reports what runs. */
  version(): void {
    this.#later(() => this.#sendRunning());
  }

  /** Reports how an update has ended. */
  end(entry: UpdateEntry): void {
    this.#later(async () => {
      const { reports, record, onEntry } = this.#host;
      const hasFailed = entry.phase !== 'confirmed';
      const runs = !hasFailed && (await this.#stillRuns(entry));
      if (hasFailed && (await this.#isAwaited(entry)))
        await reports.failure(entry.step, entry.reason, this.#module);
      if (runs) await reports.version(entry.version, this.#module);
      onEntry(await record.put({ ...entry, reported: true }));
      if (!runs) await this.#sendRunning();
    });
  }

  /**
   * What nobody has announced nobody waits for. A failure says only of which module it is: the platform would take it
   * for that of the upgrade it has by now.
   */
  async #isAwaited(entry: UpdateEntry): Promise<boolean> {
    return entry.id !== '' && !(await this.#host.isReplaced(entry));
  }

  /** A confirmed slot may have been left again before the platform could hear of it. */
  async #stillRuns({ slotTo }: UpdateEntry): Promise<boolean> {
    try {
      return (await this.#installer.status()).booted === slotTo;
    } catch (error) {
      this.#host.onError(error);
      return true; // as the record says
    }
  }

  async #sendRunning(): Promise<void> {
    const version = await this.running();
    if (version !== undefined) await this.#host.reports.version(version, this.#module);
  }

  #later(send: () => Promise<void>): void {
    this.#sent = this.#sent.then(send).catch((error) => {
      if (!this.#host.signal.aborted) this.#host.onError(error);
    });
  }
}
