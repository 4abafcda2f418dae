// Tested by test/unit/install/agent.test.ts and agent-deltas.test.ts
/** One module as its update has it: what runs, what is announced for it, and where its image comes from. */
import { IotkitError } from '../base/errors';
import { abortable } from '../base/signals';
import type { DeltaInfo } from '../delta';
import type { Upgrade } from '../ota/upgrade';
import type { CheckedModule } from './agent-options';
import type { Found } from './decide';
import type { Installer, SlotState } from './installer';
import { ModuleReports } from './module-reports';
import { refusalOf } from './policy';
import { beginning, type UpdateEntry } from './record';
import { moduleOption } from './reports';
import { resultOf, type Source, StoredSource, StreamedSource } from './source';
import { StartConfirmation } from './start-confirmation';
import type { UpdateHost } from './update-host';

/** @internal */
export class Member {
  readonly module: string;
  readonly installer: Installer;
  readonly reports: ModuleReports;
  /** The confirmation of what has started and is not on trial. */
  readonly start: StartConfirmation;
  readonly #version: (() => string | Promise<string>) | undefined;
  readonly #base: CheckedModule['base'];
  readonly #host: UpdateHost;

  constructor({ module, installer, version, base }: CheckedModule, host: UpdateHost) {
    this.module = module;
    this.installer = installer;
    this.#version = version && (() => abortable((async () => version())(), host.signal));
    this.#base = base;
    this.#host = host;
    this.reports = new ModuleReports(module, installer, this.#version, host);
    this.start = new StartConfirmation(module, installer, host);
  }

  get entry(): UpdateEntry | undefined {
    return this.#host.record.entry(this.module);
  }

  async look(): Promise<Found> {
    const { signal, bootId } = this.#host;
    const status = await this.installer.status({ signal });
    return { status, bootId: await bootId(), activates: this.installer.activates };
  }

  /** Which slot runs, and whether it was confirmed. */
  async runs(): Promise<{ readonly booted: string; readonly state: SlotState | undefined }> {
    const { booted, slots } = await this.installer.status({ signal: this.#host.signal });
    return { booted, state: slots.find(({ name }) => name === booted)?.state };
  }

  /** Reports what runs, unless it is on trial: it may not stay. */
  async reportRunning(): Promise<void> {
    if ((await this.runs()).state !== 'trial') this.reports.version();
  }

  /**
   * The entry of a trial that the record knows nothing of: it was damaged, or lost. Undefined: there is
   * none, or nothing good to go back to.
   */
  async unrecordedTrial(): Promise<UpdateEntry | undefined> {
    if (this.entry !== undefined) return undefined;
    const { booted, slots } = await this.installer.status({ signal: this.#host.signal });
    const runs = slots.find(({ name }) => name === booted);
    const back = slots.find(({ name, state }) => name !== booted && state === 'good');
    if (runs?.state !== 'trial' || back === undefined) return undefined;
    return {
      ...beginning,
      id: '',
      module: this.module,
      version: (await this.reports.running()) ?? '',
      digest: { method: 'sha256', value: '' },
      size: 0,
      slotFrom: back.name,
      slotTo: booted,
      phase: 'trial',
      bootId: await this.#host.bootId(),
    };
  }

  /** Refuses a slot that is said to have the image and cannot: what ran before is no new version. */
  async assertInstalled(slot: string, ranBefore: string): Promise<void> {
    const said = `the installer ${this.installer.kind} says that it has installed into`;
    if (slot === ranBefore) {
      const detail = `${said} ${slot}, which runs; it has to write another slot, and name that`;
      throw new IotkitError('ERR_INSTALL_FAILED', detail);
    }
    const { slots } = await this.installer.status({ signal: this.#host.signal });
    if (slots.some(({ name }) => name === slot)) return;
    const names = slots.map(({ name }) => name).join(', ');
    const detail = `${said} ${JSON.stringify(slot)}, which is none of its slots: ${names}`;
    throw new IotkitError('ERR_INSTALL_FAILED', detail);
  }

  /** Why what runs is not what was announced, as far as anybody can say. */
  async isAnotherVersion({ slotTo, version }: UpdateEntry): Promise<string | undefined> {
    const running = await this.#version?.();
    if (running === undefined || running === version) return undefined;
    return `${slotTo} runs version ${running}, not ${version}`;
  }

  /** Why an upgrade is not begun. */
  async refusalOf(upgrade: Upgrade): Promise<IotkitError | undefined> {
    return (await this.#notTaken(upgrade)) ?? (await this.#notAllowed(upgrade));
  }

  /** Refuses a version that was allowed when it was announced: it may have waited, and the rules changed. */
  async assertAllowed(entry: UpdateEntry): Promise<void> {
    const refusal = await this.#notAllowed(entry);
    if (refusal !== undefined) throw refusal;
  }

  /** Why the version may not be installed now. */
  async #notAllowed({ version }: { readonly version: string }): Promise<IotkitError | undefined> {
    const { record, policy } = this.#host;
    const pin = record.content.pins[this.module];
    const running = policy.newerOnly ? await this.reports.running() : undefined;
    const why = refusalOf(version, running, pin, policy);
    return why === undefined ? undefined : new IotkitError('ERR_VERSION_REFUSED', why);
  }

  /** Why the installer does not take it. */
  async #notTaken({ files, isDiff }: Upgrade): Promise<IotkitError | undefined> {
    const { kind, takesFiles = false } = this.installer;
    const name = moduleOption(this.module);
    if (files.length > 0 && (isDiff || !takesFiles)) {
      const several = isDiff ? 'differences of several files' : 'several files';
      const detail = `module ${name}: the installer ${kind} takes no ${several}`;
      return new IotkitError('ERR_UNSUPPORTED', detail);
    }
    return isDiff && (await this.#basePath()) === undefined ? this.#noBase() : undefined;
  }

  #noBase(): IotkitError {
    const { kind } = this.installer;
    const which = `module ${moduleOption(this.module)}: the installer ${kind} has none`;
    return new IotkitError('ERR_DELTA_BASE', `${which} for differences; the full image is needed`);
  }

  /** What the image of an entry is a difference to; undefined: it is none. */
  async #baseOf({ delta }: UpdateEntry): Promise<string | undefined> {
    if (delta === null) return undefined;
    const path = await this.#basePath();
    if (path === undefined) throw this.#noBase();
    return path;
  }

  async #basePath(): Promise<string | undefined> {
    const base = this.#base;
    if (base === undefined) return (await this.installer.base?.())?.path;
    return abortable((async () => base())(), this.#host.signal);
  }

  async newEntry(upgrade: Upgrade): Promise<UpdateEntry> {
    const { id, version, digest, digestMethod, size, isDiff, files } = upgrade;
    const announced = { digest: { method: digestMethod, value: digest }, size };
    return {
      ...beginning,
      ...announced,
      id,
      module: this.module,
      version,
      from: (await this.reports.running()) ?? '',
      delta: isDiff ? announced : null,
      files: files.map(({ name, ...file }) => ({
        name,
        size: file.size,
        digest: { method: file.digestMethod, value: file.digest },
      })),
      phase: 'announced',
    };
  }

  /** Whether its image is installed while it comes. */
  streams({ files }: UpdateEntry): boolean {
    const { policy } = this.#host;
    return this.installer.takes === 'stream' && policy.window === undefined && files.length === 0;
  }

  /**
   * Downloads the image of an entry, of a difference the image that it makes.
   *
   * @returns the entry as the image has turned out to be
   * @throws what a download throws, which it has reported itself
   */
  async download(entry: UpdateEntry, upgrade: Upgrade, signal: AbortSignal): Promise<UpdateEntry> {
    const { images, progress } = this.#host;
    const isOne = entry.files.length === 0;
    let made: DeltaInfo | undefined;
    await upgrade.download(isOne ? images.path(this.module) : images.directory(this.module), {
      signal,
      report: { upTo: progress.download },
      base: await this.#baseOf(entry),
      onBase: (info) => {
        made = info;
      },
    });
    images.verified(this.module);
    return { ...entry, ...(made && resultOf(made)), phase: 'downloaded' };
  }

  /** Where the image comes from; undefined: the platform has to announce it again. */
  async source(entry: UpdateEntry, upgrade: Upgrade | undefined): Promise<Source | undefined> {
    const { images, progress, signal } = this.#host;
    if (await images.has(entry)) return new StoredSource(images);
    if (upgrade === undefined || !this.streams(entry)) return undefined;
    const base = await this.#baseOf(entry);
    return new StreamedSource(upgrade, { signal, upTo: progress.install, base });
  }
}

/** @internal Whether an upgrade is the one that an entry is of. */
export function isSame(entry: UpdateEntry, upgrade: Upgrade): boolean {
  const { version, digest, delta, files } = entry;
  // Of a trial whose record was lost no more is known.
  if (digest.value === '' && files.length === 0) return version === upgrade.version;
  const digests = files.map((file) => `${file.name}:${file.digest.value}`);
  return (
    version === upgrade.version &&
    (delta ?? { digest }).digest.value === upgrade.digest &&
    digests.join() === upgrade.files.map((file) => `${file.name}:${file.digest}`).join()
  );
}
