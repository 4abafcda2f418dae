/**
 * This room brings a verified image to run. installer.ts is the contract with what knows slots and
 * boot loaders, backends/ has those that come with the package. agent.ts is the public face of what
 * decides: decide.ts says what is to be done (pure), update.ts does it for one module or for several
 * together: offer.ts until their images are there, round.ts when they go back, member.ts is one of
 * them, source.ts where its image comes from. record.ts keeps what was meant over restarts. gate.ts
 * holds an update off, by policy.ts, window.ts, consent.ts and hooks.ts; health.ts proves what runs,
 * module-reports.ts tells the platform. It may import base, options, delta, addon, download and ota;
 * of a device it knows {@link UpdateDevice}.
 */
import { callback, options as checkOptions, oneOf, optional, text } from '../base/arguments';
import { IotkitError } from '../base/errors';
import { Listeners, type Subscription } from '../base/listeners';
import { abortable, throwIfAborted, whenAborted } from '../base/signals';
import { checkModule, checkVersion } from '../ota/arguments';
import type { Upgrade } from '../ota/upgrade';
import {
  type AgentInternals,
  type CheckedAgent,
  checkAgent,
  type UpdateAgentOptions,
} from './agent-options';
import { Announced } from './announced';
import { type ConsentRequest, Consents } from './consent';
import type { Said } from './health';
import { Images } from './images';
import { type FileLock, tryLock } from './lock';
import type { Offered } from './offer';
import { RecordFile, type UpdateEntry } from './record';
import { Reports, type UpdateDevice } from './reports';
import type { Outcome } from './round';
import { Update } from './update';

/** What listeners of an {@link UpdateAgent} hear. */
export interface UpdateAgentEventMap {
  /** An update has come further; as the record has it now. */
  readonly state: UpdateEntry;
  /** A user is asked. Those who listen late hear of what waits for an answer. */
  readonly consent: ConsentRequest;
  /**
   * What went wrong and does not end the agent: an update that failed, a hook, a record that was
   * damaged (`ERR_INSTALL_RECORD`), checks that do not hold, a boot environment that cannot be read.
   */
  readonly error: unknown;
}

/** What {@link UpdateAgent.run} takes. */
export interface RunAgentOptions {
  /** Ends it; the promise then resolves. */
  readonly signal?: AbortSignal | undefined;
}

/** What {@link UpdateAgent.pin} takes. */
export interface PinOptions {
  /** Default: the default module. */
  readonly module?: string | undefined;
}

const eventNames = ['state', 'consent', 'error'] as const satisfies ReadonlyArray<
  keyof UpdateAgentEventMap
>;
/** After something went wrong that may pass, such as a boot environment that another program writes. */
const RETRY_MS = 60_000;

/**
 * Makes an agent, which alone has the record from then on.
 *
 * @throws `InvalidArgument` and `IotkitError` of `iotkit-ota`: `ERR_INSTALL_BUSY` (another agent has the
 *   record), `ERR_INSTALL_RECORD` (it is a link, or somebody else's), `ERR_INSTALL_UNAVAILABLE` (no
 *   program `flock`), `ERR_FILE_ACCESS`, `ERR_FILE_NOT_FOUND`, `ERR_FILE`.
 *
 * @example
 * const device = await connect({ productKey, deviceName, deviceSecret, region: 'cn-shanghai' });
 * const agent = await createUpdateAgent({
 *   device,
 *   installer: directoriesInstaller({ root: '/opt/app', restart: ['systemctl', 'restart', 'app'] }),
 *   record: '/var/lib/app/update.record',
 * });
 * await agent.run();
 */
export function createUpdateAgent(options: UpdateAgentOptions): Promise<UpdateAgent> {
  return openAgent(options);
}

/** @internal As {@link createUpdateAgent}, with what a test replaces. */
export async function openAgent(
  options: UpdateAgentOptions,
  internals: AgentInternals = {},
): Promise<UpdateAgent> {
  const checked = checkAgent(options, internals);
  const lock = await lockRecord(checked.record, checked.lock);
  try {
    return new UpdateAgent(checked, await RecordFile.open(checked.record, checked.io), lock);
  } catch (error) {
    await lock.release();
    throw error;
  }
}

/**
 * @internal The lock of a record.
 *
 * @throws IotkitError ERR_INSTALL_BUSY (another agent has it), and those of tryLock()
 */
export async function lockRecord(record: string, lock = tryLock): Promise<FileLock> {
  const held = await lock(`${record}.lock`);
  if (held !== undefined) return held;
  throw new IotkitError('ERR_INSTALL_BUSY', `another agent has the record ${record}`);
}

/**
 * Takes the upgrades of a device, and brings each from its announcement to the version that runs:
 * downloaded, installed, activated, restarted, proven by checks, confirmed, reported; or rolled back,
 * and reported as failed with the reason. It goes on after a restart, wanted or not, at any point.
 *
 * Made by {@link createUpdateAgent}. While it runs, the program takes no upgrades of its modules
 * itself, and reports no versions of them.
 */
export class UpdateAgent {
  readonly #device: UpdateDevice;
  readonly #checked: CheckedAgent;
  readonly #record: RecordFile;
  readonly #lock: FileLock;
  readonly #listeners = new Listeners<UpdateAgentEventMap>();
  readonly #consents = new Consents();
  readonly #ending = new AbortController();
  readonly #updates: readonly Update[];
  #said: Said | undefined;
  #resumed: Promise<Outcome> | undefined;
  #running: Promise<void> | undefined;
  #damage: IotkitError | undefined;
  #announced: Announced<Update> | undefined;

  /** @internal */
  constructor(checked: CheckedAgent, record: RecordFile, lock: FileLock) {
    this.#device = checked.device;
    this.#checked = checked;
    this.#record = record;
    this.#lock = lock;
    this.#damage = record.damage;
    this.#updates = this.#makeUpdates();
  }

  /** The update of a module that is under way or was the last; undefined: there was none. */
  entry(module?: string): UpdateEntry | undefined {
    return this.#record.entry(checkModule(module));
  }

  /**
   * Calls `listener` for each event until the subscription is ended by its `off()` or by `using`.
   * What it throws is an uncaught exception; it disturbs nothing else.
   *
   * @throws `InvalidArgument`
   *
   * @example
   * agent.on('consent', (update) => display.ask(`Install ${update.version}?`, update.accept, update.refuse));
   */
  on<E extends keyof UpdateAgentEventMap>(
    event: E,
    listener: (value: UpdateAgentEventMap[E]) => void,
  ): Subscription {
    oneOf('event', event, eventNames);
    const subscription = this.#listeners.add(event, callback('listener', listener));
    if (event === 'consent') {
      for (const request of this.#consents.waiting) listener(request as UpdateAgentEventMap[E]);
    }
    return subscription;
  }

  /**
   * Finds out what this start is, and ends what was begun before it: a trial is proven and confirmed
   * or rolled back, a roll back is reported, an installation that was cut off begun again. What runs and
   * is not on trial is confirmed as soon as it is healthy, as on each start. Resolves when nothing is
   * left to do before the next upgrade, or the machine is about to restart. {@link UpdateAgent.run}
   * begins with it.
   *
   * @throws `IotkitError` `ERR_CLOSED`.
   */
  async resume(): Promise<void> {
    await this.#resumeOnce();
  }

  /**
   * Resumes, then takes upgrades as they are announced, until the agent is closed, `signal` aborts or
   * the machine restarts. What goes wrong is an event.
   *
   * @throws `InvalidArgument`; `IotkitError` `ERR_CLOSED`, `ERR_BUSY` (it runs already).
   */
  async run(options?: RunAgentOptions): Promise<void> {
    const { signal } = checkOptions('options', options, ['signal']);
    this.#assertOpen();
    if (this.#running !== undefined) throw new IotkitError('ERR_BUSY', 'the agent runs already');
    const stop = whenAborted(signal, (reason) => this.#ending.abort(reason));
    this.#running = this.#untilEnd().finally(stop);
    await this.#running;
  }

  /** The program is healthy: for the check `'called'`. */
  healthy(): void {
    this.#said = { healthy: true, reason: '' };
  }

  /**
   * The program is not healthy, and will not become so: a trial is rolled back with this reason.
   *
   * @throws `InvalidArgument`
   */
  unhealthy(reason: string): void {
    this.#said = { healthy: false, reason: text('reason', reason, { max: 4096 }) };
  }

  /**
   * Keeps a module to one version: upgrades to others are refused, also after a restart. undefined:
   * it is free again. Resolves when that is on the disk.
   *
   * @throws `InvalidArgument`; `IotkitError` `ERR_FILE_ACCESS`, `ERR_NO_SPACE`, `ERR_FILE`.
   */
  async pin(version: string | undefined, options?: PinOptions): Promise<void> {
    const module = checkModule(checkOptions('options', options, ['module']).module);
    const pin = optional(version, (value) => checkVersion('version', value));
    await this.#record.change((content) => {
      const { [module]: _, ...others } = content.pins;
      return { ...content, pins: pin === undefined ? others : { ...others, [module]: pin } };
    });
  }

  /**
   * Ends what the agent does; an update under way goes on with the next one. The device stays open.
   * May be called again.
   */
  async close(): Promise<void> {
    this.#ending.abort(new IotkitError('ERR_CLOSED', 'the agent was closed'));
    await Promise.allSettled([this.#running, this.#resumed]);
    for (const update of this.#updates) await update.end();
    await this.#lock.release();
  }

  /** As {@link UpdateAgent.close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #makeUpdates(): readonly Update[] {
    const { modules, together, images, ...given } = this.#checked;
    const { signal } = this.#ending;
    const reports = new Reports(this.#device, signal);
    const host = {
      ...given,
      record: this.#record,
      reports,
      images: new Images(images),
      vitals: { isConnected: () => reports.isConnected, said: () => this.#said },
      signal,
      offered: async (wanted: readonly string[], ending: AbortSignal) =>
        this.#announced?.untilOffered(wanted, ending),
      consent: (step: 'download' | 'install', entry: UpdateEntry, ending: AbortSignal) =>
        this.#consents.ask(step, entry, (it) => this.#listeners.emit('consent', it), ending),
      whenReplaced: (entry: UpdateEntry, call: () => void) =>
        this.#follow().whenReplaced(entry, call),
      isReplaced: async (entry: UpdateEntry) => {
        await reports.connected();
        return this.#follow().isReplaced(entry, (module) => this.#stillHas(reports, module));
      },
      onEntry: (entry: UpdateEntry) => this.#listeners.emit('state', entry),
      onError: (error: unknown) => this.#listeners.emit('error', error),
    };
    const groups = together ? [modules] : modules.map((module) => [module]);
    return groups.map((group) => new Update(group, host));
  }

  #assertOpen(): void {
    if (this.#ending.signal.aborted) throw new IotkitError('ERR_CLOSED', 'the agent was closed');
  }

  #resumeOnce(): Promise<Outcome> {
    this.#assertOpen();
    this.#resumed ??= this.#resume();
    return this.#resumed;
  }

  async #resume(): Promise<Outcome> {
    if (this.#damage !== undefined) this.#listeners.emit('error', this.#damage);
    this.#damage = undefined;
    for (const update of this.#updates) await update.keep();
    for (const update of this.#updates) {
      const outcome = await this.#persist(() => update.resume());
      if (outcome === 'restarting') return outcome;
      await this.#persist(() => update.confirmStart());
    }
    return 'idle';
  }

  /** From the first wait on, which may be one of what was begun before this start. */
  #follow(): Announced<Update> {
    const onError = (error: unknown): void => this.#listeners.emit('error', error);
    this.#announced ??= new Announced(this.#device, this.#updates, this.#ending.signal, onError);
    return this.#announced;
  }

  /** What the platform has for a module; undefined: nothing, or nobody can say. */
  #stillHas(reports: Reports, module: string): Promise<Upgrade | undefined> {
    return reports.check(module).catch((error: unknown) => {
      throwIfAborted(this.#ending.signal);
      this.#listeners.emit('error', error);
      return undefined;
    });
  }

  async #untilEnd(): Promise<void> {
    const { signal } = this.#ending;
    try {
      let outcome = await this.#resumeOnce();
      const announced = this.#follow();
      while (outcome === 'idle') {
        const [update, offered] = await announced.next();
        outcome = await this.#taken(update, offered);
      }
      // The end of this process is on its way; nothing is begun before it.
      await abortable(new Promise<never>(() => {}), signal);
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  /** What failed may have passed when it is taken again; the device offers an upgrade once. */
  async #taken(update: Update, offered: Offered): Promise<Outcome> {
    for (;;) {
      try {
        return await update.take(offered);
      } catch (error) {
        throwIfAborted(this.#ending.signal);
        this.#listeners.emit('error', error);
        await this.#checked.clock.sleep(RETRY_MS, this.#ending.signal);
      }
      const outcome = await this.#persist(() => update.resume());
      if (outcome === 'restarting') return outcome;
    }
  }

  /** What fails now may succeed later, and an agent that gives up could repair nothing. */
  async #persist<T>(call: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await call();
      } catch (error) {
        throwIfAborted(this.#ending.signal);
        this.#listeners.emit('error', error);
        await this.#checked.clock.sleep(RETRY_MS, this.#ending.signal);
      }
    }
  }
}
